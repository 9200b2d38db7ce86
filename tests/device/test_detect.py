"""What Linux and NVIDIA's driver tell: published devices through a fake of the driver's library."""

import sys
from types import SimpleNamespace

import pytest

from jaxcost.device import detect_device
from jaxcost.device.detect import accelerator_facts, rapl_power_limit, rapl_zones
from jaxcost.device.nvml import nvml_for, same_device


class NvmlError(Exception):
    pass


def library(**answers):
    """The module `pynvml` of a machine where each `nvmlDeviceGet<name>` answers by its handle."""

    def answering(value):
        def ask(handle, *args):
            found = value(handle, *args) if callable(value) else value
            if found is None:
                raise NvmlError("Not Supported")
            return found

        return ask

    return SimpleNamespace(
        NVMLError=NvmlError,
        NVML_CLOCK_SM=1,
        NVML_CLOCK_MEM=2,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        **{f"nvmlDeviceGet{name}": answering(value) for name, value in answers.items()},
    )


def gpu(kind="NVIDIA A100-SXM4-40GB", place=0):
    return SimpleNamespace(
        platform="gpu",
        device_kind=kind,
        local_hardware_id=place,
        memory_stats=lambda: {"bytes_limit": 1000},
        core_count=108,
    )


@pytest.fixture
def installed(monkeypatch):
    """Has `pynvml` import as the given object, None as if absent, and every device visible."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return lambda module: monkeypatch.setitem(sys.modules, "pynvml", module)


# What the driver answers, and what the data sheet says: FLOP/s in float32, B/s, W.
PUBLISHED = {
    "NVIDIA A100-SXM4-40GB": ((6912, 1410, 5120, 1215), (19.5e12, 1555e9, 400)),
    "Tesla V100-SXM2-16GB": ((5120, 1530, 4096, 877), (15.7e12, 900e9, 300)),
    "Tesla T4": ((2560, 1590, 256, 5001), (8.1e12, 320e9, 70)),
    "NVIDIA H100 80GB HBM3": ((16896, 1980, 5120, 2619), (67e12, 3.35e12, 700)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_peak_bandwidth_and_limit_are_those_of_the_data_sheet(installed, name):
    (cores, clock, bits, memory_clock), (flops, bandwidth, watts) = PUBLISHED[name]
    module = library(
        Name=name,
        NumGpuCores=cores,
        MaxClockInfo=lambda handle, kind: {1: clock, 2: memory_clock}[kind],
        MemoryBusWidth=bits,
        MemoryInfo=SimpleNamespace(total=40 * 2**30),
        PowerManagementDefaultLimit=1000 * watts,
    )
    installed(module)
    found = detect_device(gpu(name))
    assert found.peak_flops == pytest.approx(flops, rel=0.01)
    assert found.bandwidth == pytest.approx(bandwidth, rel=0.01)
    assert found.design_power == pytest.approx(watts)
    assert [(m.name, float(m.capacity)) for m in found.memory] == [("VRAM", 40 * 2**30)]
    assert found.compute_units == 108


def test_what_the_driver_refuses_is_unknown(installed):
    installed(library(Name="NVIDIA A100-SXM4-40GB", NumGpuCores=None, MaxClockInfo=1410))
    facts = accelerator_facts(gpu())
    assert facts["peak_flops"] is None
    assert facts["bandwidth"] is None
    assert facts["design_power"] is None
    assert facts["memory"] == [("memory", 1000, 1)]


def test_a_limit_without_a_default_is_the_one_in_force(installed):
    limits = {"PowerManagementDefaultLimit": None, "EnforcedPowerLimit": 60000}
    installed(library(Name="Quadro T2000", **limits))
    assert accelerator_facts(gpu("Quadro T2000"))["design_power"] == pytest.approx(60)


@pytest.mark.parametrize(
    ("visible", "handle"),
    [
        (None, 1),
        ("3,5", 5),
        ("GPU-aaaa, GPU-bbbb", "GPU-bbbb"),
        ("MIG-GPU-aaaa/1/0,MIG-GPU-bbbb/2/0", "GPU-bbbb"),
        ("0,MIG-cccc", "MIG-cccc"),
    ],
)
def test_the_device_is_the_one_that_jax_sees(installed, monkeypatch, visible, handle):
    installed(library(Name="NVIDIA A100-SXM4-40GB"))
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert nvml_for(gpu(place=1)).handle == handle


def test_another_device_than_jax_means_tells_nothing(installed):
    names = {0: "NVIDIA GeForce RTX 3090", 1: "NVIDIA A100-SXM4-40GB"}
    installed(library(Name=lambda handle: names[handle]))
    assert nvml_for(gpu(place=0)) is None
    assert nvml_for(gpu(place=1)) is not None


@pytest.mark.parametrize(
    ("name", "kind", "same"),
    [
        ("NVIDIA Quadro T2000", "Quadro T2000", True),
        (b"Tesla T4", "Tesla T4", True),
        ("Tesla V100-SXM2-16GB", "Tesla V100-SXM2-32GB", False),
        (None, "Tesla T4", False),
    ],
)
def test_names_agree_but_for_the_maker(name, kind, same):
    assert same_device(name, kind) is same


def _no_driver():
    raise NvmlError("Driver Not Loaded")


def test_without_package_or_driver_the_accelerator_tells_what_jax_knows(installed):
    module = library()
    module.nvmlInit = _no_driver
    installed(module)
    assert accelerator_facts(gpu())["memory"] == [("memory", 1000, 1)]
    installed(None)
    facts = accelerator_facts(gpu())
    assert (facts["kind"], facts["peak_flops"]) == ("NVIDIA A100-SXM4-40GB", None)


def test_other_accelerators_are_not_asked(installed):
    installed(library(Name="TPU v4"))
    tpu = SimpleNamespace(platform="tpu", device_kind="TPU v4", memory_stats=lambda: None)
    assert accelerator_facts(tpu)["design_power"] is None
    assert nvml_for(tpu) is None


def zone(root, name, label, constraints=()):
    """A power zone; `constraints` are (name, limit, greatest) in microwatts, None is absent."""
    folder = root / "sys/class/powercap" / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{label}\n")
    for place, (kind, limit, greatest) in enumerate(constraints):
        (folder / f"constraint_{place}_name").write_text(f"{kind}\n")
        (folder / f"constraint_{place}_power_limit_uw").write_text(f"{limit}\n")
        if greatest is not None:
            (folder / f"constraint_{place}_max_power_uw").write_text(f"{greatest}\n")


def test_power_zones_are_counted_once(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:0:0", "core")
    zone(tmp_path, "intel-rapl:0:1", "dram")
    zone(tmp_path, "intel-rapl:1", "psys")
    zone(tmp_path, "intel-rapl-mmio:0", "package-0")
    assert list(rapl_zones(tmp_path).values()) == ["package-0", "dram"]


def test_the_power_limit_is_that_of_all_packages(tmp_path):
    limits = [("short_term", 240_000_000, None), ("long_term", 200_000_000, 205_000_000)]
    zone(tmp_path, "intel-rapl:0", "package-0", limits)
    zone(tmp_path, "intel-rapl:1", "package-1", limits)
    assert rapl_power_limit(tmp_path) == pytest.approx(400)


def test_a_limit_lifted_by_the_board_is_the_design_limit(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0", [("long_term", 4_095_875_000, 125_000_000)])
    assert rapl_power_limit(tmp_path) == pytest.approx(125)


def test_a_package_without_a_limit_leaves_it_unknown(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0", [("long_term", 65_000_000, 0)])
    assert rapl_power_limit(tmp_path) == pytest.approx(65)
    zone(tmp_path, "intel-rapl:1", "package-1")
    assert rapl_power_limit(tmp_path) is None


def test_the_limit_is_a_cpus_design_power(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0", [("long_term", 65_000_000, None)])
    cpu = SimpleNamespace(platform="cpu")
    assert detect_device(cpu, root=tmp_path).design_power == pytest.approx(65)


def test_the_driver_of_cuda_says_which_device_it_is_whatever_the_order(installed, monkeypatch):
    """CUDA puts the fastest device first, the library counts by slot."""
    installed(library(Name="NVIDIA A100-SXM4-40GB"))
    monkeypatch.setattr("jaxcost.device.nvml.uuid", {0: "GPU-fast", 1: "GPU-slow"}.get)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert [nvml_for(gpu(place=place)).handle for place in (0, 1)] == ["GPU-fast", "GPU-slow"]
