import pandas as pd
import pytest

import jaxcost as jc
from jaxcost._support.published import published
from jaxcost.calibrate.bundled import fitted_files
from jaxcost.device.data_sheets import (
    data_sheet,
    data_sheets,
    known_device,
    may_be_here,
    same_device,
)


def test_every_gpu_of_the_thesis_has_a_sheet_in_every_precision():
    for table in ("b_1", "b_3"):
        for row in published(f"inference_trends_table_{table}").itertuples():
            adapted = getattr(row, "adapted_for", "none")
            suffix = "" if adapted == "none" else f"-{adapted}"
            sheet = data_sheet(row.gpu, row.precision + suffix)
            assert (sheet.peak_flops, sheet.design_power) == (
                row.peak_flop_per_s,
                row.design_power_w,
            )
            assert sheet.launch_date == row.launch_date


@pytest.mark.parametrize("name", ["a100-sxm-80gb", "h100-sxm", "h200-sxm", "l4", "tpu-v4"])
def test_current_accelerators_have_peak_power_and_source(name):
    for sheet in data_sheets()[name].values():
        assert sheet.peak_flops > 0
        assert sheet.design_power > 0
        assert sheet.source


def test_names_may_be_written_as_their_makers_do():
    for name in ("v100", "V100", "Tesla V100", "NVIDIA Tesla V100"):
        assert data_sheet(name).name == "v100"
    assert data_sheet("GeForce GTX 780 TI").name == "gtx-780-ti"
    assert data_sheet("Google TPU v4").precision == "bf16"  # the only one it has


@pytest.mark.parametrize(
    ("driver", "sheet"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("NVIDIA H200", "h200-sxm"),
        ("NVIDIA A100-SXM4-80GB", "a100-sxm-80gb"),
        ("NVIDIA A100 80GB PCIe", "a100-pcie-80gb"),
        ("Tesla V100-PCIE-32GB", "v100-pcie"),
        ("Tesla P100-PCIE-16GB", "p100-pcie"),
        ("AMD Instinct MI210", "mi210"),
        ("a100-sxm", "a100-sxm-80gb"),  # the preset's
    ],
)
def test_names_may_be_those_of_drivers_and_presets(driver, sheet):
    assert data_sheet(driver).name == known_device(driver).name == sheet
    assert same_device(driver, sheet)
    assert same_device(sheet, driver.lower().replace(" ", "-"))


@pytest.mark.parametrize("other", ["NVIDIA A100-SXM4-40GB", "A100", "t4", ""])
def test_other_names_are_other_devices(other):
    assert not same_device(other, "a100-sxm-80gb")


def test_every_preset_is_known_by_its_own_name():
    for name in fitted_files():
        assert known_device(name) == jc.load_calibration(name).device


def test_a_device_may_be_here_whatever_its_kind_is_called(monkeypatch):
    monkeypatch.setattr(
        "jaxcost.device.data_sheets.detect_device",
        lambda: jc.Device("x", kind="NVIDIA H100 80GB HBM3"),
    )
    assert may_be_here(known_device("h100-sxm"))
    assert may_be_here(jc.Device("x"))
    assert not may_be_here(known_device("h200-sxm"))


def test_a_sheet_is_a_device_for_any_model():
    device = data_sheet("v100").device()
    assert float(device.peak_flops) == pytest.approx(15.7e12)
    assert float(device.design_power) == 300
    assert float(device.launch_year) == pytest.approx(2018.233, abs=1e-3)
    assert data_sheet("tpu-v5e").device().design_power is None


@pytest.mark.parametrize(
    ("name", "near"),
    [("h100", "'h100-sxm'"), ("rtx-3900", "'rtx-3090'"), ("tpu-v5", "'tpu-v5e'"), ("gtx", "'gtx-")],
)
def test_an_unknown_name_is_refused_with_the_nearest(name, near):
    with pytest.raises(ValueError, match="has no data sheet here; did you mean") as caught:
        data_sheet(name)
    assert near in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_like_none_is_refused_with_where_to_look():
    with pytest.raises(ValueError, match=r"'qqq' has no data sheet here; `jaxcost devices"):
        data_sheet("qqq")


def test_a_precision_that_a_device_has_not_is_refused_with_those_it_has():
    with pytest.raises(ValueError, match="precision of v100 'tf32' is not known") as caught:
        data_sheet("v100", "tf32")
    assert "fp16-tensor, mixed-cnn, mixed-nlp" in str(caught.value)


def test_deepbench_s_devices_have_the_sheets_that_its_times_allow(shared):
    """No product of the table is more than a few percent faster than the sheet's peak, which tells
    a Titan X of Maxwell from one of Pascal, and the V100 on SXM from one on PCIe."""
    table = pd.read_csv(shared / "datasets" / "gpu" / "deepbench_train.csv")
    table = table[(table["op"] == "dense") & (table["dtype"] == "float32")]
    reached = 2 * table["batch"] * table["c_in"] * table["c_out"] / table["time_s"]
    fastest = reached.groupby(table["device"]).max()
    for device, sheet in {
        "NV_M40": "Tesla M40", "NV_P100": "Tesla P100", "NV_V100": "Tesla V100",
        "NV_1080Ti": "GeForce GTX 1080 Ti", "NV_TitanX": "GeForce GTX TITAN X",
        "NV_TitanX_Pascal": "TITAN X Pascal", "NV_TitanXp": "TITAN XP",
    }.items():  # fmt: skip
        assert same_device(device, sheet)
        assert 0.7 < fastest[device] / data_sheet(device).peak_flops < 1.05
    for device in ("AMD_MI25", "AMD_VegaFE"):
        with pytest.raises(ValueError, match="has no data sheet here"):
            data_sheet(device)
