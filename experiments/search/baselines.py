"""Fronts of cost and error from equal evaluations: gradients against four other searches.

Every search may evaluate so many networks on the same whole widths, and knows nothing of tiles or
caches; a gradient counts as three evaluations. Hypervolumes are of the costs' logarithms, beyond
the worst of all searches' fronts together, and relative to that of all searches together.

    python experiments/search/baselines.py --out experiments/search/baselines.json
"""

import argparse
import json
from pathlib import Path

import numpy as np
from whole_widths import Costs, Grid
from width_problems import draw

import jaxcost as jc
from jaxcost import figures
from jaxcost.optimize import OptunaObjective, hypervolume, undominated

KINDS = (
    "dense latency, error under a budget",
    "conv latency at an error",
    "energy by working sets, GPU",
    "energy by working sets, CPU",
    "energy, six parameters, GPU",
    "energy, six parameters, CPU",
)


class Trade:
    """A cost against an error, over whole widths."""

    def __init__(self, kind: str, widths: int, evaluations: int, seed: int = 7) -> None:
        self.kind, self.name = kind, f"{seed}-{KINDS.index(kind)}-{widths}"
        objective, budgets, self.settings = draw(kind, widths, seed)
        self.settings.pop("tiles", None)
        if "latency_s" in budgets:
            pair = (budgets["latency_s"][0], objective)
        elif "error" in budgets:
            pair = (objective, budgets["error"][0])
        else:
            pair = (objective, objective.error)
        self.costs = dict(zip(("cost", "error"), pair))
        self.grid, self.evaluations = Grid(self.settings), evaluations


class Archive:
    """Evaluates places of a trade's grid, as many as may be, and keeps what they cost."""

    def __init__(self, trade: Trade) -> None:
        self.trade, self.costs = trade, np.empty((0, 2))
        self.evaluate = Costs(*trade.costs.values())

    @property
    def left(self) -> int:
        """How many more may be evaluated."""
        return self.trade.evaluations - self.evaluate.evaluations

    def __call__(self, places: np.ndarray) -> np.ndarray:
        found = self.evaluate(self.trade.grid.axis[places])
        self.costs = np.vstack([self.costs, found])
        return found


def by_gradients(trade: Trade, seed: int) -> np.ndarray:
    found = jc.search_front(trade.costs, evaluations=trade.evaluations, seed=seed, **trade.settings)
    assert found.evaluations + 3 * found.gradients <= trade.evaluations
    return found.costs


def at_random(trade: Trade, seed: int) -> np.ndarray:
    archive = Archive(trade)
    archive(trade.grid.places(trade.grid.draw(trade.evaluations, seed)))
    return archive.costs


def by_coordinates(trade: Trade, seed: int) -> np.ndarray:
    """From random networks, one width at a time by halving steps, under a random weight."""
    archive, random = Archive(trade), np.random.default_rng(seed)
    largest = np.full(trade.grid.widths, len(trade.grid.axis) - 1)

    def merit(costs: np.ndarray, share: float) -> float:
        return float((1 - share) * np.log(costs[0]) + share * np.log(costs[1]))

    while archive.left:
        share, here = random.random(), random.integers(0, largest + 1)
        best, step = merit(archive(here[None])[0], share), largest.max() // 4
        while step and archive.left:
            moved = False
            for i, way in ((i, way) for i in range(len(here)) for way in (-1, 1)):
                there = here.copy()
                there[i] = np.clip(here[i] + way * step, 0, largest[i])
                if (there == here).all() or not archive.left:
                    continue
                now = merit(archive(there[None])[0], share)
                if now < best:
                    here, best, moved = there, now, True
            step = step if moved else step // 2
    return archive.costs


def by_optuna(name: str) -> object:
    def solve(trade: Trade, seed: int) -> np.ndarray:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        objective = OptunaObjective(trade.costs, **trade.settings)
        sampler = getattr(optuna.samplers, name)(seed=seed)
        study = optuna.create_study(directions=objective.directions, sampler=sampler)
        study.optimize(objective, n_trials=trade.evaluations)
        return np.array([trial.values for trial in study.trials])

    return solve


METHODS = {
    "gradients": by_gradients,
    "random": at_random,
    "coordinates": by_coordinates,
    "Optuna NSGA-II": by_optuna("NSGAIISampler"),
    "Optuna TPE": by_optuna("TPESampler"),
}

SLOW, FEW = ("Optuna TPE",), 5  # seeds of what takes longest


def solved(trade: Trade, name: str, seeds: int, cache: Path | None) -> list[np.ndarray]:
    """The costs that a method evaluated, by its seeds; kept in `cache`, if there is one."""
    number = min(seeds, FEW) if name in SLOW else seeds
    kept = cache / f"{trade.name}-{name.split()[-1]}.npy" if cache else None
    if kept and kept.exists() and len(known := np.load(kept)) >= number:
        return list(known[:number])
    found = [METHODS[name](trade, seed) for seed in range(number)]
    if kept and name != "gradients":
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, found)
    return found


def compare(trade: Trade, seeds: int, cache: Path | None) -> dict:
    """Hypervolumes of all methods and seeds on one problem."""
    fronts = {name: solved(trade, name, seeds, cache) for name in METHODS}
    all_costs = np.vstack([costs for several in fronts.values() for costs in several])
    best = all_costs[undominated(all_costs)]
    reference = best.max(axis=0) * 1.01
    whole = hypervolume(best, reference)
    shares = {n: [hypervolume(c, reference) / whole for c in many] for n, many in fronts.items()}
    return {"kind": trade.kind, "widths": trade.grid.widths, "hypervolumes": shares}


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean and the ends of its 95 % interval, by bootstrap."""
    drawn = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    return float(np.mean(values)), *np.quantile(drawn, [0.025, 0.975]).tolist()


def table(rows: list[dict]) -> str:
    """Mean hypervolumes with intervals, and whether gradients are ahead of each baseline."""
    lines = [f"{'problem':<42}" + "".join(f"{name:>22}" for name in METHODS)]
    for row in rows:
        means = [interval(v) for v in row["hypervolumes"].values()]
        cells = "".join(f"{m:>9.3f} ({lo:.3f}-{hi:.3f})" for m, lo, hi in means)
        lines.append(f"{row['widths']} {row['kind']:<40}{cells}")
    for name in list(METHODS)[1:]:
        ours, theirs = ([np.mean(r["hypervolumes"][n]) for r in rows] for n in ("gradients", name))
        won = np.greater(ours, theirs).sum()
        lines.append(f"ahead of {name} on {won} of {len(rows)} problems")
    return "\n".join(lines)


def figure(rows: list[dict]) -> object:
    """Mean hypervolumes by problem, with their intervals."""
    problems = {
        f"{r['widths']} widths: {r['kind'].split(', error')[0].split(' at an')[0]}": r for r in rows
    }
    found = {
        name: {label: interval(r["hypervolumes"][name]) for label, r in problems.items()}
        for name in METHODS
    }
    means = {name: {label: each[0] for label, each in row.items()} for name, row in found.items()}
    label = "mean hypervolume (1: all together), 95 % interval"
    drawn = figures.bars(means, x=label, form="{:.2f}")
    ax = drawn.axes[0]
    for row, bars in zip(found.values(), list(ax.containers)):
        places = [bar.get_y() + bar.get_height() / 2 for bar in bars.patches]
        mean, low, high = np.array(list(row.values())).T
        ax.errorbar(mean, places, xerr=[mean - low, high - mean], fmt="none", ecolor="0.2", lw=1)
    ends = [high for row in found.values() for _, _, high in row.values()]
    for text, end in zip(ax.texts, ends):
        text.xy = (end, text.xy[1])
    ax.legend(loc="lower center", bbox_to_anchor=(0.3, 1), ncols=3)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    return drawn


def main() -> None:
    """Runs all problems, prints the table, and writes JSON and a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("experiments/search/baselines.json"))
    parser.add_argument("--evaluations", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--draw", type=int, default=7, help="seed of the problems")
    parser.add_argument("--cache", type=Path, help="folder of what the baselines evaluated")
    options = parser.parse_args()
    rows = []
    for kind in KINDS:
        for widths in (4, 8):
            trade = Trade(kind, widths, options.evaluations, options.draw)
            rows.append(compare(trade, options.seeds, options.cache))
            print(table(rows[-1:]), flush=True)
            facts = {"evaluations": options.evaluations, "drawn_with": options.draw, "rows": rows}
            options.out.write_text(json.dumps(facts, indent=1) + "\n")
    print(table(rows))
    figures.save(figure(rows), options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
