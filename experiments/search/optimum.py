"""How near `search_widths` comes to the true optimum: 200 problems of two widths, 60 of eight.

Two widths are compared with every network there is; eight with the best that is known: of this
search with four times the starts and another seed, of coordinate and pair moves from 100 random
networks, and of differential evolution.

    python experiments/search/optimum.py --out experiments/search/optimum.json
"""

import argparse
import json
import time
from pathlib import Path

import equinox as eqx
import numpy as np
from moves import Merit, moved
from scipy.optimize import differential_evolution
from whole_widths import Costs, Grid
from width_problems import KINDS, draw

import jaxcost as jc
from jaxcost import figures

PROBLEMS = {2: 200, 8: 60}
_BROKEN = 1e6  # of a network that breaks its budget, above any objective here


def solve(kind: str, widths: int, seed: int, starts: int, search_seed: int = 0) -> tuple:
    """The search's result and the seconds it took."""
    objective, budgets, settings = draw(kind, widths, seed)
    began = time.perf_counter()
    found = jc.search_widths(
        objective, budgets=budgets, method="gradient", starts=starts, seed=search_seed, **settings
    )
    return found, time.perf_counter() - began


def best_known(kind: str, widths: int, seed: int) -> dict[str, float]:
    """The optimum, or what several searches of other kinds find, by their names."""
    objective, budgets, settings = draw(kind, widths, seed)
    if widths == 2:
        everything = {"method": "brute", "budgets": budgets, **settings}
        return {"every network": jc.search_widths(objective, **everything).cost}
    more, _ = solve(kind, widths, seed, starts=256, search_seed=1)
    grid, merit = Grid(settings), _merit(objective, budgets)
    return {
        "256 starts, another seed": more.cost,
        "moves from random networks": min(moved(grid, merit, w) for w in grid.draw(100, 2)),
        "differential evolution": _evolution(grid, merit, seed),
    }


def _merit(objective: eqx.Module, budgets: dict) -> Merit:
    """The objective; of a network that breaks a budget more than any, by how far it is broken."""
    evaluate = Costs(objective, *(cost for cost, _ in budgets.values()))
    limits = np.array([limit for _, limit in budgets.values()])

    def merit(widths: np.ndarray) -> np.ndarray:
        value, *costs = evaluate(widths).T
        over = np.log(np.stack(costs, axis=-1) / limits).max(axis=-1) if costs else -np.inf
        return np.where(over > 1e-6, _BROKEN * (1 + over), value)  # float32's last digit is none

    return merit


def _evolution(grid: Grid, merit: Merit, seed: int) -> float:
    def cost(log_widths: np.ndarray) -> np.ndarray:
        return merit(grid.axis[grid.places(np.exp(np.atleast_2d(log_widths.T)))])

    ends = [tuple(np.log(grid.axis[[0, -1]]))] * grid.widths
    given = {"maxiter": 300, "popsize": 20, "tol": 0, "polish": False, "vectorized": True}
    return float(differential_evolution(cost, ends, rng=seed, updating="deferred", **given).fun)


def compare(kind: str, widths: int, seed: int) -> dict:
    """One problem: the search's cost, what is known, and by how much the search is above it."""
    found, seconds = solve(kind, widths, seed, starts=64)
    known = best_known(kind, widths, seed)
    best = min(known.values())
    weighed = kind.endswith("weighed")  # its objective is a logarithm
    excess = np.expm1(found.cost - best) if weighed else found.cost / best - 1
    facts = {"kind": kind, "widths": widths, "seed": seed, "found": list(found.widths)}
    facts |= {"cost": found.cost, "known": known, "excess": float(excess), "gap": found.gap}
    return facts | {"evaluations": found.evaluations, "seconds": seconds}


def problems(share: float) -> list[tuple[str, int, int]]:
    """Kind, widths and seed of the first `share` of the problems."""
    return [
        (KINDS[i % len(KINDS)], widths, 100 + i // len(KINDS))
        for widths, number in PROBLEMS.items()
        for i in range(int(number * share))
    ]


def table(rows: list[dict]) -> str:
    """What of it within 1 %, and the worst, by kind of problem."""
    lines = [f"{'widths  kind':<48}{'problems':>9}{'within 1 %':>12}{'worst':>9}{'median s':>10}"]
    for widths in PROBLEMS:
        for kind in (*KINDS, "all"):
            some = [r for r in rows if r["widths"] == widths and kind in (r["kind"], "all")]
            if some:
                excess = np.array([r["excess"] for r in some])
                share, seconds = (
                    100 * np.mean(excess <= 0.01),
                    np.median([r["seconds"] for r in some]),
                )
                lines.append(
                    f"{widths:<8}{kind:<40}{len(some):>9}{share:>10.1f} %"
                    f"{100 * excess.max():>7.2f} %{seconds:>10.2f}"
                )
    return "\n".join(lines)


def figure(rows: list[dict]) -> object:
    """How many problems are solved within an excess."""
    curves = []
    for widths in PROBLEMS:
        excess = np.sort([max(r["excess"], 0) for r in rows if r["widths"] == widths])
        share = 100 * np.arange(1, len(excess) + 1) / len(excess)
        label = f"{widths} widths, {len(excess)} problems"
        curves.append(figures.Line(label, 100 * excess, measured=share))
    return figures.sweep(curves, x="cost above the best known (%)", quantity="problems", unit="%")


def main() -> None:
    """Runs all problems, prints the table, and writes JSON and a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("experiments/search/optimum.json"))
    parser.add_argument("--resume", action="store_true", help="keep the problems in --out")
    parser.add_argument("--share", type=float, default=1.0, help="of the problems, the first")
    options = parser.parse_args()
    rows = json.loads(options.out.read_text()) if options.resume and options.out.exists() else []
    known = [(row["kind"], row["widths"], row["seed"]) for row in rows]
    for problem in problems(options.share):
        if problem in known:
            continue
        rows.append(compare(*problem))
        options.out.write_text(json.dumps(rows, indent=1) + "\n")
        if rows[-1]["excess"] > 0.01:
            print("lost:", rows[-1], flush=True)
    print(table(rows))
    figures.save(figure(rows), options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
