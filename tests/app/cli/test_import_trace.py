"""`jaxcost import-trace`: from a profile recorded here to a calibration."""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost.calibrate import load_calibration

WIDTHS = [int(w) for w in np.random.default_rng(0).permutation(np.arange(64, 784, 48))]
MODULE = """
import jax.numpy as jnp

def net(x, weights):
    for w in weights:
        x = jnp.tanh(x @ w)
    return x

def call(x, *weights):
    return net(x, weights)
"""


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """A folder with a profile of three calls of a network of fourteen layers, and its inputs."""
    folder = tmp_path_factory.mktemp("profile")
    (folder / "profiled_net.py").write_text(MODULE)
    sys.path.insert(0, str(folder))
    try:
        from profiled_net import call  # type: ignore[import-not-found]

        weights = [jnp.full(s, 0.01) for s in zip(WIDTHS, WIDTHS[1:], strict=False)]  # noqa: RUF007
        given, run = (jnp.ones((32, WIDTHS[0])), *weights), jax.jit(call)
        jax.block_until_ready(run(*given))
        with jax.profiler.trace(str(folder / "p")):
            for _ in range(3):
                jax.block_until_ready(run(*given))
        inputs = [w for x in given for w in ("--input", f"f32[{x.shape[0]},{x.shape[1]}]")]
        yield folder / "p", ("profiled_net:call", *inputs)
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("profiled_net", None)


def test_its_table_is_fitted(jaxcost, profile, tmp_path):
    folder, model = profile
    files = ("--out", tmp_path / "layers.csv", "--json", tmp_path / "t.json")
    outcome = jaxcost("import-trace", folder, *model, *files)
    assert (outcome.status, outcome.err) == (0, "")
    assert "of layers in the table" in outcome.out
    record = json.loads((tmp_path / "t.json").read_text())
    assert record["calls"] == 3
    assert len(record["kernels"]) >= len(WIDTHS) - 1
    out = tmp_path / "c.json"
    fit = ("fit", tmp_path / "layers.csv", "--device", "this", "--model", "flops-only")
    assert jaxcost(*fit, "--out", out).status == 0
    assert load_calibration(out).models["time_s"].errors["in_sample"].rows >= 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("no-such-folder", "jax.numpy:tanh", "--input", "f32[8]"), "no profile at"),
        (("{profile}", "jax.numpy:tanh", "--input", "f32[8]"), "no kernel is a layer of"),
        (("{profile}", "jax.numpy:tanh", "--input", "f32[8]", "--calls", "0"), "--calls"),
    ],
)
def test_bad_input_is_one_line_and_no_table(refuses, profile, tmp_path, arguments, words):
    given = [word.format(profile=profile[0]) for word in arguments]
    assert words in refuses("import-trace", *given, "--out", tmp_path / "t.csv")
