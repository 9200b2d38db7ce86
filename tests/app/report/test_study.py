import numpy as np

from jaxcost.app.report import Study


def test_predictions_and_intervals_are_the_calibrations_own(plain, calibration, layers):
    expected = calibration.predict(layers)
    for column, name in (("predicted", ""), ("lower", "_lo"), ("upper", "_hi")):
        np.testing.assert_allclose(plain.table[column], expected[f"predicted_time_s{name}"])
    np.testing.assert_array_equal(plain.table["measured"], layers["time_s"])


def test_what_was_held_out_is_unseen(checked):
    table = checked.table
    assert len(checked.held_out) == table["held_out"].sum() == -(-len(table) // 4)
    assert table["unseen"].notna().equals(table["held_out"])
    np.testing.assert_array_equal(checked.held_out["unseen"], checked.held_out["predicted"])


def test_coverage_is_of_held_out_layers(calibration, layers, plain):
    assert plain.coverage is None
    # The interval spans a factor 1.9 to either side: two times of eight are moved out of it.
    held = np.arange(len(layers)) < 8
    times = layers["time_s"].to_numpy().copy()
    times[2:4] *= (3, 1 / 3)
    study = Study.of(calibration, "time_s", layers.assign(time_s=times), held_out=held)
    assert study.coverage == 0.75
