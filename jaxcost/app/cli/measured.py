"""From a measurement to the rows that are fitted, and what is to be said of it."""

from typing import TYPE_CHECKING

from jaxcost.app.cli.errors import RunError

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.measure import Measurements, Preset

_LEAST_LAYERS = 15  # of which a fifth is held out, and a fit needs ten
_LEAST_ACCEPTED = 5  # undisturbed blocks
_DRIFT = 0.10


def rows_to_fit(
    measured: "Measurements", plan: "Preset", *, seed: int
) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """The layers whose times are trusted, with the column `held_out`; and the other layers.

    Raises:
        RunError: they are too few.
    """
    from jaxcost.app.cli.held_out import draw

    frame = measured.to_frame()
    good = _trusted(frame)
    rows, others = frame[good].reset_index(drop=True), frame[~good]
    if len(rows) < _LEAST_LAYERS:
        raise RunError(
            f"only {len(rows)} of {len(frame)} layers have a time ({_statuses(frame)}), and a "
            f"calibration needs {_LEAST_LAYERS}; "
            f"give more than --budget {plan.plan.budget_s / 60:.3g}"
        )
    labels = [c for c in plan.layers[0].row() if c not in ("sweep", "line")]
    rows = rows.assign(held_out=draw(rows, labels, seed=seed))
    # What was fitted comes first: a warning that names a row then means the row of this table.
    return rows.sort_values("held_out", kind="stable", ignore_index=True), others


def _trusted(frame: "pd.DataFrame") -> "pd.Series":
    """Which rows to fit: a noisy one with few undisturbed blocks can be off by a factor of two.

    Where the machine was busy throughout, they are better than none, and a warning says so.
    """
    timed = frame["time_s"].notna()
    trusted = timed & ((frame["status"] == "ok") | (frame["accepted_samples"] >= _LEAST_ACCEPTED))
    return trusted if trusted.sum() >= max(_LEAST_LAYERS, timed.sum() / 2) else timed


def in_words(others: "pd.DataFrame") -> "pd.DataFrame":
    """The layers that are not fitted: `sizes` in words, `status`, and why in `error`."""
    from jaxcost.app.report.layers import describe

    sizes = [describe(layer) for layer in others.to_dict("records")]
    return others[["status", "error"]].assign(sizes=sizes)


def disturbances(measured: "Measurements", rows: "pd.DataFrame") -> list[str]:
    """What was wrong with the machine while it was measured, in plain words."""
    found = []
    noisy = int((rows["status"] == "noisy").sum())
    if noisy:
        found.append(
            f"{noisy} of {len(rows)} timings are noisy: something else ran on this machine; they "
            "were fitted all the same, measure again when it is quiet for a better calibration"
        )
    if measured.drift > _DRIFT:
        found.append(
            f"the same layer took up to {1 + measured.drift:.2f} times as long at one time as at "
            "another: the machine's speed changed while it was measured"
        )
    return found


def facts(measured: "Measurements", plan: "Preset", rows: int) -> dict[str, str]:
    """What the report says of the measurement."""
    from jaxcost.app.report.sweep import repeatability, shares
    from jaxcost.app.report.text import count, duration

    frame = measured.to_frame()
    found = {
        "preset": plan.name,
        "layers": f"{rows} of {len(plan.layers)} have a time",
        "timings": _statuses(frame),
        "time taken": duration(measured.elapsed_s),
        "rounds": count(len(measured.sentinel_s), "round"),
        "of the time": shares(measured),
        "processes": repeatability(frame),
    }
    return {name: words for name, words in found.items() if words}


def _statuses(frame: "pd.DataFrame") -> str:
    return ", ".join(f"{n} {status}" for status, n in frame["status"].value_counts().items())
