"""What a measured GPU's tables say, without the GPU: fits, errors, figures, calibrations.

    python experiments/accelerator/report.py data/measured/DEVICE --out DIR [--butter-e FOLDER]

Reads layers.csv, networks.csv, training.csv and summary.json (in data/: provenance.json). Writes
report.json and figures to DIR, and with --calibrations the calibrations beside the tables, which
makes them presets. --butter-e has the BUTTER-E authors' isolines: energy to a loss then gets its
minima. What a table cannot tell is said, and left out.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import findings
import numpy as np
import pandas as pd
from epochs import RUN_TARGET
from ledger import write_whole

import jaxcost as jc
from jaxcost import figures
from jaxcost.calibrate import Accuracy, Fitted
from jaxcost.papers.butter_e import butter_e_isolines

TYPES = ("float32", "bfloat16")
_INTERVAL_NOTE = "float32 products run as XLA's default has them: on recent NVIDIA GPUs, TF32"


class Report:
    """Everything found, for report.json; and the figures."""

    def __init__(self, folder: Path, out: Path) -> None:
        self.folder, self.out = folder, out
        self.facts = _facts(folder)
        self.device = _device(self.facts["device"])
        self.found: dict[str, Any] = {"device": self.device.name, "missing": []}
        self.fits: dict[tuple[str, str], findings.Fit] = {}
        self.training: jc.Calibration | str = "no training runs"
        self.found["rehearsal"] = bool(self.facts.get("rehearsal"))

    def table(self, name: str) -> pd.DataFrame:
        """A table, empty where there is none."""
        path = self.folder / f"{name}.csv"
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    def missing(self, what: str) -> None:
        """Note what the tables cannot tell."""
        self.found["missing"].append(what)

    def save(self, figure: Any, name: str) -> None:
        """A figure to the folder of the report."""
        figures.save(figure, self.out / f"{name}.png")


def main(given: list[str] | None = None) -> None:
    """Everything that the tables tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--butter-e", type=Path)
    parser.add_argument("--calibrations", action="store_true")
    options = parser.parse_args(given)
    report = Report(options.folder, options.out)
    layers = findings.trusted(report.table("layers"))
    for dtype in TYPES:
        of_type(report, layers[layers["dtype"] == dtype].reset_index(drop=True), dtype)
    networks(report)
    energies(report, layers)
    training(report, options.butter_e)
    write_whole(options.out / "report.json", json.dumps(_plain(report.found), indent=1) + "\n")
    if options.calibrations:
        calibrations(report)
    print(in_words(report))


def of_type(report: Report, rows: pd.DataFrame, dtype: str) -> None:
    """Times and energies of one type's layers: fits, α-FLOPs' parameters, the roofline."""
    own: dict[str, Any] = {"layers": len(rows)}
    report.found[dtype] = own
    for target in ("time_s", "energy_j"):
        fit = findings.fit_rows(rows, report.device, target) if len(rows) else None
        if fit is None:
            report.missing(f"{dtype}: too few rows with {target} to fit and to hold some out")
            continue
        report.fits[dtype, target] = fit
        errors = {kind: _accuracy(a) for kind, a in fit.fitted.errors.items()}
        own[target] = {"model": fit.fitted.name, "errors": errors, "coverage": fit.coverage}
        name, unit = ("time", "s") if target == "time_s" else ("energy", "J")
        figure = figures.predicted_against_measured(
            fit.held_out[target], fit.held_out["predicted"], groups=list(fit.held_out["op"]),
            title=f"{report.device.name}, {dtype}: layers never seen", quantity=name, unit=unit,
        )  # fmt: skip
        report.save(figure, f"held_out_{name}_{dtype}")
    if not len(rows):
        return
    own["alpha_flops"] = findings.alpha_parameters(rows, report.device)
    rated = findings.rates(rows)
    own["roofline"] = findings.roofline(rated, report.device)
    report.save(_roofline_figure(report, rated, own["roofline"], dtype), f"roofline_{dtype}")


def networks(report: Report) -> None:
    """Whole networks that no fit has seen: the sum over their layers against the time."""
    table = report.table("networks")
    fits = {dtype: fit for (dtype, target), fit in report.fits.items() if target == "time_s"}
    told = findings.predict_networks(table, fits, report.device) if len(table) else table
    if not len(told):
        report.missing("whole networks: none with a time and a fit of its type")
        return
    report.found["networks"] = {
        kind: _accuracy(Accuracy.of(np.log(told[column]), np.log(told["time_s"])))
        for kind, column in (("products", "of_products_s"), ("all layers", "of_all_s"))
    }
    report.found["networks"]["rows"] = told[
        ["network", "batch", "dtype", "time_s", "of_products_s", "of_all_s"]
    ].to_dict("records")
    labels = [f"{row['network']}, {row['dtype']}" for row in told.to_dict("records")]
    figure = figures.predicted_against_measured(
        told["time_s"], told["of_products_s"], groups=[label.split(",")[0] for label in labels],
        title=f"{report.device.name}: whole networks never seen",
    )  # fmt: skip
    report.save(figure, "networks")


def energies(report: Report, layers: pd.DataFrame) -> None:
    """Joules a FLOP, and a byte by the memory level that the bytes fit in."""
    units = findings.unit_energies(layers, report.device) if len(layers) else layers
    if not len(units):
        report.missing(f"energies of layers: {_reasons(layers)}")
        return
    report.found["unit_energies"] = findings.energy_summary(units)
    moved = units[units["kind"] == "byte"]
    if len(moved):
        groups = [
            figures.Points(str(dtype), part["bytes"] / 1e6, part["each_j"] * 1e12)
            for dtype, part in moved.groupby("dtype")
        ]
        figure = figures.scatter(
            groups, x="bytes moved by one operation (MB)", y="energy above idle (pJ/B)",
            title=f"{report.device.name}: energy of moving a byte", log_x=True, log_y=True,
        )  # fmt: skip
        report.save(figure, "energy_per_byte")


def training(report: Report, butter_e: Path | None) -> None:
    """The working-set models on measured epochs; where their energy starts to rise with size."""
    runs = report.table("training")
    if not len(runs):
        report.missing("training runs: none")
        return
    runs[RUN_TARGET] = pd.to_numeric(runs[RUN_TARGET])
    report.training = findings.training_fit(runs, report.device)
    column = RUN_TARGET if (runs[RUN_TARGET] > 0).sum() >= 4 else "time_per_epoch_s"
    told = findings.rises(runs, report.device, column)
    report.found["training"] = {"rises": [dataclasses.asdict(r) for r in told], "of": column}
    report.save(_training_figure(report, runs, column), "training")
    if isinstance(report.training, str):
        report.missing(f"training energy: {report.training}")
        return
    fitted = report.training.models[RUN_TARGET]
    errors = {kind: _accuracy(a) for kind, a in fitted.errors.items()}
    parameters = {e.name: [e.value, e.lower, e.upper] for e in fitted.estimates}
    report.found["training"] |= {
        "model": fitted.name, "errors": errors, "parameters": parameters,
    }  # fmt: skip
    if butter_e is not None:
        lines = findings.minima(runs, report.device, butter_e_isolines(butter_e))
        report.found["training"]["minima"] = lines


def calibrations(report: Report) -> None:
    """The fits as calibration files beside the tables they were fitted to."""
    for ending, dtype in (("", "float32"), ("-bfloat16", "bfloat16")):
        fits = {target: fit for (of, target), fit in report.fits.items() if of == dtype}
        if fits:
            made = next(iter(fits.values())).made
            _save(report, ending, "layers.csv", {t: fit.fitted for t, fit in fits.items()}, made)
    if not isinstance(report.training, str):
        made = report.training.provenance
        _save(report, "-training", "training.csv", report.training.models, made)


def _save(
    report: Report, ending: str, table: str, models: dict[str, Fitted], made: dict[str, Any]
) -> None:
    kept = {name: value for name, value in made.items() if name not in ("rows", "model")}
    kept |= {"table": table, "table_sha256": findings.sha256(report.folder / table)}
    kept |= {"measured": report.facts.get("fingerprint", {}), "note": _INTERVAL_NOTE}
    path = report.folder / f"calibration{ending}.json"
    jc.Calibration(report.device, models, kept).save(path)


def in_words(report: Report) -> str:
    """The report for a terminal."""
    lines = [f"{report.device.kind} ({report.device.name})"]
    lines += ["a rehearsal: figures of no value"] if report.found["rehearsal"] else []
    for (dtype, target), fit in report.fits.items():
        told = fit.fitted.errors["held_out"]
        lines.append(
            f"{dtype:9} {target:9} {told.rows:4} layers held out: "
            f"median {told.median_absolute:.1%}, {told.within_10_percent:.0%} within ±10 %, "
            f"{fit.coverage:.0%} in their interval"
        )
    for dtype in TYPES:
        lines += _alpha_lines(dtype, report.found[dtype].get("alpha_flops"))
    told = report.found.get("networks", {}).get("products")
    lines += (
        [f"whole networks: median {told['median_absolute']:.1%} of {told['rows']}"] if told else []
    )
    for one in report.found.get("unit_energies", []):
        where = f" in {one['level']}" if one["level"] else ""
        lines.append(f"{one['dtype']}: {one['median'] * 1e12:.3g} pJ a {one['kind']}{where}")
    for rise in report.found.get("training", {}).get("rises", []):
        lines.append(
            f"{rise['dataset']}: an epoch's cost rises from {rise['knee']:.3g} parameters on; "
            f"the backward pass leaves the last cache at {rise['l2']:.3g}"
        )
    return "\n".join([*lines, *(f"missing: {what}" for what in report.found["missing"])])


def _alpha_lines(dtype: str, parameters: dict[str, Any] | None) -> list[str]:
    shown = {n: p for n, p in (parameters or {}).items() if n != "scale"}
    words = ", ".join(f"{n} {p['value']:.3g} (T2000 {p['t2000']:g})" for n, p in shown.items())
    return [f"{dtype} α-FLOPs: {words}"] if words else []


def _roofline_figure(
    report: Report, rated: pd.DataFrame, found: dict[str, float], dtype: str
) -> Any:
    groups = [
        figures.Points(str(op), part["intensity"], part["flops_per_s"] / 1e12)
        for op, part in rated[rated["flops"] > 0].groupby("op")
    ]
    curves = []
    if np.isfinite(found["flops_per_byte"]):
        x = np.geomspace(rated["intensity"][rated["flops"] > 0].min(), rated["intensity"].max(), 60)
        y = np.minimum(x * found["bytes_per_s"], found["flops_per_s"]) / 1e12
        curves.append(figures.Curve(f"roof, bends at {found['flops_per_byte']:.0f} FLOP/B", x, y))
    return figures.scatter(
        groups, curves, x="arithmetic intensity (FLOP/B)", y="rate (TFLOP/s)",
        title=f"{report.device.name}, {dtype}", log_x=True, log_y=True,
    )  # fmt: skip


def _training_figure(report: Report, runs: pd.DataFrame, column: str) -> Any:
    unit = "J" if column == RUN_TARGET else "s"
    rows = runs[runs[column] > 0].sort_values("n_parameters")
    groups = [
        figures.Points(str(n), p["n_parameters"], p[column]) for n, p in rows.groupby("dataset")
    ]
    curves = []
    if not isinstance(report.training, str):
        for place, (name, part) in enumerate(rows.groupby("dataset")):
            y = report.training.predict(part)[f"predicted_{RUN_TARGET}"]
            curves.append(
                figures.Curve(f"{name}, model", part["n_parameters"], y, "--", colour=place)
            )
    top = rows[column].max()
    for place, rise in enumerate(report.found["training"]["rises"]):
        if np.isfinite(rise["l2"]):
            label = f"{rise['dataset']}: b leaves the last cache"
            at, ends = np.full(2, rise["l2"]), np.array([rows[column].min(), top])
            curves.append(figures.Curve(label, at, ends, ":", colour=place))
    quantity = "energy" if unit == "J" else "time"
    return figures.scatter(
        groups, curves, x="parameters", y=f"{quantity} of an epoch ({unit})",
        title=f"{report.device.name}: training perceptrons", log_x=True, log_y=True,
    )  # fmt: skip


def _facts(folder: Path) -> dict[str, Any]:
    for name in ("provenance.json", "summary.json"):
        if (folder / name).is_file():
            return json.loads((folder / name).read_text(encoding="utf-8"))
    raise SystemExit(
        f"{folder}: no summary.json or provenance.json; give the folder of a measured GPU"
    )


def _device(facts: dict[str, Any]) -> jc.Device:
    memory = tuple(jc.MemoryLevel(**level) for level in facts["memory"])
    return jc.Device(**facts | {"memory": memory})


def _reasons(layers: pd.DataFrame) -> str:
    if "energy_reason" not in layers:
        return "none were read"
    told = layers["energy_reason"].dropna()
    told = told[told != "not asked for"]
    return "; ".join(sorted(set(told))) or "none were asked for"


def _accuracy(accuracy: Accuracy) -> dict[str, Any]:
    return dataclasses.asdict(accuracy)


def _plain(value: Any) -> Any:
    """For JSON: NaN as null, NumPy's numbers as Python's, tuples of names as what they hold."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return bool(value) if isinstance(value, np.bool_) else value


if __name__ == "__main__":
    main()
