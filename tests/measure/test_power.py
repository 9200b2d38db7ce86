"""Counters of fakes of the drivers and of a made-up Linux machine; each says why it cannot read."""

import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import pytest

from jaxcost.measure.energy.power import (
    nvml_meter,
    power_meter_for,
    rapl_meter,
)
from jaxcost.measure.process.identity import device_state

CPU = SimpleNamespace(platform="cpu")


def gpu(kind="AMD Instinct MI300X", place=0):
    return SimpleNamespace(platform="gpu", device_kind=kind, local_hardware_id=place)


def rapl(root, **zones):
    """A Linux machine's counters: each zone is (name, microjoules, range)."""
    for place, (name, joules, most) in zones.items():
        folder = root / "sys/class/powercap" / place.replace("_", ":").replace("rapl", "intel-rapl")
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "energy_uj").write_text(f"{joules}\n")
        (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return root


@pytest.fixture
def zeus(monkeypatch):
    """Has `zeus.device` import as the given object; None as if it were not installed."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for name in ("ZEUSD_SOCK_PATH", "ZEUSD_HOST_PORT"):
        monkeypatch.delenv(name, raising=False)

    monkeypatch.setitem(sys.modules, "pynvml", None)

    def install(module):
        monkeypatch.setitem(sys.modules, "zeus", SimpleNamespace(device=module))
        monkeypatch.setitem(sys.modules, "zeus.device", module)

    return install


def refusing(message):
    def refuse(*args):
        raise RuntimeError(message)

    return refuse


def fake_gpu(name="AMD Instinct MI300X", millijoules=2_500_000, supported=True):
    return SimpleNamespace(
        get_name=lambda: name,
        supports_get_total_energy_consumption=lambda: supported,
        get_total_energy_consumption=lambda: millijoules,
    )


def gpus(*found):
    return SimpleNamespace(get_gpus=lambda: SimpleNamespace(gpus=list(found)))


def test_packages_and_their_memory_are_read_each_with_its_range(tmp_path):
    root = rapl(
        tmp_path,
        rapl_0=("package-0", 1_500_000, 262_143_328_850),
        rapl_0_0=("core", 700_000, 262_143_328_850),
        rapl_0_1=("dram", 250_000, 65_712_999_613),
        rapl_1=("psys", 9_000_000, 262_143_328_850),
    )
    meter = power_meter_for(CPU, root)
    assert meter.reason == ""
    assert meter.name == "RAPL package-0, dram"
    assert meter.read() == pytest.approx((1.5, 0.25))
    assert meter.ranges_j == pytest.approx([262143.32885, 65712.999613])


def test_a_machine_without_counters_says_so(tmp_path, zeus):
    zeus(None)
    meter = power_meter_for(CPU, tmp_path)
    assert meter.reason.startswith("Linux shows no RAPL counter")
    assert meter.read() == ()


def test_forbidden_counters_say_so(tmp_path, monkeypatch, zeus):
    zeus(None)
    root = rapl(tmp_path, rapl_0=("package-0", 1, 100))
    read_text = Path.read_text

    def guarded(path, *args, **kwargs):
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read_text(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", guarded)
    assert "not readable by this user" in power_meter_for(CPU, root).reason


@pytest.mark.parametrize("damage", ["", "plenty"])
def test_a_damaged_counter_says_so(tmp_path, damage):
    root = rapl(tmp_path, rapl_0=("package-0", damage, 100))
    assert "cannot be read: invalid literal" in rapl_meter(root).reason


def test_a_daemon_reads_for_those_who_may_not(tmp_path, monkeypatch, zeus):
    root = rapl(tmp_path, rapl_0=("package-0", "forbidden", 100), rapl_1=("psys", 1, 100))
    reading = SimpleNamespace(cpu_mj=5000.0, dram_mj=None)
    cpu = SimpleNamespace(get_total_energy_consumption=lambda: reading)
    zeus(SimpleNamespace(get_cpus=lambda: SimpleNamespace(cpus=[cpu, cpu])))
    assert power_meter_for(CPU, root).reason != ""
    monkeypatch.setenv("ZEUSD_SOCK_PATH", "/run/zeusd.sock")
    meter = power_meter_for(CPU, root)
    assert (meter.name, meter.read()) == ("zeus daemon RAPL", (5.0,))
    assert meter.ranges_j == (None,)


def test_a_gpu_is_read_in_joules_by_jaxs_number(zeus):
    zeus(gpus(fake_gpu(millijoules=1), fake_gpu(millijoules=2_500_000)))
    meter = power_meter_for(gpu(place=1))
    assert (meter.name, meter.reason, meter.read()) == ("zeus AMD Instinct MI300X", "", (2500.0,))
    assert meter.ranges_j == (None,)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (None, "the package zeus is missing"),
        (SimpleNamespace(get_gpus=refusing("NVML\nunavailable.")), "NVML unavailable."),
        (gpus(), "the driver shows 0 GPUs; JAX's is number 0"),
        (gpus(fake_gpu(supported=False)), "AMD Instinct MI300X has no counter of energy"),
    ],
)
def test_a_gpu_without_a_counter_says_why(zeus, module, reason):
    zeus(module)
    meter = power_meter_for(gpu())
    assert reason in meter.reason
    assert "\n" not in meter.reason


def test_a_counter_that_fails_when_first_read_says_why(zeus):
    found = fake_gpu()
    found.get_total_energy_consumption = refusing("Not Supported")
    zeus(gpus(found))
    assert power_meter_for(gpu()).reason == "Not Supported"


def test_unlike_gpus_in_another_order_are_not_mixed_up(zeus):
    zeus(gpus(fake_gpu("AMD Instinct MI210"), fake_gpu()))
    assert "set HIP_VISIBLE_DEVICES" in power_meter_for(gpu(place=0)).reason
    assert power_meter_for(gpu(place=1)).reason == ""


@pytest.mark.parametrize(
    ("platform", "fields"),
    [
        ("cpu", {"cpu_total_mj": 3000, "gpu_mj": 7}),  # Apple's names
        ("gpu", {"cpu_total_mj": 7, "gpu_mj": 3000}),
        ("cpu", {"cpu_energy_mj": 3000.0, "gpu_energy_mj": None}),  # Jetson's
    ],
)
def test_a_chip_of_apple_or_jetson_is_read(tmp_path, zeus, monkeypatch, platform, fields):
    class Chip:
        def get_total_energy_consumption(self):
            return SimpleNamespace(**fields)

    zeus(SimpleNamespace(get_soc=Chip, get_gpus=refusing("no GPU")))
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    device = SimpleNamespace(platform=platform, local_hardware_id=0, device_kind="")
    meter = power_meter_for(device, tmp_path)
    assert (meter.name, meter.read()) == (f"zeus Chip {platform}", (3.0,))


def test_a_chip_without_a_counter_gives_both_reasons(tmp_path, zeus, monkeypatch):
    zeus(SimpleNamespace(get_soc=refusing("No observable SoC")))
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    reason = power_meter_for(CPU, tmp_path).reason
    assert "no RAPL counter" in reason
    assert reason.endswith("; No observable SoC")


def test_other_platforms_have_no_counter():
    meter = power_meter_for(SimpleNamespace(platform="tpu"))
    assert meter.reason == "no energy counter of a tpu is known"


def test_this_machine_reads_or_says_why():
    meter = power_meter_for(jax.devices()[0])
    if not meter.reason:
        before = meter.read()
        assert len(before) == len(meter.ranges_j)
        assert all(joules >= 0 for joules in before)


def test_zeus_has_what_is_called_here():
    device = pytest.importorskip("zeus.device")
    common = [pytest.importorskip(f"zeus.device.{kind}.common") for kind in ("gpu", "cpu", "soc")]
    assert all(callable(getattr(device, f"get_{name}")) for name in ("gpus", "cpus", "soc"))
    for kind in (common[0].GPU, common[1].CPU, common[2].SoC):
        assert callable(kind.get_total_energy_consumption)
    assert callable(common[0].GPU.supports_get_total_energy_consumption)
    assert callable(common[0].GPU.get_name)
    nvidia = pytest.importorskip("zeus.device.gpu.nvidia")
    assert "NVIDIA" in nvidia.NVIDIAGPU.__name__
    assert "NVIDIA" in nvidia.ZeusdNVIDIAGPU.__name__
    assert hasattr(common[0].GPUs, "gpus")
    assert hasattr(common[1].CPUs, "cpus")
    reading = common[1].CpuDramMeasurement(1.0)
    assert (reading.cpu_mj, reading.dram_mj) == (1.0, None)
    apple = pytest.importorskip("zeus.device.soc.apple").AppleSiliconMeasurement()
    jetson = pytest.importorskip("zeus.device.soc.jetson").JetsonMeasurement()
    assert (apple.cpu_total_mj, apple.gpu_mj) == (None, None)
    assert (jetson.cpu_energy_mj, jetson.gpu_energy_mj) == (None, None)


def test_nvidias_driver_is_read_whether_or_not_there_is_zeus(monkeypatch, zeus):
    for module in (None, gpus(fake_gpu("NVIDIA H200", millijoules=7))):
        zeus(module)
        answering = nvml(TotalEnergyConsumption=lambda handle: 1500)
        monkeypatch.setitem(sys.modules, "pynvml", answering)
        meter = power_meter_for(gpu("NVIDIA H200"))
        assert (meter.name, meter.reason, meter.read()) == ("NVML NVIDIA H200", "", (1.5,))
        assert meter.ranges_j == (None,)


@pytest.mark.parametrize("visible", ["1,0", "GPU-b,GPU-a", "GPU-b", "0,1", None])
def test_nvidias_gpu_is_the_one_that_cuda_uses_whatever_its_place(monkeypatch, zeus, visible):
    """Two of one kind: only their identities tell them apart, and zeus goes by place."""
    zeus(gpus(fake_gpu("NVIDIA H200", 7), fake_gpu("NVIDIA H200", 8)))
    joules = {"GPU-a": 1000, "GPU-b": 2000}
    answering = nvml(TotalEnergyConsumption=joules.get, HandleByUUID=lambda uuid: uuid)
    monkeypatch.setitem(sys.modules, "pynvml", answering)
    monkeypatch.setattr(
        "jaxcost.device.nvml.uuid", {0: "GPU-b", 1: "GPU-a"}.get
    )  # as CUDA has them
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert power_meter_for(gpu("NVIDIA H200")).read() == (2.0,)
    assert power_meter_for(gpu("NVIDIA H200", place=1)).read() == (1.0,)


def test_nvidias_gpu_is_never_read_by_its_place(monkeypatch, zeus):
    class ZeusdNVIDIAGPU(SimpleNamespace):
        """Named as zeus's own."""

    zeus(gpus(ZeusdNVIDIAGPU(**vars(fake_gpu("NVIDIA H200")))))
    assert "does not show the device that JAX uses" in power_meter_for(gpu("NVIDIA H200")).reason


def test_what_is_missing_is_said_for_each_make(monkeypatch, zeus):
    zeus(None)
    assert "package zeus is missing" in power_meter_for(gpu()).reason
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    for meter in (power_meter_for, nvml_meter):
        reason = meter(gpu("NVIDIA H200")).reason
        assert reason.startswith("NVIDIA's driver shows no energy counter")


def known_state(device):
    """What is known of the device itself; the machine's load stands with it."""
    state = device_state(device)
    assert state.pop("load_1min") >= 0
    return state


class NvmlError(Exception):
    pass


def nvml(**answers):
    named = {f"nvmlDeviceGet{name}": answer for name, answer in answers.items()}
    return SimpleNamespace(
        NVMLError=NvmlError,
        NVML_CLOCK_SM=1,
        NVML_CLOCK_MEM=2,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda handle: "NVIDIA H200",
        **named,
    )


def test_the_state_is_in_si_units_and_names_the_reasons(monkeypatch):
    module = nvml(
        ClockInfo=lambda handle, kind: {1: 1980, 2: 3201}[kind],
        Temperature=lambda handle, sensor: 41,
        EnforcedPowerLimit=lambda handle: 700_000,
        CurrentClocksThrottleReasons=lambda handle: 0x4 | 0x40 | 0x200,
    )
    monkeypatch.setitem(sys.modules, "pynvml", module)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    state = known_state(gpu("NVIDIA H200"))
    assert state.pop("throttle_reasons") == ["software_power_cap", "hardware_thermal", "0x200"]
    assert state == pytest.approx(
        {
            "sm_clock_hz": 1.98e9,
            "memory_clock_hz": 3.201e9,
            "temperature_c": 41,
            "power_limit_w": 700,
        }
    )


def test_a_driver_that_tells_nothing_leaves_the_state_empty(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    assert known_state(gpu("NVIDIA H200")) == {}
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert known_state(gpu("NVIDIA H200")) == {}
    assert known_state(CPU) == {}
