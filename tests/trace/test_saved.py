"""Records that commands wrote are read back whole, and what is none is refused in one line."""

import json

import jax.numpy as jnp
import pytest

import jaxcost as jc
from jaxcost.trace.saved import read_saved, saved

X, W = jnp.ones((8, 64)), jnp.ones((64, 32))


@pytest.fixture
def record():
    return jc.count(jnp.dot, X, W).record()


def test_what_count_and_estimate_write_is_read(tmp_path):
    found = jc.estimate(jnp.dot, X, W, calibration="b200")
    (tmp_path / "e.json").write_text(json.dumps(found.record()))
    again = read_saved(tmp_path / "e.json")
    assert (again["latency_s"], again["energy_j"]) == (found.latency_s, found.energy_j)
    assert again["layers"][0]["latency_s"] == found.layers()[0]["latency_s"]
    (tmp_path / "c.json").write_text(json.dumps(found.counts.record()))
    counted = read_saved(tmp_path / "c.json")
    assert counted["flops"] == found.counts.flops
    assert counted["latency_s"] is None
    assert counted["layers"][0]["energy_j"] is None


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"flops": -1}, "flops = -1: Input should be greater than or equal to 0"),
        ({"macs": "many"}, "macs = 'many': Input should be a valid number"),
        ({"parameters": None}, "parameters = None"),
        ({"layers": [{"name": "a"}]}, "layers.0.flops: Field required"),
        ({"layers": 3}, "layers = 3: Input should be a valid list"),
        ({"latency_s": True}, "latency_s = True"),
        ({"unknown": "none"}, "unknown = 'none'"),
    ],
)
def test_a_record_that_is_none_is_refused(record, changed, words):
    with pytest.raises(ValueError, match=f"^f.json: {words}") as one:
        saved(record | changed, "f.json")
    assert str(one.value).endswith(
        "give what `jaxcost count --json` or `jaxcost estimate --json` wrote"
    )
    assert "\n" not in str(one.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'{"flops": NaN}', b"[" * 100_000])
def test_a_file_that_is_no_record_is_named(tmp_path, content):
    path = tmp_path / "c.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"c\.json") as one:
        read_saved(path)
    assert "give what `jaxcost count --json`" in str(one.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="none.json cannot be read"):
        read_saved(tmp_path / "none.json")
