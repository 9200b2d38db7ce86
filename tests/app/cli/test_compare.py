import json

import pytest

GIVEN = ("jax.numpy:dot", "--input", "bf16[512,1024]", "--input", "bf16[1024,2048]")


def test_devices_stand_side_by_side(jaxcost, tmp_path):
    outcome = jaxcost("compare", "a100-sxm", "h100-sxm", *GIVEN, "--json", tmp_path / "c.json")
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines[3:5]] == ["a100-sxm", "h100-sxm"]
    assert "Warnings" not in outcome.out
    record = json.loads((tmp_path / "c.json").read_text())
    assert [row["calibration"] for row in record["devices"]] == ["a100-sxm", "h100-sxm"]


def test_what_one_does_not_cover_is_warned_of_by_name(jaxcost):
    outcome = jaxcost("compare", "a100-sxm", "quadro-t2000", *GIVEN)
    assert "! quadro-t2000: 1 products in bfloat16" in outcome.out
    assert "! a100-sxm" not in outcome.out


def test_a_gradient_is_compared_as_asked(jaxcost):
    once, twice = (jaxcost("compare", "b200", *GIVEN, *more).out for more in ((), ("--backward",)))
    assert once != twice


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (GIVEN, "Missing argument 'CALIBRATION...'"),
        (("b200", "b200", *GIVEN), "'b200' is given twice"),
        (("b201", *GIVEN), "did you mean 'b200'"),
        (("b200", "a100-sxm"), "names no attribute"),
    ],
)
def test_bad_input_is_one_line(refuses, arguments, words):
    assert words in refuses("compare", *arguments)
