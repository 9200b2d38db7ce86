"""A calibration is of one precision: what is in another is refused, or warned of."""

import dataclasses
import json
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost.calibrate import Calibration, load_calibration
from jaxcost.calibrate.build import fit_layers
from jaxcost.calibrate.presets import PRESETS, preset
from jaxcost.device import device
from jaxcost.workload import dense, mlp
from jaxcost.workload.layer_table import ITEM_BYTES

# What they predict is chosen to test other things, and lies outside at times.
pytestmark = [
    pytest.mark.filterwarnings("ignore:(row|layer) .* outside the calibration"),
    pytest.mark.usefixtures("model_alone"),
]

T2000 = device("quadro-t2000")


@pytest.fixture
def unsaid(calibration, tmp_path):
    """A calibration from a file of the time when none said its precision."""
    calibration.save(tmp_path / "c.json")
    content = json.loads((tmp_path / "c.json").read_text())
    del content["models"]["time_s"]["dtype"]
    (tmp_path / "old.json").write_text(json.dumps(content))
    return load_calibration(tmp_path / "old.json")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_a_fit_records_what_it_was_fitted_to(clean, tmp_path, dtype):
    fitted = fit_layers(clean.assign(dtype=dtype), T2000, model="flops-only", starts=2)
    Calibration(T2000, {"time_s": fitted}).save(tmp_path / "c.json")
    content = json.loads((tmp_path / "c.json").read_text())
    assert content["models"]["time_s"]["dtype"] == dtype
    assert load_calibration(tmp_path / "c.json").models["time_s"].dtype == dtype


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_states_its_precision(name):
    assert all(fitted.dtype in ITEM_BYTES for fitted in preset(name).models.values())


@pytest.mark.parametrize("name", ["quadro-t2000", "amd-epyc", "butter-e-cpu", "butter-e-gpu"])
def test_the_published_presets_are_of_float32(name):
    assert {fitted.dtype for fitted in preset(name).models.values()} == {"float32"}


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("dtype", ["float32", "float16"], r"2 precisions \(float16, float32\).*--dtype float16"),
        ("device", ["phone", "server"], r"2 devices \(phone, server\).*--device phone"),
    ],
)
def test_a_table_of_several_is_not_fitted(clean, column, values, words):
    mixed = clean.assign(**{column: np.resize(values, len(clean))})
    with pytest.raises(ValueError, match=words):
        fit_layers(mixed, T2000, model="flops-only")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int8"])
def test_rows_in_another_precision_are_not_predicted(calibration, unseen, dtype):
    some = unseen.assign(dtype=np.where(np.arange(60) % 8 == 7, dtype, "float32"))
    words = f"row 8: dtype is {dtype}, but .* measured in float32; .*--dtype float32"
    with pytest.raises(ValueError, match=words):
        calibration.predict(some)
    assert len(calibration.predict(some[some["dtype"] == "float32"])) == 53


def test_a_network_in_another_precision_is_warned_of(calibration):
    with pytest.warns(UserWarning, match="3 of 3 layers have items of 2 bytes.*float32 .4 bytes"):
        calibration.latency(mlp([8, 16, 16, 8], batch_size=2, item_bytes=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calibration.latency(mlp([8, 16, 16, 8], batch_size=2))
        jax.jit(lambda w: calibration.latency(mlp(w, batch_size=2)))(jnp.array([8.0, 16.0, 8.0]))


@pytest.mark.parametrize("name", ["batch", "positions", "c_in", "c_out", "groups", "repeat"])
@pytest.mark.parametrize("transform", [jax.jit, jax.grad, lambda f: lambda x: jax.vmap(f)(x[None])])
def test_a_size_that_is_traced_alone_is_priced(name, transform):
    """Beside others that are known, as where one width is searched."""
    sizes = {"batch": 8.0, "positions": 4.0, "c_in": 64.0, "c_out": 32.0} | {name: 1.0}
    known = load_calibration("amd-epyc")
    got = transform(lambda size: known.latency(dense(**sizes | {name: size})))(jnp.asarray(1.0))
    assert np.isfinite(got).all()


def test_what_a_traced_function_is_closed_over_is_checked():
    layers = mlp([64, 32, 10], batch_size=8, item_bytes=2)
    known = load_calibration("amd-epyc")
    with pytest.warns(UserWarning, match="2 of 2 layers have items of 2 bytes"):
        got = jax.jit(lambda scale: scale * known.latency(layers))(3.0)
    with pytest.warns(UserWarning, match="2 of 2 layers"):
        assert float(got) == pytest.approx(3 * float(known.latency(layers)), rel=1e-5)


def test_a_calibration_of_half_precision_is_one_of_half_precision(calibration):
    half = dataclasses.replace(calibration.models["time_s"], dtype="bfloat16")
    half = dataclasses.replace(calibration, models={"time_s": half})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        half.latency(mlp([8, 16, 8], batch_size=2, item_bytes=2))
    with pytest.warns(UserWarning, match="2 of 2 layers have items of 4 bytes.*bfloat16"):
        half.latency(mlp([8, 16, 8], batch_size=2))


def test_an_old_file_is_said_not_to_say_its_precision(unsaid, unseen):
    with pytest.warns(UserWarning, match="does not say in which precision it was measured"):
        unsaid.latency(mlp([8, 16, 8], batch_size=2))
    with pytest.warns(UserWarning, match="does not say in which precision it was measured"):
        unsaid.predict(unseen.assign(dtype="float16"))
