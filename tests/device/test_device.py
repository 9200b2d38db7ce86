"""Devices: presets as published, detection from a recorded machine, bad input."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from jaxcost.device import Device, MemoryLevel, detect_device, device, presets

CPU = SimpleNamespace(platform="cpu", device_kind="cpu", memory_stats=lambda: None)


def recorded(root, cores, caches, siblings=1):
    """A Linux machine's files: `caches` are (level, type, size, cores that share one)."""
    for core in range(cores):
        cpu = root / f"sys/devices/system/cpu/cpu{core}"
        (cpu / "topology").mkdir(parents=True)
        first = core - core % siblings
        (cpu / "topology/thread_siblings_list").write_text(f"{first}-{first + siblings - 1}\n")
        for index, (level, kind, size, sharing) in enumerate(caches):
            folder = cpu / f"cache/index{index}"
            folder.mkdir(parents=True)
            first = core - core % sharing
            (folder / "level").write_text(f"{level}\n")
            (folder / "type").write_text(f"{kind}\n")
            (folder / "size").write_text(f"{size}\n")
            (folder / "shared_cpu_list").write_text(f"{first}-{first + sharing - 1}\n")
    (root / "proc").mkdir(parents=True)
    (root / "proc/meminfo").write_text("MemTotal:       16384 kB\nMemFree:  1 kB\n")
    (root / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: AMD EPYC 7B13 (x64)\n")
    return root


def levels(found):
    return [(m.name, float(m.bytes_per_unit), float(m.units)) for m in found.memory]


def test_caches_are_counted_once_however_many_cores_share_them(tmp_path):
    caches = [(1, "Data", "48K", 2), (1, "Instruction", "32K", 2), (2, "Unified", "1024K", 2)]
    root = recorded(tmp_path, 8, [*caches, (3, "Unified", "32M", 4)], siblings=2)
    found = detect_device(CPU, root=root)
    assert levels(found) == [
        ("L1", 48 * 1024, 4),
        ("L2", 1024**2, 4),
        ("L3", 32 * 1024**2, 2),
        ("RAM", 16 * 1024**2, 1),
    ]
    assert found.compute_units == 4
    assert (found.name, found.kind) == ("amd-epyc-7b13-x64", "AMD EPYC 7B13 (x64)")
    assert found.platform == "cpu"


def test_what_a_machine_does_not_say_is_unknown(tmp_path):
    found = detect_device(CPU, root=tmp_path)
    assert found.memory == ()
    assert found.kind is None
    assert found.peak_flops is None
    assert found.idle_power is None
    assert found.name == "cpu"


def test_a_damaged_cache_entry_is_left_out(tmp_path):
    root = recorded(tmp_path, 2, [(1, "Data", "48K", 1), (2, "Unified", "?", 1)])
    (root / "sys/devices/system/cpu/cpu1/cache/index0/size").unlink()
    assert levels(detect_device(CPU, root=root))[:-1] == [("L1", 48 * 1024, 1)]


def test_an_accelerator_tells_its_kind_and_memory():
    gpu = SimpleNamespace(
        platform="gpu",
        device_kind="NVIDIA A100-SXM4",
        memory_stats=lambda: {"bytes_limit": 1000},
        core_count=108,
    )
    found = detect_device(gpu)
    assert levels(found) == [("memory", 1000, 1)]
    assert (found.name, found.compute_units) == ("nvidia-a100-sxm4", 108)


def test_this_machine_is_described_as_jax_names_it():
    found = detect_device()
    assert found.platform == jax.devices()[0].platform
    assert all(level.capacity > 0 for level in found.memory)


def test_quadro_t2000_is_as_published():
    found = device("quadro-t2000")
    assert found.peak_flops == pytest.approx(1024 * 2 * 1.785e9, rel=1e-3)
    assert found.bandwidth == pytest.approx(128 / 8 * 8.004e9, rel=1e-3)  # 128 bit at 8 Gbit/s
    assert found.memory[-1].capacity == 4.0 * 2**30
    assert found.idle_power is None


def test_eagle_is_as_published():
    # Tripp and others (2024), tables 1 and 2.
    node = device("eagle-cpu")
    assert [float(level.capacity) / 2**20 for level in node.memory] == [1.125, 36, 49.5, 98304]
    assert (node.idle_power, node.design_power) == (220, 400)
    assert [float(level.units) for level in device("eagle-gpu").memory] == [168, 2, 2]


@pytest.mark.parametrize("name", presets())
def test_a_preset_has_its_name_and_its_largest_memory_last(precision, name):
    found = presets()[name]
    assert found.name == name
    assert found.bandwidth.dtype == precision
    capacities = [float(level.capacity) for level in found.memory]
    assert max(capacities) == capacities[-1]


def test_a_device_can_be_differentiated():
    def power(found):
        return found.design_power * found.memory[0].capacity

    gradient = jax.grad(power)(device("quadro-t2000"))
    assert gradient.design_power == 16 * 64 * 1024
    assert gradient.memory[0].units == 60 * 64 * 1024
    assert gradient.name == "quadro-t2000"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: device("quadro-t200"), "device 'quadro-t200' is not known; did you mean 'quadro"),
        (lambda: Device("x", peak_flops=-1.0), "peak_flops = -1 is not allowed; give a finite"),
        (lambda: Device("x", bandwidth=float("nan")), "bandwidth = nan is not allowed"),
        (lambda: Device("x", idle_power="low"), "idle_power = 'low' is not allowed"),
        (lambda: MemoryLevel(0, 1), "bytes_per_unit = 0 is not allowed"),
        (lambda: MemoryLevel(1, jnp.inf), "units = inf is not allowed"),
    ],
)
def test_bad_devices_are_refused_in_one_line(build, message):
    with pytest.raises(ValueError) as caught:
        build()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
