import pytest

COMMANDS = (
    "calibrate",
    "measure",
    "export",
    "merge",
    "carry-over",
    "count",
    "fit",
    "predict",
    "estimate",
    "datasheet",
    "check",
    "roofline",
    "where-unsure",
    "import-trace",
    "compare",
    "diff",
    "reproduce",
    "devices",
    "models",
)


def test_the_commands_are_listed(jaxcost):
    outcome = jaxcost("--help")
    assert outcome.status == 0
    assert all(f"\n  {command} " in outcome.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(jaxcost, command):
    outcome = jaxcost(command, "--help")
    assert (outcome.status, outcome.err) == (0, "")
    assert f"Example:\n    jaxcost {command}" in outcome.out
    assert "\b" not in outcome.out
    examples = outcome.out.partition("Example:\n")[2].partition("\n\n")[0].splitlines()
    for line in examples:
        assert len(line) <= 80
        assert "  " not in line.strip(), "lines that were joined"


def test_options_are_those_that_scripts_call(jaxcost):
    expected = {
        "calibrate": ("--preset", "--out", "--report", "--table", "--budget", "--seed", "--until"),
        "fit": ("--out", "--model", "--target", "--device", "--correction", "--no-correction"),
        "predict": ("--out",),
        "estimate": ("--input", "--call", "--backward", "--calibration", "--model", "--json"),
        "check": ("--input", "--budget", "--calibration", "--allow-unknown", "--json"),
        "where-unsure": ("--input", "--call", "--backward", "--step", "--json", "--out"),
        "import-trace": ("--input", "--call", "--calls", "--out", "--json"),
        "diff": ("--input", "--call", "--calibration", "--json"),
        "datasheet": ("--flops", "--layers", "--device", "--assume-peak", "--carbon-intensity"),
        "reproduce": ("--data", "--out", "--download"),
    }
    for command, options in expected.items():
        text = jaxcost(command, "--help").out
        assert all(option in text for option in options), command


def test_the_version_is_that_of_the_package(jaxcost, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"1.2.3 of {name}")
    assert jaxcost("--version") == (0, "jaxcost 1.2.3 of jaxcost\n", "")
