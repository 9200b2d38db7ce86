import types

import pytest

from jaxcost.device.nvml import Nvml
from jaxcost.measure.clock.gates import (
    CpuMeter,
    NoMeter,
    NvmlMeter,
    meter_for,
    processors,
    rejections,
)
from jaxcost.measure.clock.visit import Block


def _block(cpu, waiting=None, **usage):
    return Block(10, 1.0, cpu_s=cpu, waiting_s=waiting, **usage)


@pytest.mark.parametrize(
    ("cpu", "waiting", "accepted"),
    [
        (1.0, 0.0, True),  # one thread, undisturbed
        (1.0, 0.01, True),
        (0.8, 0.2, False),  # one thread, preempted
        (1.96, 0.04, True),  # two threads on two processors
        (1.97, 0.9, True),  # three threads wait for each other, both processors are ours
        (1.0, 1.0, False),  # two threads share one processor: looks like a serial layer
        (1.3, 0.0, True),  # partly parallel
        (0.6, 0.0, True),  # sleeps between calls
    ],
)
def test_waiting_for_a_processor_rejects(cpu, waiting, accepted):
    (reason,) = rejections([_block(cpu, waiting)], processors=2)
    assert (reason == "") == accepted


def test_threads_that_slept_through_part_of_a_block_reject_it():
    blocks = [_block(1.96, 0.0), _block(1.92, 0.01), _block(1.57, 0.001)]
    reasons = rejections(blocks, processors=2)
    assert reasons == ["", "", "CPU over wall time 1.57, usually 1.92"]


def test_without_waiting_times_the_best_ratio_says_how_many_threads():
    blocks = [_block(1.9), _block(1.87), _block(1.5), _block(0.99)]
    assert [not reason for reason in rejections(blocks, processors=2)] == [True, True, False, False]


def test_a_ratio_above_the_processors_is_measuring_error():
    assert rejections([_block(2.4), _block(1.97)], processors=2) == ["", ""]


def test_time_stolen_by_the_hypervisor_rejects():
    (reason,) = rejections([_block(1.0, 0.0, stolen_s=0.1)], processors=1)
    assert reason == "the hypervisor took 10% of the processors"
    assert rejections([_block(1.0, 0.0, stolen_s=0.01)], processors=1) == [""]


def test_a_slow_or_throttled_accelerator_rejects():
    slow = Block(1, 1.0, clock_ratio=0.7)
    reasons = rejections([slow, Block(1, 1.0, clock_ratio=1.0, throttled=True)])
    assert "clock at 70% of default" in reasons[0]
    assert reasons[1] == "the device reports throttling"


def test_nothing_known_rejects_nothing():
    assert rejections([Block(1, 1.0), _block(0.0)]) == ["", ""]
    assert rejections([]) == []


def _proc(folder, threads, stolen_ticks):
    for name, (running, waiting) in threads.items():
        task = folder / "self" / "task" / name
        task.mkdir(parents=True, exist_ok=True)
        (task / "schedstat").write_text(f"{running * 10**6} {waiting * 10**6} 17\n")
    (folder / "stat").write_text(f"cpu  1 2 3 4 5 6 7 {stolen_ticks} 0 0\ncpu0 1 2 3\n")


def test_cpu_meter_reads_the_kernels_counts(tmp_path):
    cpu = iter([5.0, 5.9])
    meter = CpuMeter(proc=tmp_path, cpu_time=lambda: next(cpu))
    _proc(tmp_path, {"1": (0, 0), "2": (100, 50)}, stolen_ticks=100)
    started = meter.start()
    # a worker ran 800 ms and waited 100, a new one ran 300 and waited 20; the first only polled
    _proc(tmp_path, {"1": (10, 700), "2": (900, 150), "3": (300, 20)}, stolen_ticks=103)
    usage = meter.stop(started, duration_s=1.0)
    assert usage["cpu_s"] == pytest.approx(0.9)
    assert usage["waiting_s"] == pytest.approx(0.12)
    assert usage["stolen_s"] == pytest.approx(0.03, abs=0.03)
    assert usage["stolen_s"] > 0


def test_cpu_meter_sees_threads_that_were_nearly_starved(tmp_path):
    meter = CpuMeter(proc=tmp_path, cpu_time=iter([0.0, 0.1]).__next__)
    _proc(tmp_path, {"1": (0, 0), "2": (0, 0)}, stolen_ticks=0)
    started = meter.start()
    _proc(tmp_path, {"1": (50, 900), "2": (50, 800)}, stolen_ticks=0)
    assert meter.stop(started, duration_s=1.0)["waiting_s"] == pytest.approx(1.7)


def test_cpu_meter_elsewhere_knows_the_cpu_time_alone(tmp_path):
    cpu = iter([1.0, 1.25])
    meter = CpuMeter(proc=tmp_path / "none", cpu_time=lambda: next(cpu))
    assert meter.stop(meter.start(), 0.25) == {"cpu_s": 0.25, "waiting_s": None, "stolen_s": None}


def test_cpu_meter_of_this_machine_sees_work():
    meter = CpuMeter()
    started = meter.start()
    sum(range(2_000_000))
    assert meter.stop(started, 0.05)["cpu_s"] > 0


class _NvmlError(Exception):
    pass


def _nvml(clock, reasons, default=1500, maximum=1800):
    def default_clock(handle, kind):
        if default is None:
            raise _NvmlError
        return default

    return types.SimpleNamespace(
        NVML_CLOCK_SM=1,
        NVMLError=_NvmlError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda handle: "NVIDIA A100",
        nvmlDeviceGetDefaultApplicationsClock=default_clock,
        nvmlDeviceGetMaxClockInfo=lambda handle, kind: maximum,
        nvmlDeviceGetClockInfo=lambda handle, kind: clock,
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: reasons,
    )


@pytest.mark.parametrize(
    ("reasons", "throttled"), [(0, False), (0x7, False), (0x8, True), (0x24, True), (0x80, True)]
)
def test_nvml_meter_reads_clock_and_reasons(reasons, throttled):
    meter = NvmlMeter(Nvml(_nvml(clock=1200, reasons=reasons), 0))
    assert meter.stop(meter.start(), 1.0) == {"clock_ratio": 0.8, "throttled": throttled}


def test_nvml_meter_asks_by_the_new_name_where_the_old_is_gone():
    library = _nvml(clock=1500, reasons=0)
    del library.nvmlDeviceGetCurrentClocksThrottleReasons
    library.nvmlDeviceGetCurrentClocksEventReasons = lambda handle: 0x40
    assert NvmlMeter(Nvml(library, 0)).stop(None, 1.0)["throttled"]


def test_a_library_that_cannot_tell_clocks_is_no_gate(monkeypatch):
    library = _nvml(clock=1500, reasons=0)

    def refuse(handle, kind):
        raise _NvmlError("not supported")

    library.nvmlDeviceGetClockInfo = refuse
    monkeypatch.setattr("importlib.import_module", lambda name: library)
    gpu = types.SimpleNamespace(platform="gpu", local_hardware_id=0, device_kind="NVIDIA A100")
    assert isinstance(meter_for(gpu), NoMeter)


def test_nvml_meter_falls_back_to_the_largest_clock():
    meter = NvmlMeter(Nvml(_nvml(clock=900, reasons=0, default=None), 0))
    assert meter.stop(None, 1.0)["clock_ratio"] == pytest.approx(0.5)


def test_meters_by_platform(monkeypatch):
    cpu = types.SimpleNamespace(platform="cpu")
    gpu = types.SimpleNamespace(platform="gpu", local_hardware_id=1, device_kind="NVIDIA A100")
    assert isinstance(meter_for(cpu), CpuMeter)
    monkeypatch.setattr("importlib.import_module", lambda name: _nvml(1500, 0))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    meter = meter_for(gpu)
    assert isinstance(meter, NvmlMeter)
    assert meter._nvml.handle == 5


def test_without_nvml_there_is_no_gate(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", absent)
    meter = meter_for(
        types.SimpleNamespace(platform="gpu", local_hardware_id=0, device_kind="NVIDIA A100")
    )
    assert isinstance(meter, NoMeter)
    assert meter.stop(meter.start(), 1.0) == {}


def test_processors_are_at_least_one():
    assert processors() >= 1
