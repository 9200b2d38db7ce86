import json

import pytest

MODEL = """
import jax, jax.numpy as jnp

def network(first, second):
    w, v = jnp.ones((64, first)), jnp.ones((first, second))
    def call(x):
        with jax.named_scope("first"):
            y = jnp.tanh(x @ w)
        with jax.named_scope("second"):
            return y @ v
    return call

small, large = network(32, 10), network(48, 10)

def looping(x):
    return jax.lax.while_loop(lambda c: c[0, 0] < 1, lambda c: c * 2, x)

def many(x):
    for index in range(40):
        with jax.named_scope(f"l{index}"):
            x = x @ jnp.ones((64, 64))
    return x
"""
INPUT = ("--input", "f32[8,64]")


@pytest.fixture(autouse=True)
def _model(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("models")
    (folder / "diffed_models.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(__import__("sys").modules, "diffed_models", raising=False)


def test_two_models_differ_in_total_and_by_layer(jaxcost, tmp_path):
    out = tmp_path / "d.json"
    outcome = jaxcost("diff", "diffed_models:small", "diffed_models:large", *INPUT, "--json", out)
    assert (outcome.status, outcome.err) == (0, "")
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["parameters", "2,368", "3,552", "+1,184", "+50.0", "%"] in lines
    assert ["first", "grew", "32.8", "kFLOP", "49.2", "kFLOP", "+16.4", "kFLOP", "+50.0", "%"] in [
        line[:10] for line in lines
    ]
    assert "energy_j" not in outcome.out
    record = json.loads(out.read_text())
    assert [layer["name"] for layer in record["layers"]] == ["first", "second"]


def test_files_differ_as_the_models_do(jaxcost, tmp_path):
    for name in ("small", "large"):
        jaxcost("count", f"diffed_models:{name}", *INPUT, "--json", tmp_path / f"{name}.json")
    files = jaxcost("diff", tmp_path / "small.json", tmp_path / "large.json").out
    models = jaxcost("diff", "diffed_models:small", "diffed_models:large", *INPUT).out
    assert files.split("In total")[1] == models.split("In total")[1]
    mixed = jaxcost("diff", "diffed_models:small", tmp_path / "large.json")
    assert mixed.status == 2  # the model needs its input, which is refused of a file


def test_one_model_on_two_calibrations(jaxcost):
    calibrations = ("--calibration", "a100-sxm", "--calibration", "h100-sxm")
    outcome = jaxcost("diff", "diffed_models:small", *INPUT, *calibrations)
    assert outcome.status == 0
    assert "A: diffed_models:small on a100-sxm\nB: diffed_models:small on h100-sxm" in outcome.out
    assert "A latency_s" in outcome.out
    assert "shrank" in outcome.out


def test_one_calibration_is_of_both_models(jaxcost):
    given = ("diffed_models:small", "diffed_models:large", *INPUT, "--calibration", "a100-sxm")
    assert "B: diffed_models:large on a100-sxm" in jaxcost("diff", *given).out


def test_what_is_the_same_is_said_to_be(jaxcost):
    outcome = jaxcost("diff", "diffed_models:small", "diffed_models:small", *INPUT)
    assert "No layer changed." in outcome.out


def test_what_is_unknown_is_a_row(jaxcost):
    outcome = jaxcost("diff", "diffed_models:small", "diffed_models:looping", *INPUT)
    assert ["unknown", "operations", "0", "1"] in [
        line.split() for line in outcome.out.splitlines()
    ]
    known = jaxcost("diff", "diffed_models:small", "diffed_models:looping", *INPUT, "--trips", 3)
    assert "unknown operations" not in known.out


def test_smaller_changes_share_a_row(jaxcost):
    outcome = jaxcost("diff", "diffed_models:small", "diffed_models:many", *INPUT)
    assert "12 smaller changes" in outcome.out  # of 42 layers


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("diffed_models:small", *INPUT), "B is missing"),
        (("diffed_models:small", *INPUT, "--calibration", "b200"), "B is missing"),
        (("diffed_models:small", *INPUT, *(("--calibration", "b200") * 3)), "3 times; give one"),
        (("none.json", "none.json"), "none.json cannot be read"),
        (("none.json", "none.json", *INPUT), "--input is of models, and 'none.json' is a file"),
        (("none.json", "none.json", "--calibration", "b200"), "--calibration is of models"),
        (("diffed_models:smal", "diffed_models:large", *INPUT), "did you mean 'small'?"),
    ],
)
def test_bad_input_is_one_line(refuses, arguments, words):
    assert words in refuses("diff", *arguments)


def test_a_file_is_not_written_over(refuses, tmp_path):
    path = tmp_path / "a.json"
    path.write_text("{}")
    assert "is the same file as the input" in refuses("diff", path, path, "--json", path)
