import math

import pytest

from jaxcost.calibrate.data_sheet import from_data_sheet, from_trend
from jaxcost.workload import dense


def test_time_and_energy_are_those_of_the_data_sheet():
    found = from_data_sheet(4.1e9, "v100", assume_peak=0.4)
    assert found.latency == pytest.approx(4.1e9 / (0.4 * 15.7e12), rel=1e-6)
    assert found.energy == pytest.approx(found.latency * 300, rel=1e-6)
    assert found.kwh == pytest.approx(found.energy / 3.6e6)
    assert found.energy_lower is found.energy_upper is None
    assert "nothing was measured" in found.warnings[0]


def test_at_full_peak_it_is_the_thesis_s_efficiency():
    """Table B.3: the T4 with mixed precision, adapted for CNNs, 312.15 GFLOPS/W."""
    found = from_data_sheet(312.15e9, "t4", assume_peak=1, precision="mixed-cnn")
    assert found.energy == pytest.approx(1, rel=1e-3)
    assert "speed-up for CNNs" in found.warnings[1]


def test_layers_give_their_own_flops_and_warn_of_memory_traffic():
    layers = dense(c_in=4096, c_out=4096, repeat=2)
    found = from_data_sheet(layers, "l4", assume_peak=0.5)
    assert found.flops == pytest.approx(2 * 2 * 4096**2)
    assert [line for line in found.warnings if "moving the operands" in line]
    batch = from_data_sheet(dense(c_in=4096, c_out=4096, batch=4096), "l4", assume_peak=0.5)
    assert not [line for line in batch.warnings if "moving the operands" in line]


def test_flops_alone_say_nothing_of_traffic():
    assert len(from_data_sheet(1.0, "l4", assume_peak=0.5).warnings) == 1


def test_a_device_without_power_has_a_time_and_a_reason():
    found = from_data_sheet(1.97e12, "tpu-v5e", assume_peak=0.5)
    assert found.latency == pytest.approx(0.02)
    assert found.energy is None
    assert found.kwh is None
    assert found.carbon(100) is None
    assert found.energy_reason == "no power of Google TPU v5e is published"


def test_a_trend_gives_energy_with_an_interval_and_no_time():
    found = from_trend(1.42e9, "2012-06-01", line="cnn")  # AlexNet, table 5.2: 0.100 J
    assert found.energy == pytest.approx(0.100, rel=0.02)
    assert found.energy_lower < found.energy < found.energy_upper
    assert found.latency is None
    beyond = from_trend(17.6e9, "2021-04-01", line="cnn", extrapolate=True)
    assert beyond.energy == pytest.approx(0.122, rel=0.02)
    assert "0.6 years after the last GPU" in beyond.warnings[-1]


def test_carbon_is_energy_times_intensity():
    found = from_data_sheet(15.7e12, "v100", assume_peak=1)  # 300 J
    assert found.carbon(360) == pytest.approx(300 / 3.6e6 * 0.360, rel=1e-6)
    assert found.carbon(0) == 0
    for wrong in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match="carbon intensity = .* give grams of CO2 per kWh"):
            found.carbon(wrong)


@pytest.mark.parametrize("share", [0, -0.1, 1.01, math.nan])
def test_a_share_of_the_peak_is_above_0_and_up_to_1(share):
    with pytest.raises(ValueError, match="assume-peak = .* above 0 and up to 1"):
        from_data_sheet(1e9, "v100", assume_peak=share)


@pytest.mark.parametrize("flops", [0, -1e9, 1e-300, math.nan, math.inf])
def test_flops_are_finite_and_at_least_1(flops):
    with pytest.raises(ValueError, match="flops = .* a finite number of at least 1"):
        from_data_sheet(flops, "v100", assume_peak=0.4)
