import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from jaxcost.measure.designs.other_sweeps import OTHER_SWEEPS, other_sweep
from jaxcost.measure.designs.space_filling import space_filling
from jaxcost.workload.memory_bound import MEMORY_BOUND

TABLE_1A = Path(__file__).parents[2] / "data" / "alpha_flops_table_1a.csv"


@pytest.mark.parametrize("name", OTHER_SWEEPS)
@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_sweeps_have_their_names_and_every_layer_once(name, platform):
    layers = other_sweep(name, platform)
    assert {layer.sweep for layer in layers} == {name}
    sizes = [tuple(layer.row().items())[2:] for layer in layers]
    assert len(set(sizes)) == len(sizes) >= 30


def test_dense_against_convolution_holds_the_papers_table_at_equal_flops():
    layers = other_sweep("dense_vs_conv")
    sizes = [(x.op, x.in_h, x.in_w, x.c_in, x.c_out) for x in layers]
    with TABLE_1A.open() as file:
        for row in csv.DictReader(file):
            shape = (int(row[name]) for name in ("in_h", "in_w", "c_in", "c_out"))
            assert (row["op"], *shape) in sizes
    dense = [layer for layer in layers if layer.op == "dense"]
    for width in {layer.c_in for layer in dense}:
        alike = [x for x in layers if 0.9 < x.flops / (2 * width**2) < 1.1]
        assert len(alike) == 7
        assert {x.flops for x in alike if x.line <= 4} == {2 * width**2}


def test_layers_are_what_their_sweep_says():
    assert all(layer.groups == layer.c_in == layer.c_out for layer in other_sweep("depthwise"))
    assert Counter(x.groups for x in other_sweep("grouped")) == {2**e: 4 for e in range(8)}
    assert Counter(x.stride for x in other_sweep("stride_2")) == {1: 20, 2: 20}
    for line in range(6):
        batches = [x.batch for x in other_sweep("batch") if x.line == line]
        assert batches == [2**e for e in range(8)]
    ops = {layer.op for layer in other_sweep("memory_bound")}
    assert ops == set(MEMORY_BOUND)


def test_attention_is_as_many_products_as_heads():
    # BERT base at 512 tokens: 12 heads of 64, scores 12 x 512 x 512.
    layers = [x for x in other_sweep("transformer") if x.groups == 12 and x.batch == 512]
    scores, values = layers
    assert scores.input_shape == (12, 512, 64)
    assert scores.output_shape == (12, 512, 512)
    assert values.output_shape == (12, 512, 64)
    assert scores.flops == values.flops == 2 * 12 * 512 * 512 * 64


def test_layers_are_within_a_processors_reach_and_larger_elsewhere():
    for name in OTHER_SWEEPS:
        cpu, gpu = (other_sweep(name, platform) for platform in ("cpu", "gpu"))
        assert max(x.flops for x in cpu) <= 4e10
        assert max(x.operand_bytes for x in cpu) <= max(x.operand_bytes for x in gpu)


def test_the_space_filling_design_is_even_in_every_logarithm():
    dense = [x for x in space_filling() if x.op == "dense"]
    assert len(dense) == 64
    logs = np.log2([[x.batch, x.c_in, x.c_out] for x in dense])
    assert (logs.max(0) - logs.min(0) > 8).all()
    assert np.abs(np.corrcoef(logs.T)[np.triu_indices(3, 1)]).max() < 0.6
    middle = (logs.max(0) + logs.min(0)) / 2
    assert (np.abs((logs < middle).mean(0) - 0.5) < 0.25).all()


def test_the_memory_bounds_the_design():
    for memory in (1e8, 1e10, None):
        layers = space_filling("gpu", memory)
        assert len(set(layers)) == len(layers) == 192
        assert max(x.operand_bytes for x in layers) <= (memory or 8e9) / 16
        assert layers == space_filling("gpu", memory)
    largest = [max(x.operand_bytes for x in space_filling("gpu", m)) for m in (1e8, 1e10)]
    assert largest[1] > 10 * largest[0]


def test_an_unknown_sweep_is_refused():
    with pytest.raises(ValueError, match="sweep 'depthwize' is not known; did you mean 'depth"):
        other_sweep("depthwize")
