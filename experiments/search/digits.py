"""A small network trained for latency, made smaller and measured, beside one trained for FLOPs.

Two inverted bottlenecks and a dense layer on distorted digits, with gates on what is wide. Each way
is trained to five budgets with the same five seeds; the gates' networks are made smaller, measured,
and, of the latency's way, made smaller or larger by what was measured (`keep_measured`), trained on
and tested. What predicts times is fitted to layers of other widths and to a few whole networks of
random widths. The times that are judged are measured once more, of all networks in shuffled order.

    python experiments/search/digits.py calibrate|train|measure|finish --folder FOLDER

Timing is in `calibrate` and `measure`. `digits_judged` says what "at equal accuracy" means; the
data and the budgets were chosen by looking at the control and at the full network alone, but the
latency's smallest: 7.5 % was tried first, which is less than the smallest networks take.
"""

import argparse
import functools
import json
import pickle
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from digits_judged import figure, summary
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
from scipy.optimize import nnls
from scipy.stats import quantile_test

import jaxcost as jc
from jaxcost import figures

SHARES = {"latency": (0.5, 0.3, 0.19, 0.12, 0.09), "flops": (0.7, 0.5, 0.35, 0.25, 0.18)}
SEEDS, WHOLE, QUANTILE = range(5), 12, 0.25
KNOWN = {"bottleneck": (4, 8, 16, 24, 40, 64, 96), "dense": (4, 8, 24, 64, 128, 256, 512)}

Widths = tuple[int, ...]


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
    """Measures the known layers, and whole networks of random widths."""
    table = folder / "known.measured.csv"
    if not table.exists():
        known_layers().to_csv(folder / "known.csv", index=False)
        store = folder / "known.db"
        for command in (
            ["measure", "--sweep", folder / "known.csv", "--store", store, "--budget", minutes],
            ["export", store, "--out", table],
        ):
            subprocess.run([sys.executable, "-m", "jaxcost", *map(str, command)], check=True)
    random = np.random.default_rng(7)
    shares = random.uniform(0, 1, (WHOLE, 3))
    widths = [tuple(round(f**share) for f, share in zip(FULL, row)) for row in shares]
    times = [float(np.quantile(v, QUANTILE)) for v in visits([FULL, *widths])]
    (folder / "whole.json").write_text(json.dumps([[FULL, *widths], times]))


def visits(networks: Sequence[Widths], rounds: int = 25, calls: int = 5) -> list[np.ndarray]:
    """Seconds of a batch through each network, in each of so many shuffled rounds."""
    x = jnp.asarray(np.random.default_rng(0).random((BATCH, SIDE, SIDE, 1), np.float32))
    ready = {}
    for widths in set(networks):
        ones = [jnp.ones(width) for width in widths]
        call = jax.jit(functools.partial(network, opened=ones))
        ready[widths] = (call, parameters(widths, 0))
        call(ready[widths][1], x).block_until_ready()
    seconds: dict[Widths, list[float]] = {widths: [] for widths in ready}
    random, order = np.random.default_rng(0), list(ready)
    for _ in range(rounds):
        for i in random.permutation(len(order)):
            call, weights = ready[order[i]]
            began = time.perf_counter()
            for _ in range(calls):
                call(weights, x).block_until_ready()
            seconds[order[i]].append((time.perf_counter() - began) / calls)
    return [np.array(seconds[widths]) for widths in networks]


@functools.cache
def measured(widths: Widths) -> float:
    """Seconds of a batch through one network."""
    return float(np.quantile(visits([widths], rounds=12)[0], QUANTILE))


class Latency:
    """Time of a whole network: calls, and what fuses, a factor for each kind of layer."""

    def __init__(self, folder: Path) -> None:
        self._device = jc.detect_device()
        settings = {"model": "alpha-roofline", "correction": True}
        calibration = jc.fit(folder / "known.measured.csv", self._device, **settings)
        self._fitted = calibration.models["time_s"]
        networks, seconds = json.loads((folder / "whole.json").read_text())
        parts = np.array([self.parts(jnp.array(widths, float)) for widths in networks])
        times = np.array(seconds)
        factors, _ = nnls(parts / times[:, None], np.ones_like(times))
        self.errors = parts @ factors / times - 1
        self.factors = jnp.asarray(factors)

    def parts(self, widths: jax.Array) -> jax.Array:
        """A millisecond, for what a call costs, and seconds of convolutions by kind and dense."""
        layers = self._fitted.layer_costs(workload(widths), self._device)
        deep, dense = layers[2] + layers[5], layers[7] + layers[8]
        return jnp.stack([jnp.asarray(1e-3), jnp.sum(layers) - deep - dense, deep, dense])

    def __call__(self, widths: jax.Array) -> jax.Array:
        return jnp.sum(self.factors * self.parts(widths))


def runs() -> list[tuple[str, float, int]]:
    return [(way, share, seed) for way in SHARES for share in SHARES[way] for seed in SEEDS]


def train_all(folder: Path) -> None:
    """Every network with its gates, and one without a budget for each seed."""
    costs = {"latency": Latency(folder), "flops": flops}
    for way, share, seed in [*runs(), *(("full", 1.0, seed) for seed in SEEDS)]:
        file = folder / f"{way}-{share}-{seed}.pkl"
        if not file.exists():
            cost = costs.get(way, flops)
            target = share * float(cost(jnp.array(FULL, float))) if way != "full" else None
            trained = train(cost, target, seed)
            open_ = [int((logits > 0).sum()) for logits in trained[1]]
            print(file.name, open_, flush=True)
            file.write_bytes(pickle.dumps(trained))


def measure_all(folder: Path) -> None:
    """The smaller networks, the latency's corrected by measuring; all measured in the end."""
    latency = Latency(folder)
    print("whole networks, predicted / measured - 1:", np.round(latency.errors, 3))
    costs = {"latency": latency, "flops": flops}
    rows = []
    for way, share, seed in runs():
        _, logits = pickle.loads((folder / f"{way}-{share}-{seed}.pkl").read_bytes())
        target = share * float(costs[way](jnp.array(FULL, float)))
        row = {"way": way, "share": share, "seed": seed, "target": target}
        if way == "latency":
            found = jc.keep_measured(latency, measured, logits, target)
            row |= {"kept": found.kept, "first_s": found.tried[0][1], "tried": found.tried}
        else:
            row["kept"] = jc.keep_within(flops, logits, target)
        rows.append(row)
        print(row["way"], share, seed, row.get("tried", ""), flush=True)
    again = visits([FULL, *(tuple(map(len, row["kept"])) for row in rows)], rounds=30)
    for row, times in zip(rows, again[1:]):
        row["time_s"] = float(np.quantile(times, QUANTILE))
        test = quantile_test(times, p=QUANTILE)
        row["time_interval_s"] = list(map(float, test.confidence_interval(0.95)))
        row["full_s"] = float(np.quantile(again[0], QUANTILE))
    (folder / "measured.pkl").write_bytes(pickle.dumps(rows))


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
        print({k: row[k] for k in ("way", "share", "seed", "widths", "time_s", "accuracy")})
    same = {"way": "full", "share": 1.0, "widths": list(FULL), "time_s": rows[0]["full_s"]}
    return rows + [same | {"seed": s, "accuracy": a} for s, a in zip(SEEDS, full)]


def main() -> None:
    """One of the four parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["calibrate", "train", "measure", "finish"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--out", type=Path, default=Path("experiments/search/digits.json"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.part == "calibrate":
        calibrate(options.folder, options.minutes)
    elif options.part == "train":
        train_all(options.folder)
    elif options.part == "measure":
        measure_all(options.folder)
    else:
        rows = finish_all(options.folder)
        options.out.write_text(json.dumps(rows, indent=1) + "\n")
        frame = pd.DataFrame(rows)
        print(summary(frame))
        figures.save(figure(frame), options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
