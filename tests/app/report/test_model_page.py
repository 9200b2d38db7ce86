"""The page of a model: what stands on it, and that it needs nothing from elsewhere."""

import re

import jax
import jax.numpy as jnp
import pytest

import jaxcost as jc
from jaxcost.app.report.model_page import render

X = jax.ShapeDtypeStruct((512, 1024), jnp.bfloat16)
W = jax.ShapeDtypeStruct((1024, 1024), jnp.bfloat16)


def network(x, w):
    with jax.named_scope("first"):
        y = jnp.tanh(x @ w)
    with jax.named_scope("second"):
        return y @ w


def page(calibration, fn=network, args=(X, W)):
    loaded = jc.load_calibration(calibration)
    return render("a<b>:net", jc.estimate(fn, *args, calibration=loaded), loaded)


def sections(text):
    return re.findall(r"<h2>(.*?)</h2>", text)


def test_time_energy_and_memory_are_drawn_by_module():
    text = page("b200")
    assert sections(text) == [
        "Warnings", "Where the time goes", "Where the energy goes",
        "Where the memory at its peak goes", "Where the FLOPs go", "Roofline", "Layers", "In total",
    ]  # fmt: skip
    found = jc.estimate(network, X, W, calibration="b200")
    assert text.count("<title>first: ") == 4  # of time, energy, memory and FLOPs
    assert f"{found.counts.parameters:,}" in text
    total = text.split("<h2>In total</h2>")[1]
    assert total.count("peak memory, unfused, estimated") == 1


def test_it_is_one_file_and_shows_names_as_text():
    text = page("h100-sxm")
    assert "a&lt;b&gt;:net on NVIDIA H100 SXM" in text
    assert "<b>:net" not in text
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    assert "url(" not in text
    assert "prefers-color-scheme: dark" in text


def test_what_a_calibration_does_not_know_is_left_out():
    text = page("quadro-t2000")
    assert "Where the energy goes" not in text
    assert "Roofline" not in sections(text)
    assert "1 unpriced row" in text


def test_what_is_unknown_is_listed():
    def looped(x):
        return jax.lax.while_loop(lambda c: c[0, 0] < 1, lambda c: c * 2, x)

    assert "Unknown: not in the totals" in sections(page("h100-sxm", looped, (X,)))
    assert "Unknown: not in the totals" not in sections(page("h100-sxm"))


@pytest.mark.parametrize("extra", [(), ("--json",)])
def test_the_command_writes_it_whole(jaxcost, tmp_path, extra):
    given = ("estimate", "jax.numpy:dot", "--input", "bf16[8,64]", "--input", "bf16[64,8]")
    out = tmp_path / "page.html"
    more = (*extra, tmp_path / "e.json") if extra else ()
    outcome = jaxcost(*given, "--calibration", "h100-sxm", "--report", out, *more)
    assert outcome.status == 0
    assert str(out) in outcome.out.splitlines()[-1]
    assert out.read_text("utf-8").rstrip().endswith("</html>")


def test_a_calibration_is_not_written_over(jaxcost, tmp_path):
    path = tmp_path / "c.json"
    jc.load_calibration("h100-sxm").save(path)
    given = ("estimate", "jax.numpy:dot", "--input", "bf16[8,64]", "--input", "bf16[64,8]")
    outcome = jaxcost(*given, "--calibration", path, "--report", path)
    assert outcome.status == 2
    assert "is the same file as the input" in outcome.err
