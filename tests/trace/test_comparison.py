"""One program on several devices: each as `jaxcost.estimate` has it, and what is not covered."""

import json

import jax
import jax.numpy as jnp
import pytest

import jaxcost as jc
from jaxcost.app.report.comparison import devices

X = jax.ShapeDtypeStruct((512, 1024), jnp.bfloat16)
W = jax.ShapeDtypeStruct((1024, 2048), jnp.bfloat16)
NAMES = ["a100-sxm", "h100-sxm", "b200"]


def network(x, w):
    with jax.named_scope("only"):
        return jnp.tanh(x @ w)


@pytest.fixture(scope="module")
def found():
    return jc.compare(network, X, W, calibrations=NAMES)


def test_each_is_estimated_as_it_is_alone(found):
    for row in found.rows():
        alone = jc.estimate(network, X, W, calibration=row["calibration"])
        for name in ("latency_s", "latency_s_lo", "latency_s_hi", "energy_j", "energy_j_hi"):
            assert row[name] == getattr(alone, name), name
    assert [row["calibration"] for row in found.rows()] == NAMES
    assert found.counts == jc.count(network, X, W)


def test_the_fastest_is_told_and_how_much_slower_the_others_are(found):
    latencies = {name: e.latency_s for name, e in found.estimates.items()}
    assert found.fastest == "b200" == min(latencies, key=latencies.get)
    times = [row["times_fastest"] for row in found.rows()]
    assert times == [latencies[name] / latencies["b200"] for name in NAMES]
    assert times[-1] == 1


def test_that_it_is_not_of_this_machine_is_no_warning_here(found):
    alone = jc.estimate(network, X, W, calibration="a100-sxm")
    assert any("not of this machine" in line for line in alone.warnings)
    assert found.warnings["a100-sxm"] == ()


def test_another_precision_is_warned_of():
    x, w = (jax.ShapeDtypeStruct(a.shape, jnp.float32) for a in (X, W))
    found = jc.compare(network, x, w, calibrations=NAMES)
    assert all("priced as if in bfloat16" in lines[0] for lines in found.warnings.values())


def test_what_lies_outside_is_a_share_of_the_cost_and_a_warning():
    narrow = jax.ShapeDtypeStruct((8, 8), jnp.bfloat16)

    def both(x, w, y):
        return jnp.tanh(x @ w), y @ y

    found = jc.compare(both, X, W, narrow, calibrations=["h100-sxm"])
    rows = found.estimates["h100-sxm"].layers()
    small = next(row["latency_s"] for row in rows if row["output"] == (8, 8))
    share = small / found.estimates["h100-sxm"].latency_s
    assert found.outside["h100-sxm"] == pytest.approx(share)
    assert found.warnings["h100-sxm"] == (
        f"{share:.0%} of the cost is of layers outside what was measured",
    )
    assert devices(found).rows[0][-1] == f"{100 * share:.0f} %"


def test_loaded_calibrations_have_the_names_that_they_are_given():
    given = {"mine": jc.load_calibration("a100-sxm"), "theirs": "h100-sxm"}
    found = jc.compare(network, X, W, calibrations=given)
    assert list(found.estimates) == ["mine", "theirs"]


def test_one_name_is_one_calibration():
    assert list(jc.compare(network, X, W, calibrations="b200").estimates) == ["b200"]


@pytest.mark.parametrize(
    ("calibrations", "words"),
    [([], "calibrations is empty"), (["b200", "b200"], "'b200' is given twice"),
     (["b201"], "did you mean 'b200'"), (["butter-e-gpu"], "has no cost of single layers")],
)  # fmt: skip
def test_bad_calibrations_are_refused(calibrations, words):
    with pytest.raises(ValueError, match=words):
        jc.compare(network, X, W, calibrations=calibrations)


def test_a_step_and_its_loops_are_counted_as_asked():
    found = jc.compare(network, X, W, calibrations=["b200"], backward=True)
    assert found.counts.flops > jc.count(network, X, W).flops


def test_its_record_is_plain_json(found):
    record = json.loads(json.dumps(found.record(), allow_nan=False))
    assert [row["calibration"] for row in record["devices"]] == NAMES
    assert record["devices"][0]["energy_j"] is None
    assert record["flops"] == found.counts.flops
    assert "layers" not in record


def test_the_table_marks_the_fastest(found):
    table = devices(found)
    assert table.strong == 2
    assert table.rows[0][0] == "a100-sxm"
    assert table.rows[0][4:6] == ("–", "–")
    assert table.rows[2][3] == "1.00"
