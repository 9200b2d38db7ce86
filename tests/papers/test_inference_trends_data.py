"""The tables of the inference-trends thesis: line for line the printed ones, and consistent."""

import csv
import re

import numpy as np
import pandas as pd
import pytest

from jaxcost._support.published import _data_directory, published

PRECISIONS = {"fp32": "FP32", "fp16": "FP16", "fp16-tensor": "FP16/FP32 Tensor"}
PRECISIONS |= {"mixed": "Mixed", "tf32": "TF32"}
# Table: what its heading starts with, and its caption; then how a row of ours reads as a line.
PLACES = {
    "3_1": ("Model Top-1 Acc 1-crop", "Table 3.1"),
    "4_1": ("Model Top-1 Accuracy GFLOPs Extra", "Table 4.1"),
    "5_2": ("Model Top-1 Accuracy GFLOPs Joules", "Table 5.2"),
    "5_3": ("Model Top-1 Accuracy Joules", "Table 5.3"),
    "a_1": ("Model w d test res", "Table A.1"),
    "a_3": ("Model Top-1 Acc. Params", "Table A.3"),
    "a_4": ("Model Input Tokens GFLOPs", "Table A.4"),
    "b_1": ("GPU Precision TFLOPS", "Table B.1"),
    "b_2": ("Task Model Framework", "Table B.2"),
    "b_3": ("Adapted GPU Precision", "Table B.3"),
}


def table(name):
    return published(f"inference_trends_table_{name}")


def _text(name):
    path = _data_directory() / f"inference_trends_table_{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _cited(references):
    return f" [{references.replace(';', ', ')}]" if references else ""


def _yes(flag):
    return {"true": "Yes", "false": "No"}[flag]


def _digits(value):
    return re.sub(r"e\d+$", "", value)


def _day(date):
    return "/".join(reversed(date.split("-")))


def _line_3_1(r):
    crops = f"{r['top_1_1_crop_percent']} {r['top_1_10_crop_percent']}"
    return f"{r['model']}{_cited(r['references'])} {crops}"


def _line_4_1(r):
    return f"{r['model']} {r['top_1_percent']} {_digits(r['flops'])} {_extra(r)}"


def _line_5_2(r):
    cost = f"{_digits(r['flops'])} {r['energy_j']}"
    return f"{r['model']} {r['top_1_percent']} {cost} {_extra(r)}"


def _line_5_3(r):
    return f"{r['model']} {r['top_1_percent']} {r['energy_j']} {_extra(r)}"


def _extra(r):
    return f"{_yes(r['extra_data'])} {r['year']}"


def _line_a_1(r):
    factors = f"{r['width_factor']} {r['depth_factor']}"
    return f"{r['model']} {factors} {r['test_resolution_px']}"


def _line_a_3(r):
    tool = {"true": " †", "false": ""}
    estimated = {"true": " ∗", "false": ""}[r["flops_estimated"]]
    extra = "No" if r["extra_data"] == "no" else r["extra_data"]
    return (
        f"{r['model']}{_cited(r['references'])} {r['top_1_percent']}{_cited(r['top_1_source'])} "
        f"{_digits(r['parameters'])}{_cited(r['parameters_source'])}{tool[r['parameters_by_tool']]}"
        f" {_digits(r['flops'])}{_cited(r['flops_source'])}{tool[r['flops_by_tool']]}{estimated} "
        f"{extra} {_day(r['date'])} {r['architecture']}"
    )


def _line_a_4(r):
    estimated = {"true": " ∗", "false": ""}[r["parameters_estimated"]]
    mark = {("true", "false"): " ♠", ("false", "true"): " ♣", ("false", "false"): ""}
    return (
        f"{r['model']}{_cited(r['references'])} {r['input_tokens']} {_digits(r['flops'])}"
        f"{_cited(r['flops_source'])} {_digits(r['parameters'])}{estimated} {_day(r['date'])} "
        f"{r['glue_score'] or '-'}{_cited(r['glue_source'])}"
        f"{mark[r['glue_without_wnli'], r['glue_on_dev_set']]}"
    )


def _line_b_1(r):
    return (
        f"{r['gpu']} {PRECISIONS[r['precision']]} {_digits(r['peak_flop_per_s'])} "
        f"{r['design_power_w']} {_day(r['launch_date'])} {r['type'].capitalize()} "
        f"{_digits(r['efficiency_flop_per_j'])}"
    )


def _line_b_2(r):
    where = f"{r['gpu']} {_digits(r['memory_b'])}GB {PRECISIONS[r['precision']]}"
    return (
        f"{r['model']} {r['framework']} {r['batch_size']} {where} "
        f"{r['throughput_per_s']} {r['speedup']}"
    )


LINES = {
    "3_1": _line_3_1, "4_1": _line_4_1, "5_2": _line_5_2, "5_3": _line_5_3, "a_1": _line_a_1,
    "a_3": _line_a_3, "a_4": _line_a_4, "b_1": _line_b_1, "b_2": _line_b_2, "b_3": _line_b_1,
}  # fmt: skip
ASIDES = {"CV", "NLP", "No", "For CNN", "For NLP"}


@pytest.fixture(scope="module")
def thesis(shared):
    return [line.strip() for line in next(shared.glob("papers/002_*.txt")).read_text().splitlines()]


@pytest.mark.parametrize("name", LINES)
def test_every_row_is_a_line_of_the_thesis(thesis, name):
    heading, caption = PLACES[name]
    start = next(i for i, line in enumerate(thesis) if line.startswith(heading))
    end = next(i for i, line in enumerate(thesis) if i > start and line.startswith(caption))
    printed = [line for line in thesis[start + 1 : end] if line and line not in ASIDES]
    assert [LINES[name](row) for row in _text(name)] == printed


@pytest.mark.parametrize(
    ("name", "rows"),
    {"3_1": 6, "4_1": 7, "5_1": 4, "5_2": 7, "5_3": 8, "a_1": 2, "a_2": 2, "a_3": 94, "a_4": 19,
     "b_1": 48, "b_2": 58, "b_3": 36}.items(),
)  # fmt: skip
def test_no_row_is_missing(name, rows):
    assert len(table(name)) == rows


def test_the_rows_of_table_b_3_are_adapted_for_what_stands_above_them():
    counts = table("b_3").groupby("adapted_for", sort=False).size()
    assert counts.to_dict() == {"none": 28, "cnn": 4, "nlp": 4}


def test_table_5_1_is_the_thesis_s(thesis):
    start = next(i for i, line in enumerate(thesis) if line.startswith("GPU Precision speed up"))
    printed = re.findall(r"(\d\.\d+) (\d\.\d+)$", "\n".join(thesis[start : start + 9]), re.M)
    ours = table("5_1")[["cnn_speedup", "nlp_speedup"]].to_numpy()
    np.testing.assert_array_equal(ours, np.array(printed, float))


def test_table_a_2_is_the_thesis_s(thesis):
    line = next(line for line in thesis if line.startswith("ViT-G/14 965"))
    assert [float(n) * 1e9 for n in line.split()[1:]] == table("a_2").flops.tolist()


@pytest.mark.parametrize("name", ["a_3", "a_4", "b_1", "b_3"])
def test_dates_are_iso_and_within_the_study(name):
    rows = table(name)
    column = "date" if name.startswith("a") else "launch_date"
    dates = pd.to_datetime(rows[column], format="%Y-%m-%d")
    assert dates.between("2010-11-09", "2021-06-08").all()


@pytest.mark.parametrize(("name", "beyond_the_last_digit"), [("b_1", 8), ("b_3", 3)])
def test_efficiency_is_peak_over_power_within_rounding(name, beyond_the_last_digit):
    rows = table(name)
    half = 0.005  # of the last printed digit, of TFLOP/s and of GFLOP/J
    lowest = (rows.peak_flop_per_s - half * 1e12) / rows.design_power_w - half * 1e9
    highest = (rows.peak_flop_per_s + half * 1e12) / rows.design_power_w + half * 1e9
    assert rows.efficiency_flop_per_j.between(lowest, highest).all()
    off = (rows.efficiency_flop_per_j - rows.peak_flop_per_s / rows.design_power_w).abs()
    assert (off > 1.01 * half * 1e9).sum() == beyond_the_last_digit


def test_eight_gpus_have_two_efficiencies():
    both = table("b_1").merge(table("b_3"), on=["gpu", "precision", "launch_date"])
    assert len(both) == 27
    assert (both.efficiency_flop_per_j_x != both.efficiency_flop_per_j_y).sum() == 8
    assert (both.peak_flop_per_s_x == both.peak_flop_per_s_y).all()
    assert (both.design_power_w_x == both.design_power_w_y).all()


def test_speed_ups_are_ratios_of_throughputs():
    rows = table("b_2")
    key = ["task", "model", "framework", "batch_size"]
    base = rows[rows.precision == "fp32"].set_index([*key, "gpu"]).throughput_per_s
    for row in rows.itertuples():
        # The A100 has no FP32 row: its speed-ups are over the V100.
        gpu = "V100" if row.gpu == "A100" else row.gpu
        slow = base[(row.task, row.model, row.framework, row.batch_size, gpu)]
        assert row.speedup == pytest.approx(row.throughput_per_s / slow, abs=0.0051)


def test_accelerators_are_described_as_their_other_variants_are():
    sheets = published("data_sheets")
    assert sheets.source.notna().all()
    one = sheets.groupby("device")[["kind", "bandwidth_b_per_s", "design_power_w", "launch_date"]]
    assert (one.nunique(dropna=False) == 1).all(axis=None)
    assert sheets[sheets.design_power_w.isna()].device.tolist() == ["tpu-v5e"]
    assert not sheets.duplicated(["device", "precision"]).any()
    # Tensor cores: each narrower format is twice as fast, give or take what data sheets round.
    peaks = sheets.pivot(index="device", columns="precision", values="peak_flop_per_s")
    np.testing.assert_allclose((peaks["fp16-tensor"] / peaks["tf32"]).dropna(), 2, rtol=0.01)
    np.testing.assert_allclose((peaks["fp8"] / peaks["fp16-tensor"]).dropna(), 2, rtol=0.01)
