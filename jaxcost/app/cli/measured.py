"""What is said of a measurement that was fitted: of the layers left out, and of the run."""

from typing import TYPE_CHECKING

from jaxcost.calibrate.this_device import statuses

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.measure import Measurements, Preset


def in_words(others: "pd.DataFrame") -> "pd.DataFrame":
    """The layers that are not fitted: `sizes` in words, `status`, and why in `error`."""
    from jaxcost.app.report.layers import describe

    sizes = [describe(layer) for layer in others.to_dict("records")]
    return others[["status", "error"]].assign(sizes=sizes)


def facts(measured: "Measurements", plan: "Preset", rows: int) -> dict[str, str]:
    """What the report says of the measurement."""
    from jaxcost._support.text import count, duration
    from jaxcost.app.report.sweep import repeatability, shares

    frame = measured.to_frame()
    found = {
        "preset": plan.name,
        "layers": f"{rows} of {len(plan.layers)} have a time",
        "timings": statuses(frame),
        "time taken": duration(measured.elapsed_s),
        "rounds": count(len(measured.sentinel_s), "round"),
        "of the time": shares(measured),
        "processes": repeatability(frame),
    }
    return {name: words for name, words in found.items() if words}
