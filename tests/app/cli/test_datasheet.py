import json

import pytest

SHEET = ("datasheet", "--flops", "4.1e9", "--device", "v100", "--assume-peak", "0.4")


def _read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_an_estimate_says_that_it_is_one_everywhere(jaxcost, tmp_path):
    outcome = jaxcost(*SHEET, "--json", tmp_path / "e.json")
    assert (outcome.status, outcome.err) == (0, "")
    assert "Estimate from data sheets, not measured: Tesla V100 (fp32)" in outcome.out
    assert "nothing was measured" in outcome.out
    record = _read(tmp_path / "e.json")
    assert record["kind"] == "estimate from data sheets, not measured"
    assert record["latency_s"] == pytest.approx(4.1e9 / (0.4 * 15.7e12))
    assert record["energy_j"] == pytest.approx(record["latency_s"] * 300, rel=1e-6)
    assert record["latency_s_lo"] is record["energy_j_hi"] is record["macs"] is None
    assert record["assumptions"]["assumed_share_of_peak"] == 0.4
    assert record["warnings"]


def test_without_a_carbon_intensity_there_is_no_co2(jaxcost, tmp_path):
    outcome = jaxcost(*SHEET, "--json", tmp_path / "e.json")
    record = _read(tmp_path / "e.json")
    assert "CO2" not in outcome.out
    assert record["co2_kg"] is None
    assert "no carbon intensity was given" in record["co2_reason"]


def test_kwh_and_co2_are_of_all_inferences(jaxcost, tmp_path):
    many = ("--inferences", "1e6", "--carbon-intensity", "250", "--json", tmp_path / "e.json")
    outcome = jaxcost(*SHEET, *many)
    record = _read(tmp_path / "e.json")
    kwh = record["energy_j"] * 1e6 / 3.6e6
    assert record["energy_kwh"] == pytest.approx(kwh)
    assert record["co2_kg"] == pytest.approx(kwh * 0.25)
    assert record["co2_reason"] is None
    assert "1,000,000 inferences" in outcome.out
    assert "kg CO2 at 250 g/kWh" in outcome.out


def test_layers_of_a_table_are_estimated_each(jaxcost, table, frame, tmp_path):
    where = ("--device", "h100-sxm", "--precision", "tf32", "--assume-peak", "0.3")
    outcome = jaxcost("datasheet", "--layers", table, *where, "--json", tmp_path / "e.json")
    assert outcome.status == 0
    record = _read(tmp_path / "e.json")
    flops = 2 * frame.batch * frame.c_in * frame.c_out
    assert [row["flops"] for row in record["layers"]] == pytest.approx(flops.tolist())
    assert record["macs"] == pytest.approx(flops.sum() / 2)
    for key in ("latency_s", "energy_j"):
        assert sum(row[key] for row in record["layers"]) == pytest.approx(record[key])


def test_a_date_gives_joules_with_an_interval(jaxcost, tmp_path):
    outcome = jaxcost(
        "datasheet", "--flops", "1.42e9", "--date", "2012-06-01", "--line", "cnn",
        "--json", tmp_path / "e.json",
    )  # fmt: skip
    record = _read(tmp_path / "e.json")
    assert record["energy_j"] == pytest.approx(0.100, rel=0.02)  # AlexNet, table 5.2
    assert record["energy_j_lo"] < record["energy_j"] < record["energy_j_hi"]
    assert record["latency_s"] is None
    assert "90 % interval" in outcome.out


def test_a_device_without_power_has_no_energy_and_says_why(jaxcost, tmp_path):
    outcome = jaxcost(
        "datasheet", "--flops", "1e12", "--device", "tpu-v5e", "--assume-peak", "0.5",
        "--carbon-intensity", "100", "--json", tmp_path / "e.json",
    )  # fmt: skip
    record = _read(tmp_path / "e.json")
    assert record["energy_j"] is record["co2_kg"] is record["energy_kwh"] is None
    assert record["energy_reason"] == record["co2_reason"]
    assert "no power of Google TPU v5e is published" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("no_such:net",), "importing no_such failed: ModuleNotFoundError"),
        (("math:cos", "--flops", "1e9"), "give MODULE:ATTR, or --flops, or --layers, and only one"),
        ((), "give MODULE:ATTR, or either --flops N or --layers TABLE.csv"),
        (("--flops", "1e9"), "give either --device NAME or --date"),
        (("--flops", "1e9", "--device", "v100"), "--assume-peak is missing; give the share"),
        (("--flops", "-1", "--device", "v100", "--assume-peak", "0.4"), "flops = -1"),
        (("--flops", "1e9", "--device", "v100", "--assume-peak", "2"), "assume-peak = 2"),
        (("--flops", "1e9", "--device", "h10", "--assume-peak", "1"), "did you mean 'h100-sxm'"),
        (("--flops", "1e9", "--date", "1999-01-01"), "11.9 years before the first GPU"),
        (("--flops", "1e9", "--date", "soon"), "date = 'soon' is not allowed"),
        (("--flops", "1e9", "--date", "2015-01-01", "--assume-peak", "1"), "need --device"),
        ((*SHEET[1:], "--inferences", "0"), "--inferences = 0"),
        ((*SHEET[1:], "--carbon-intensity", "-3"), "carbon intensity = -3"),
    ],
)
def test_bad_input_is_refused_in_one_line(refuses, arguments, words):
    assert words in refuses("datasheet", *arguments)


def test_nothing_is_written_where_the_input_is_refused(refuses, tmp_path):
    refuses(*SHEET, "--carbon-intensity", "nan", "--json", tmp_path / "e.json")
    assert not (tmp_path / "e.json").exists()


def test_data_sheets_are_listed(jaxcost):
    outcome = jaxcost("devices", "--data-sheets")
    assert outcome.status == 0
    (line,) = (line for line in outcome.out.splitlines() if line.startswith("tpu-v5e"))
    assert line.split() == ["tpu-v5e", "bf16", "197", "TFLOP/s", "–", "2023-08-29"]
    assert "no measurement" in outcome.out


def test_the_words_of_before_still_estimate_and_say_the_new_ones(jaxcost, tmp_path):
    new = jaxcost(*SHEET, "--json", tmp_path / "new.json")
    old = jaxcost("estimate", *SHEET[1:], "--json", tmp_path / "old.json")
    assert (old.status, old.out) == (0, new.out.replace("new.json", "old.json"))
    assert old.err == (
        "jaxcost: without --calibration, `estimate` is `datasheet` now, and will be until 0.3\n"
    )
    assert _read(tmp_path / "old.json") == _read(tmp_path / "new.json")


def test_a_model_is_estimated_with_a_calibration_alone(refuses):
    assert "--calibration" in refuses("estimate", "math:cos", "--input", "f32[2]")
    both = ("--calibration", "quadro-t2000", "--flops", "1e9")
    assert "--flops" in refuses("estimate", "math:cos", *both)
