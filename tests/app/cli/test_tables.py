from jaxcost.calibrate.presets import PRESETS
from jaxcost.device import presets
from jaxcost.models.registry import LAYER_MODELS, RUN_MODELS


def _lines(outcome):
    assert (outcome.status, outcome.err) == (0, "")
    return outcome.out.splitlines()


def test_every_model_has_a_line_that_says_what_it_is(jaxcost):
    lines = _lines(jaxcost("models"))
    names = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert names == ["model", *LAYER_MODELS, *RUN_MODELS]
    (roofline,) = (line for line in lines if line.startswith("roofline "))
    assert roofline.split()[1] == "2"
    assert "slower of arithmetic and memory traffic" in roofline


def test_every_device_and_this_machine_have_a_line(jaxcost):
    lines = _lines(jaxcost("devices"))
    names = [line.split("  ")[0] for line in lines if line and not line.startswith(" ")]
    assert names[:-1] == ["device", *presets(), "this machine"]
    (t2000,) = (line for line in lines if line.startswith("quadro-t2000"))
    assert "Quadro T2000" in t2000
    assert "3.66 TFLOP/s" in t2000
    assert all(preset in lines[-1] for preset in PRESETS)
