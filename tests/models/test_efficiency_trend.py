"""Joules from FLOPs, a year or a data sheet: against the thesis's own tables, and by calculus."""

import jax
import numpy as np
import pytest

from jaxcost._support.published import published
from jaxcost.device import Device
from jaxcost.models.efficiency_trend import DataSheetEnergy, EfficiencyTrend, of_flops
from jaxcost.workload import Workload, dense

TREND = EfficiencyTrend(efficiency_2015=2.8e10, growth=0.114)


def joules(flops, year, model=TREND):
    return model(of_flops(flops), Device("gpu", launch_year=year))


def test_flops_alone_are_a_workload_of_just_as_many():
    networks = of_flops([1.0, 3e9])
    assert float(DataSheetEnergy(1.0)(networks, Device("d", peak_flops=1, design_power=1))) == (
        pytest.approx(3e9 + 1, rel=1e-6)
    )
    with pytest.raises(ValueError, match="flops = -1"):
        of_flops(-1)


def test_ten_times_the_efficiency_after_one_over_growth_years():
    assert float(joules(1e9, 2015 + 1 / 0.114) / joules(1e9, 2015)) == pytest.approx(0.1, rel=1e-4)
    assert float(joules(2.8e10, 2015)) == pytest.approx(1, rel=1e-6)


@pytest.mark.usefixtures("x64")
def test_it_can_be_differentiated_in_flops_and_date():
    model = EfficiencyTrend(efficiency_2015=2.8e10, growth=0.114)  # in float64, unlike TREND
    by_flops, by_year = jax.grad(joules, argnums=(0, 1))(1e9, 2018.25, model)
    energy = joules(1e9, 2018.25, model)
    np.testing.assert_allclose(by_flops, energy / 1e9, rtol=1e-12)
    np.testing.assert_allclose(by_year, -np.log(10) * 0.114 * energy, rtol=1e-12)


def test_layers_count_with_their_flops_and_repeats():
    layer = dense(c_in=300, c_out=200, batch=4, repeat=3)
    device = Device("gpu", launch_year=2015.0)
    assert float(TREND(layer, device)) == pytest.approx(3 * 2 * 4 * 300 * 200 / 2.8e10, rel=1e-6)
    assert float(TREND(Workload.concatenate([layer, of_flops(1e9)]), device)) == pytest.approx(
        (3 * 2 * 4 * 300 * 200 + 1e9) / 2.8e10, rel=1e-6
    )


def test_speed_ups_over_fp32_peaks_are_the_adapted_rows_of_table_b_3():
    """Table B.3's mixed-precision efficiencies are those of FP32 times table 5.1's speed-ups."""
    adapted = published("inference_trends_table_b_3").query("adapted_for == 'cnn'")
    adapted = adapted.set_index(["gpu", "precision"]).efficiency_flop_per_j
    fp32 = {"Tesla V100": (15.7e12, 300), "Tesla T4": (8.1e12, 70), "A100": (15.7e12, 400)}
    factors = {("Tesla V100", "mixed"): 2.27, ("Tesla T4", "mixed"): 2.7}
    # The A100 has no FP32 measurements: its speed-ups are over the V100's peak.
    factors |= {("A100", "tf32"): 1.75, ("A100", "mixed"): 3.33}
    for (gpu, precision), factor in factors.items():
        peak, power = fp32[gpu]
        device = Device(gpu, peak_flops=peak, design_power=power)
        efficiency = 1e9 / float(DataSheetEnergy(share=factor)(of_flops(1e9), device))
        assert efficiency == pytest.approx(adapted[gpu, precision], rel=0.003)


@pytest.mark.parametrize(
    ("model", "facts", "field"),
    [
        (TREND, {}, "launch_year"),
        (DataSheetEnergy(0.4), {"design_power": 300}, "peak_flops"),
        (DataSheetEnergy(0.4), {"peak_flops": 1e12}, "design_power"),
    ],
)
def test_what_a_device_lacks_is_named(model, facts, field):
    with pytest.raises(ValueError, match=f"'bare' has no {field}; give") as caught:
        model(of_flops(1e9), Device("bare", **facts))
    assert "\n" not in str(caught.value)
