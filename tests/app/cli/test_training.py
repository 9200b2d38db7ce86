import json

import pytest

GIVEN = ("jax.numpy:dot", "--input", "bf16[512,1024]", "--input", "bf16[1024,1024]")
ON = (*GIVEN, "--calibration", "b200")


def test_a_training_has_a_section_of_its_own(jaxcost, tmp_path):
    many = ("--steps", 90_000, "--trials", 20, "--carbon-intensity", 250)
    outcome = jaxcost("estimate", *ON, *many, "--json", tmp_path / "e.json")
    assert outcome.status == 0
    lines = outcome.out.split("20 trainings of 90,000 steps\n")[1].splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["time", "energy", "emitted"]
    record = json.loads((tmp_path / "e.json").read_text())
    assert record["training"]["hours"] == pytest.approx(record["latency_s"] * 1.8e6 / 3600)
    assert record["training"]["kwh_hi"] == pytest.approx(record["energy_j_hi"] * 1.8e6 / 3.6e6)


def test_rows_of_an_estimate_can_be_modules_or_operations(jaxcost, refuses, tmp_path):
    outcome = jaxcost("estimate", *ON, "--backward", "--by", "op", "--json", tmp_path / "e.json")
    table = outcome.out.split("\n\n")[0].splitlines()[3:]
    latencies: dict[str, float] = {}
    found = json.loads((tmp_path / "e.json").read_text())
    for row in found["layers"]:
        latencies.setdefault(row["op"], 0.0)
        latencies[row["op"]] += row["repeat"] * row["latency_s"] / found["latency_s"]
    shares = {line.split()[0]: float(line.split()[-2]) / 100 for line in table}
    assert shares == pytest.approx(latencies, abs=6e-4)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert len(shares) > 1
    assert "--by 'layers' is not known" in refuses("estimate", *ON, "--by", "layers")


def test_what_has_no_price_is_no_module_of_0(jaxcost):
    options = ("--calibration", "quadro-t2000", "--by", "op", "--backward")
    outcome = jaxcost(
        "estimate", "jax.numpy:dot", *("--input", "f32[8,64]", "--input", "f32[64,8]"), *options
    )
    assert "unpriced row" in outcome.out


def test_without_steps_there_is_none(jaxcost, tmp_path):
    outcome = jaxcost("estimate", *ON, "--json", tmp_path / "e.json")
    assert "training" not in outcome.out
    assert "training" not in json.loads((tmp_path / "e.json").read_text())


def test_an_energy_that_is_not_known_has_its_reason(jaxcost):
    outcome = jaxcost("estimate", *GIVEN, "--calibration", "h100-sxm", "--steps", 10)
    assert "1 training of 10 steps" in outcome.out
    assert "the calibration of h100-sxm has none" in outcome.out.split("1 training of 10 steps")[1]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--steps", 0), "steps = 0"),
        (("--trials", 2), "--trials is of a training; say of how many steps (--steps N)"),
        (("--carbon-intensity", 2), "--carbon-intensity is of a training"),
        (("--steps", 1, "--carbon-intensity", -2), "carbon intensity = -2"),
    ],
)
def test_bad_input_is_one_line(refuses, more, words):
    assert words in refuses("estimate", *ON, *more)


def test_a_data_sheet_says_hours_of_steps(jaxcost, tmp_path):
    sheet = ("--device", "v100", "--assume-peak", 0.4, "--json", tmp_path / "e.json")
    model = ("jax.numpy:dot", "--input", "f32[512,1024]", "--input", "f32[1024,1024]")
    outcome = jaxcost("datasheet", *model, *sheet, "--inferences", 1e9)
    record = json.loads((tmp_path / "e.json").read_text())
    assert record["hours"] == pytest.approx(1e9 * record["latency_s"] / 3600)
    assert "1,000,000,000 inferences" in outcome.out
    assert f"{record['hours']:.3g} h" in outcome.out


def test_a_data_sheet_takes_a_step(jaxcost, tmp_path, monkeypatch):
    module = "import jax.numpy as jnp\nw = jnp.ones((64, 8))\ndef net(x):\n    return x @ w\n"
    (tmp_path / "stepped_model.py").write_text(module)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = []
    for more in ((), ("--step", "sgd")):
        given = ("stepped_model:net", "--input", "f32[8,64]", "--device", "v100", "--json")
        out = tmp_path / "e.json"
        assert jaxcost("datasheet", *given, out, "--assume-peak", 0.4, *more).status == 0
        found.append(json.loads(out.read_text())["flops"])
    assert found[1] == 2 * found[0]  # the product, and the gradient by its weights
