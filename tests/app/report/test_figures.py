import dataclasses

import numpy as np

from jaxcost import figures
from jaxcost.app.report.figures import agreement, errors_by_kind


def _legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def _points(figure, label):
    (line,) = (x for x in figure.axes[0].get_lines() if x.get_label() == label)
    return line


def test_what_was_held_out_is_drawn_apart_and_on_top(checked):
    names = _legend(agreement(checked))
    assert [name.split(":")[0] for name in names] == ["fitted to", "held out", "within ±10 %"]
    assert names[1].endswith(f" of {len(checked.held_out)}")


def test_the_share_within_ten_percent_is_that_of_the_group(checked):
    error = np.where(checked.table["held_out"], 0.05, 0.5)
    table = checked.table.assign(predicted=checked.table["measured"] * (1 + error))
    names = _legend(agreement(dataclasses.replace(checked, table=table)))
    assert names[0].startswith("fitted to: 0 %")
    assert names[1].startswith("held out: 100 %")


def test_without_held_out_layers_each_is_predicted_without_it(plain):
    figure = agreement(plain)
    assert _legend(figure)[:-1] == ["dense", "conv K×K", "depthwise", "grouped"]
    dense = plain.table[plain.table["kind"] == "dense"]
    drawn = _points(figure, "dense")
    np.testing.assert_allclose(
        np.divide(drawn.get_ydata(), drawn.get_xdata()), dense["unseen"] / dense["measured"]
    )


def test_what_was_never_predicted_unseen_is_drawn_as_fitted(plain):
    table = plain.table.assign(unseen=np.nan)
    drawn = _points(agreement(dataclasses.replace(plain, table=table)), "dense")
    dense = table[table["kind"] == "dense"]
    np.testing.assert_allclose(
        np.divide(drawn.get_ydata(), drawn.get_xdata()), dense["predicted"] / dense["measured"]
    )


def test_errors_by_kind_has_a_row_a_kind_and_a_point_a_layer(plain):
    ax = errors_by_kind(plain).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "dense", "conv K×K", "depthwise", "grouped",
    ]  # fmt: skip
    points = [x for x in ax.get_lines() if x.get_marker() == "o"]
    assert sum(len(x.get_xdata()) for x in points) == len(plain.table)
    assert ax.get_xlabel() == "predicted / measured − 1 (%)"


def test_errors_beyond_the_axis_are_counted(plain):
    unseen = plain.table["unseen"].to_numpy().copy()
    row = int(np.argmax(plain.table["kind"] == "grouped"))
    unseen[row] = 9 * plain.table["measured"].iloc[row]
    study = dataclasses.replace(plain, table=plain.table.assign(unseen=unseen))
    ax = errors_by_kind(study).axes[0]
    assert [text.get_text() for text in ax.texts] == [f"1 beyond ±{ax.get_xlim()[1]:.0f} %"]


def test_both_can_be_rendered(plain, checked):
    for figure in (agreement(plain), errors_by_kind(checked)):
        assert figures.png(figure).startswith(b"\x89PNG")
