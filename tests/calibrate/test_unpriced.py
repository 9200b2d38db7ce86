"""A latency of 0 for want of a price is no latency."""

import jax
import jax.numpy as jnp
import pandas as pd
import pytest

import jaxcost as jc

SOFTMAX = {"op": "softmax", "batch": 64, "in_h": 1, "in_w": 1, "c_in": 512, "c_out": 512, "k_h": 1}
SOFTMAX |= {"k_w": 1, "stride": 1, "padding": "valid", "groups": 1, "dtype": "float32"}
WORDS = "^1 of {} layers are left out: alpha-flops gives them a cost of 0 s, having no price for"


@pytest.fixture(scope="module")
def printed():
    return jc.load_calibration("quadro-t2000")  # a formula of FLOPs, without a bandwidth


def test_what_has_no_price_is_said(printed):
    softmax = jc.from_table(pd.DataFrame([SOFTMAX]))
    with pytest.warns(UserWarning, match=WORDS.format(1)):
        assert printed.latency(softmax) == 0
    dense = jc.dense(c_in=512, c_out=512, batch=64)
    with pytest.warns(UserWarning, match=WORDS.format(2)):
        both = printed.latency(jc.Workload.concatenate([dense, softmax]))
    assert both == printed.latency(dense) > 0  # warnings are errors here


def test_so_are_operations_within_a_program(printed):
    program = jc.trace(lambda x, w: jax.nn.softmax(x @ w), jnp.ones((8, 64)), jnp.ones((64, 32)))
    with pytest.warns(UserWarning, match="layers are left out: alpha-flops gives them a cost of 0"):
        printed.latency(program)
    jc.load_calibration("amd-epyc").latency(program)


def test_what_is_not_there_costs_nothing_rightly(printed):
    absent = jc.from_table(pd.DataFrame([SOFTMAX])).pad_to(3)
    with pytest.warns(UserWarning, match=WORDS.format(1)):
        printed.latency(absent)
    assert printed.latency(jc.dense(c_in=512, c_out=512, repeat=0)) == 0
