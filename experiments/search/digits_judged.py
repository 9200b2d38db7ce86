"""How `digits.py` judges: times at equal accuracy, budgets met, and the figure.

At equal accuracy, declared before the runs: for each budget of the control, its mean accuracy over
the seeds is looked up on the front of the networks trained for latency (their means by budget, and
the full network; never falling with time, by isotonic regression; linear between means in the
logarithm of time), which gives the time that they need for it. The speed-up is the control's time
over that. A control below the worst, or above the best, of that front is left out. Intervals draw
the seeds anew, the same for both ways, with every mean, and take 5 and 95 % of 2000 draws.
"""

import numpy as np
import pandas as pd

from jaxcost import figures

DRAWS = 2000
_LEVELS = (0.05, 0.95)


def front(times: np.ndarray, accuracies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies that never fall with time (pool adjacent violators), and ln(times), ascending."""
    order = np.argsort(times)
    blocks: list[list[float]] = []
    for value in accuracies[order]:
        blocks.append([float(value), 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, n), (b, m) = blocks[-2:]
            blocks[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    pooled = np.concatenate([np.full(int(n), value) for value, n in blocks])
    return pooled, np.log(times[order])


def time_at(accuracy: float, pooled: np.ndarray, log_times: np.ndarray) -> float:
    """The least time with that accuracy; NaN outside the front."""
    if not pooled[0] <= accuracy <= pooled[-1]:
        return float("nan")
    at = int(np.searchsorted(pooled, accuracy))
    if at == 0 or pooled[at] == accuracy:
        return float(np.exp(log_times[at]))
    share = (accuracy - pooled[at - 1]) / (pooled[at] - pooled[at - 1])
    return float(np.exp(log_times[at - 1] + share * (log_times[at] - log_times[at - 1])))


def tables(frame: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    """Times and accuracies of each way, shape (budgets, seeds), from the largest budget on."""
    found = {}
    for way, some in frame.groupby("way"):
        wide = some.pivot(index="share", columns="seed").sort_index(ascending=False)
        found[str(way)] = {name: wide[name].to_numpy(float) for name in ("time_s", "accuracy")}
    return found


def speed_ups(found: dict, seeds: np.ndarray) -> np.ndarray:
    """The speed-up at each budget of the control, for these seeds."""
    mean = {
        way: {name: values[:, seeds].mean(axis=1) for name, values in table.items()}
        for way, table in found.items()
    }
    ends = [mean["latency"], mean["full"]]
    joined = [np.concatenate([end[name] for end in ends]) for name in ("time_s", "accuracy")]
    curve = front(*joined)
    control = zip(mean["flops"]["time_s"], mean["flops"]["accuracy"])
    return np.array([time / time_at(accuracy, *curve) for time, accuracy in control])


def judged(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Speed-ups by the control's budgets and, last, their geometric mean; and their draws."""
    found, random = tables(frame), np.random.default_rng(0)
    number = found["flops"]["time_s"].shape[1]
    drawn = [random.integers(0, number, number) for _ in range(DRAWS)]
    all_ = [speed_ups(found, seeds) for seeds in (np.arange(number), *drawn)]
    ups = np.array([[*each, _mean(each[np.isfinite(all_[0])])] for each in all_])
    return ups[0], ups[1:]


def _mean(ups: np.ndarray) -> float:
    some = ups[np.isfinite(ups)]
    return float(np.exp(np.log(some).mean())) if len(some) else float("nan")


def summary(frame: pd.DataFrame) -> str:
    """Accuracy, time and ratio to the budget by way and budget; speed-ups; the budgets met."""
    groups = frame.groupby(["way", "share"])
    table = groups.agg(
        accuracy_pct=("accuracy", lambda a: 100 * a.mean()),
        accuracy_se=("accuracy", lambda a: 100 * a.sem()),
        time_ms=("time_s", lambda t: 1e3 * t.mean()),
        time_se_ms=("time_s", lambda t: 1e3 * t.sem()),
    )
    ours = frame[frame["way"] == "latency"]
    table["over_budget"] = (ours["time_s"] / ours["target"]).groupby([ours.way, ours.share]).mean()
    return "\n".join([table.round(3).to_string(), *_faster(frame), *_met(ours)])


def _faster(frame: pd.DataFrame) -> list[str]:
    ups, draws = judged(frame)
    shares = sorted(frame.loc[frame["way"] == "flops", "share"].unique(), reverse=True)
    lines = []
    for i, name in enumerate([*(f"control at {share:g} of the FLOPs" for share in shares), "mean"]):
        known = draws[np.isfinite(draws[:, i]), i]
        if not np.isfinite(ups[i]):
            lines.append(f"{name}: its accuracy is not on the front; left out")
            continue
        low, high = np.quantile(known, _LEVELS)
        lines.append(f"{name}: {ups[i]:.2f} times as fast ({low:.2f} to {high:.2f})")
    return lines


def _met(ours: pd.DataFrame) -> list[str]:
    lines = []
    measured = {"first measurement": "first_s", "after correction, measured anew": "time_s"}
    for name, column in measured.items():
        ratio = ours[column] / ours["target"]
        over, near = 100 * (ratio <= 1.05).mean(), 100 * ((ratio - 1).abs() <= 0.05).mean()
        lines.append(
            f"{name}: at most 5 % over the budget in {over:.0f} % of runs, within 5 % "
            f"either way in {near:.0f} %; ratios {ratio.min():.3f} to {ratio.max():.3f}"
        )
    return lines


@figures.styled
def figure(frame: pd.DataFrame) -> object:
    """Accuracy over measured time, a point a network, and the means with standard errors."""
    figure, ax = figures.axes("time of a batch of 128 (ms)", "accuracy on the test set (%)")
    words = {"latency": "trained for latency", "flops": "trained for FLOPs", "full": "full"}
    for i, (way, label) in enumerate(words.items()):
        some = frame[frame["way"] == way]
        style = {"color": figures.PALETTE[i], "marker": figures.MARKERS[i]}
        ax.plot(1e3 * some["time_s"], 100 * some["accuracy"], alpha=0.3, markersize=4,
                linestyle="none", **style)  # fmt: skip
        means = some.groupby("share")[["time_s", "accuracy"]].agg(["mean", "sem"])
        ax.errorbar(
            1e3 * means["time_s", "mean"], 100 * means["accuracy", "mean"],
            xerr=1e3 * means["time_s", "sem"], yerr=100 * means["accuracy", "sem"],
            capsize=2, markersize=7, linewidth=1, label=f"{label}: mean, standard error", **style,
        )  # fmt: skip
    ax.set_xscale("log")
    figures.plain_ticks(ax.xaxis)
    ax.legend(loc="lower right")
    return figure
