"""A small network trained for latency, made smaller and measured, beside one trained for FLOPs.

Two inverted bottlenecks and a dense layer on scikit-learn's digits, with gates on what is wide.
Each way is trained to several budgets with five seeds; the gates' networks are made smaller,
measured, made smaller still where they miss the budget, trained on and tested. Times are of whole
networks in shuffled order; what predicts them is fitted to layers of other widths.

    python experiments/search_digits.py calibrate|train|measure|finish --folder FOLDER
"""

import argparse
import functools
import json
import pickle
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from digits_network import (
    BATCH,
    CLASSES,
    FULL,
    SIDE,
    STEM,
    finish,
    flops,
    network,
    parameters,
    smaller,
    train,
    workload,
)

import jaxcost as jc
from jaxcost import plots
from jaxcost.calibration.build import fit_table
from jaxcost.regularize import keep_within
from jaxcost.table import read_layer_table

CORRECTIONS = 3  # of a budget, by what was measured
SHARES, SEEDS, WAYS = (0.5, 0.3, 0.18), range(5), ("latency", "flops")
KNOWN = {"bottleneck": (4, 8, 16, 24, 40, 64, 96), "dense": (4, 8, 24, 64, 128, 256, 512)}


def known_layers() -> pd.DataFrame:
    """The layers that the calibration is fitted to: of widths on a coarse grid."""
    same = {"batch": BATCH, "stride": 1, "padding": "same", "dtype": "float32"}
    conv = same | {"op": "conv2d", "in_h": SIDE, "in_w": SIDE, "k_h": 1, "k_w": 1, "groups": 1}
    rows = [conv | {"c_in": 1, "c_out": STEM, "k_h": 3, "k_w": 3}]
    for wide in KNOWN["bottleneck"]:
        rows += [conv | {"c_in": STEM, "c_out": wide}, conv | {"c_in": wide, "c_out": STEM}]
        rows.append(conv | {"c_in": wide, "c_out": wide, "k_h": 3, "k_w": 3, "groups": wide})
    dense = same | {"op": "dense", "in_h": 1, "in_w": 1, "k_h": 1, "k_w": 1, "groups": 1}
    for wide in KNOWN["dense"]:
        rows.append(dense | {"c_in": SIDE * SIDE * STEM, "c_out": wide})
        rows.append(dense | {"c_in": wide, "c_out": CLASSES})
    return pd.DataFrame(rows)


def calibrate(folder: Path, minutes: float) -> None:
    """Measures the known layers."""
    known_layers().to_csv(folder / "known.csv", index=False)
    store, table = folder / "known.db", folder / "known.measured.csv"
    commands = [
        ["measure", "--sweep", folder / "known.csv", "--store", store, "--budget", minutes],
        ["export", store, "--out", table],
    ]
    for command in commands:
        subprocess.run([sys.executable, "-m", "jaxcost", *map(str, command)], check=True)


def measured(networks: list[tuple[int, ...]], rounds: int = 25, calls: int = 10) -> list[float]:
    """Seconds of a batch through each network: the lower quartile of shuffled visits."""
    x = jnp.asarray(np.random.default_rng(0).random((BATCH, SIDE, SIDE, 1), np.float32))
    ready = {}
    for widths in set(networks):
        ones = [jnp.ones(width) for width in widths]
        call = jax.jit(functools.partial(network, opened=ones))
        ready[widths] = (call, parameters(widths, 0))
        call(ready[widths][1], x).block_until_ready()
    seconds: dict[tuple[int, ...], list[float]] = {widths: [] for widths in ready}
    random, order = np.random.default_rng(0), list(ready)
    for _ in range(rounds):
        for i in random.permutation(len(order)):
            call, weights = ready[order[i]]
            began = time.perf_counter()
            for _ in range(calls):
                call(weights, x).block_until_ready()
            seconds[order[i]].append((time.perf_counter() - began) / calls)
    return [float(np.quantile(seconds[widths], 0.25)) for widths in networks]


class Latency:
    """Time of a whole network: calls and what fuses, by two networks measured whole."""

    def __init__(self, folder: Path) -> None:
        frame = read_layer_table(folder / "known.measured.csv", target="time_s")
        self._device = jc.detect_device()
        settings = {"model": "alpha-roofline", "correction": True}
        self._fitted = fit_table(frame, self._device, **settings)
        ends = [FULL, (8, 8, 16)]
        layers = np.array([float(self.layers(jnp.array(e, float))) for e in ends])
        file = folder / "whole.json"
        if not file.exists():
            file.write_text(json.dumps(measured(ends)))
        whole = np.array(json.loads(file.read_text()))
        self.factor = float(np.diff(whole)[0] / np.diff(layers)[0])
        self.fixed = float(whole[0] - self.factor * layers[0])

    def layers(self, widths: jax.Array) -> jax.Array:
        return self._fitted.cost(workload(widths), self._device)

    def __call__(self, widths: jax.Array) -> jax.Array:
        return jnp.maximum(self.fixed, 0) + self.factor * self.layers(widths)


def runs() -> list[tuple[str, float, int]]:
    return [(way, share, seed) for way in WAYS for share in SHARES for seed in SEEDS]


def train_all(folder: Path) -> None:
    """Every network with its gates, and one without a budget for each seed."""
    costs = {"latency": Latency(folder), "flops": flops}
    for way, share, seed in [*runs(), *(("full", 1.0, seed) for seed in SEEDS)]:
        file = folder / f"{way}-{share}-{seed}.pkl"
        if not file.exists():
            cost = costs.get(way, flops)
            target = share * float(cost(jnp.array(FULL, float))) if way != "full" else None
            began = time.perf_counter()
            trained = train(cost, target, seed)
            print(file.name, f"{time.perf_counter() - began:.1f} s", flush=True)
            file.write_bytes(pickle.dumps(trained))


def measure_all(folder: Path) -> None:
    """The smaller networks measured; those over their budget of time made smaller once more."""
    latency = Latency(folder)
    costs = {"latency": latency, "flops": flops}
    rows = []
    for way, share, seed in runs():
        _, logits = pickle.loads((folder / f"{way}-{share}-{seed}.pkl").read_bytes())
        target = share * float(costs[way](jnp.array(FULL, float)))
        kept = keep_within(costs[way], logits, target)
        rows.append({"way": way, "share": share, "seed": seed, "target": target, "kept": kept})
        rows[-1]["logits"] = logits
    for attempt in range(CORRECTIONS + 1):
        for row, seconds in zip(rows, measured([tuple(map(len, r["kept"])) for r in rows])):
            row.setdefault("first_s", seconds)
            if row["way"] == "latency" and attempt < CORRECTIONS:
                row["kept"] = corrected(latency, row, seconds)
    again = measured([FULL, *(tuple(map(len, r["kept"])) for r in rows)], rounds=40)
    for row, seconds in zip(rows, again[1:]):
        row |= {"time_s": seconds, "full_s": again[0]}
    (folder / "measured.pkl").write_bytes(pickle.dumps(rows))


def corrected(latency: Latency, row: dict, seconds: float) -> list[np.ndarray]:
    """What is kept after a measurement: less where it took longer than the budget allows."""
    if seconds <= row["target"]:
        return row["kept"]
    predicted = float(latency(jnp.array([len(k) for k in row["kept"]], float)))
    return keep_within(latency, row["logits"], predicted * row["target"] / seconds)


def finish_all(folder: Path) -> list[dict]:
    """Accuracies of all smaller networks, and of the full one."""
    rows = pickle.loads((folder / "measured.pkl").read_bytes())
    full = []
    for seed in SEEDS:
        weights, _ = pickle.loads((folder / f"full-1.0-{seed}.pkl").read_bytes())
        full.append(finish(weights, seed))
    for row in rows:
        name = f"{row['way']}-{row['share']}-{row['seed']}.pkl"
        weights, _ = pickle.loads((folder / name).read_bytes())
        row["accuracy"] = finish(smaller(weights, row["kept"]), row["seed"])
        row["widths"] = [len(k) for k in row.pop("kept")]
        del row["logits"]
        print({k: row[k] for k in ("way", "share", "seed", "widths", "time_s", "accuracy")})
    same = {"way": "full", "share": 1.0, "widths": list(FULL), "time_s": rows[0]["full_s"]}
    return rows + [same | {"seed": s, "accuracy": a} for s, a in zip(SEEDS, full)]


def summary(frame: pd.DataFrame) -> str:
    """Mean accuracy and time by way and budget, with standard errors; and the budgets met."""
    error = lambda values: values.std(ddof=1) / np.sqrt(len(values))  # noqa: E731
    groups = frame.groupby(["way", "share"])
    table = groups.agg(accuracy=("accuracy", "mean"), se=("accuracy", error),
                       time_us=("time_s", lambda t: 1e6 * t.mean()),
                       time_se_us=("time_s", lambda t: 1e6 * error(t)))  # fmt: skip
    ours = frame[frame["way"] == "latency"]
    lines = [table.round(4).to_string()]
    for name, column in (("first", "first_s"), ("corrected", "time_s")):
        ratio = ours[column] / ours["target"]
        within = 100 * (ratio <= 1.05).mean()
        lines.append(f"{name}: {within:.0f} % within 5 % of the budget; ratios "
                     f"{ratio.min():.3f} to {ratio.max():.3f}")  # fmt: skip
    return "\n".join(lines)


@plots.styled
def figure(frame: pd.DataFrame) -> object:
    """Accuracy over measured time, a point a network, and the means with standard errors."""
    figure, ax = plots.axes("time of a batch of 128 (ms)", "accuracy on the test set (%)")
    words = {"latency": "trained for latency", "flops": "trained for FLOPs", "full": "full"}
    for i, (way, label) in enumerate(words.items()):
        some = frame[frame["way"] == way]
        style = {"color": plots.PALETTE[i], "marker": plots.MARKERS[i], "linestyle": "none"}
        ax.plot(1e3 * some["time_s"], 100 * some["accuracy"], alpha=0.35, **style)
        means = some.groupby("share")[["time_s", "accuracy"]].agg(["mean", "sem"])
        ax.errorbar(
            1e3 * means["time_s", "mean"], 100 * means["accuracy", "mean"],
            xerr=1e3 * means["time_s", "sem"], yerr=100 * means["accuracy", "sem"],
            capsize=2, markersize=8, label=f"{label}: mean, standard error", **style,
        )  # fmt: skip
    ax.set_xlim(left=0)
    ax.legend(loc="lower right")
    return figure


def main() -> None:
    """One of the three parts; timing is in the first and the second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["calibrate", "train", "measure", "finish"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--out", type=Path, default=Path("experiments/search_digits.json"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.part == "calibrate":
        if not (options.folder / "known.measured.csv").exists():
            calibrate(options.folder, options.minutes)
        latency = Latency(options.folder)
        print(latency.factor, latency.fixed)
    elif options.part == "train":
        train_all(options.folder)
    elif options.part == "measure":
        measure_all(options.folder)
    else:
        rows = finish_all(options.folder)
        options.out.write_text(json.dumps(rows, indent=1) + "\n")
        frame = pd.DataFrame(rows)
        print(summary(frame))
        plots.save(figure(frame), options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
