"""What an operation within a program costs on a CPU: its bytes at the rate of memory."""

import dataclasses

import pytest

import jaxcost as jc
from jaxcost.models.memory_bound import MemoryBound
from jaxcost.workload.left_once_fused import AGAINST_ORDER, OUT_OF_CACHE
from jaxcost.workload.record import rows

ONES = dict.fromkeys(
    ("addition", "reduction", "normalisation", "softmax", "pooling", "gather"), 1.0
)
EPYC = jc.load_calibration("amd-epyc")


def fitted(beyond: float):
    """A CPU whose memory gives 1e11 / (1 + beyond) B/s to operations of any kind."""
    model = MemoryBound(
        bandwidth=1e11, floor=1e-7, sharpness=2.0, **ONES, row=0.0, rereading=1.0, cache=3e7,
        beyond=beyond,
    )  # fmt: skip
    part = jc.load_calibration("h100-sxm").models["time_s"].apart["memory-bound"]
    alone = dataclasses.replace(part, model=model, correction=None)
    return dataclasses.replace(EPYC.models["time_s"], apart={"memory-bound": alone})


def seconds(beyond: float, **leaves: float) -> float:
    row = {"c_in": 0, "c_out": 0, "other_bytes": 1e9, "within": 1} | leaves
    return float(fitted(beyond).layer_costs(rows(**row), EPYC.device)[0])


def test_bytes_come_from_memory_and_fusion_leaves_a_share_of_them():
    assert seconds(3.0) == pytest.approx(4e-2, rel=1e-5)
    assert seconds(3.0, left_on_cpu=0.25) == pytest.approx(1e-2, rel=1e-5)


def test_a_backward_pass_gets_a_share_of_the_bandwidth():
    assert seconds(3.0, backward=1) == pytest.approx(4e-2 / OUT_OF_CACHE, rel=1e-5)


@pytest.mark.parametrize("beyond", [0.0, 0.1])
def test_a_calibration_that_knew_no_memory_keeps_its_share_of_the_bandwidth(beyond):
    usual = 1e-2 * (1 + beyond) / OUT_OF_CACHE
    assert seconds(beyond) == pytest.approx(usual, rel=1e-5)
    assert seconds(beyond, left=0, backward=1) == pytest.approx(usual, rel=1e-5)


def test_what_is_laid_out_anew_for_a_gradient_is_read_against_its_order():
    assert seconds(3.0, left=0, backward=1) == pytest.approx(4e-2 / AGAINST_ORDER, rel=1e-5)
    assert seconds(3.0, left=0) == pytest.approx(4e-2, rel=1e-5)  # heads are no other order
