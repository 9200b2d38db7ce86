import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from jaxcost.measure.designs.paper_sweeps import PAPER_SWEEPS, paper_sweep
from jaxcost.measure.designs.presets import PRESETS, preset
from jaxcost.measure.layers import layers_from_frame
from jaxcost.workload.gradients import CONV2D_GRADIENTS
from jaxcost.workload.memory_bound import MEMORY_BOUND

SHARED = Path(os.environ.get("JAXCOST_SHARED", Path(__file__).resolve().parents[3] / "shared"))
PUBLISHED = SHARED / "datasets" / "alpha_flops_t2000.csv"


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"{PUBLISHED} is not there")
def test_the_sweeps_hold_every_published_layer():
    import pandas as pd

    published = pd.read_csv(PUBLISHED)
    ours = {layer for name in PAPER_SWEEPS for layer in paper_sweep(name)}
    theirs = layers_from_frame(published)
    assert len(theirs) == len(published)
    assert [layer for layer in theirs if layer not in ours] == []


def test_there_are_eight_sweeps_with_their_own_labels():
    assert len(PAPER_SWEEPS) == 8
    for name in PAPER_SWEEPS:
        assert {layer.sweep for layer in paper_sweep(name)} == {name}


@pytest.mark.parametrize("name", ["conv_K_vs_S", "conv_K_vs_C"])
def test_flops_stay_near_constant_where_the_paper_means_them_to(name):
    lines = {layer.line for layer in paper_sweep(name)}
    for line in lines:
        flops = [layer.flops for layer in paper_sweep(name) if layer.line == line]
        assert max(flops) / min(flops) < 1.4


def test_kernels_against_channels_run_from_1_to_30():
    line = [layer for layer in paper_sweep("conv_K_vs_C") if layer.line == 3]
    assert [layer.k_h for layer in line] == list(range(1, 31))
    assert [layer.c_in for layer in line[:3]] == [4500, 2250, 1500]


def test_small_sweeps_are_smaller():
    for name in PAPER_SWEEPS:
        most = {small: max(x.flops for x in paper_sweep(name, small=small)) for small in (0, 1)}
        assert most[1] < most[0]


@pytest.mark.parametrize(
    ("name", "least", "most"), [("quick", 100, 120), ("standard", 480, 510), ("full", 950, 1080)]
)
def test_presets_have_the_layers_they_promise(name, least, most):
    layers = preset(name).layers
    assert least <= len(layers) <= most
    assert len(set(layers)) == len(layers)
    assert preset(name).layers == layers


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_presets_span_what_networks_use(platform):
    layers = preset("standard", platform).layers
    kinds = Counter(layer.sweep for layer in layers)
    assert min(kinds[kind] for kind in ("conv", "conv1x1", "depthwise", "grouped", "dense")) >= 12
    convolutions = [layer for layer in layers if layer.op == "conv2d"]
    assert {layer.k_h for layer in convolutions} >= {1, 3, 5, 7}
    assert {layer.stride for layer in convolutions} == {1, 2}
    assert {layer.padding for layer in convolutions} == {"same", "valid"}
    assert {layer.batch for layer in convolutions} >= {1, 2, 16}
    batches = [layer.batch for layer in layers if layer.op == "dense"]
    assert min(batches) == 1
    assert max(batches) > 1000
    widths = [layer.c_out for layer in layers]
    assert 0.05 < np.mean([width & (width - 1) == 0 for width in widths]) < 0.4
    assert np.mean([width % 8 == 0 for width in widths]) > 0.4


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
@pytest.mark.parametrize("name", ["quick", "standard"])
def test_presets_have_what_is_fitted_apart(name, platform):
    """A fifth is held out, and ten of a sort are needed to fit it."""
    layers = preset(name, platform).layers
    operations = Counter(layer.op for layer in layers if not layer.is_product)
    assert set(operations) == set(MEMORY_BOUND)
    assert min(operations.values()) >= 3
    assert sum(operations.values()) >= 20
    gradients = Counter(layer.op for layer in layers if layer.op in CONV2D_GRADIENTS)
    assert [gradients[op] >= 30 for op in CONV2D_GRADIENTS] == [name == "standard"] * 2
    products = [layer for layer in layers if layer.sweep == "transformer"]
    assert sum(layer.groups > 1 for layer in products) >= 14
    usual = {(layer.c_in, layer.c_out) for layer in products if layer.groups == 1}
    assert len(usual & {(d, w) for d in (384, 768, 1024) for w in (d, 3 * d, 4 * d)}) >= 2


def test_depthwise_and_grouped_layers_are_what_they_are_called():
    for layer in preset("standard").layers:
        if layer.sweep == "depthwise":
            assert layer.groups == layer.c_in == layer.c_out
        elif layer.sweep == "grouped":
            assert 1 < layer.groups < layer.c_in
        elif layer.sweep == "conv":
            assert layer.groups == 1


def test_no_layer_of_a_preset_takes_a_processor_long():
    for name in ("quick", "standard"):
        layers = preset(name).layers
        assert max(layer.flops for layer in layers) < 6e9
        assert max(layer.operand_bytes for layer in layers) <= 128e6
        depthwise = [layer.flops for layer in layers if layer.sweep == "depthwise"]
        assert max(depthwise) <= 1.01e8


def test_the_design_fills_the_space_evenly():
    dense = [layer for layer in preset("standard").layers if layer.sweep == "dense"]
    logs = np.log([[layer.batch, layer.c_in, layer.c_out] for layer in dense])
    correlations = np.corrcoef(logs.T)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 0.6  # the limits on FLOPs and bytes tie sizes a little
    quartiles = np.quantile([layer.flops for layer in dense], [0.25, 0.75])
    assert quartiles[1] / quartiles[0] > 10


def test_budgets_leave_room_in_the_promised_times():
    assert preset("quick").plan.budget_s <= 120
    assert preset("standard").plan.budget_s <= 780


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="preset 'quik' is not known; did you mean 'quick'"):
        preset("quik")
    with pytest.raises(ValueError, match="sweep 'increasing_H' is not known"):
        paper_sweep("increasing_H")
    assert tuple(PRESETS) == ("quick", "standard", "full")
