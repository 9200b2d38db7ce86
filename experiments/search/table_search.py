"""Whether widths that are chosen by prediction are the best on real GPUs, as others measured these.

    python experiments/search/table_search.py --data FOLDER --parts FOLDER
        [--out experiments/search/tables.csv] [--only PATTERN] [--problems 200]

FOLDER has the tables of products in bfloat16 of NVIDIA's AIConfigurator (`table_problems.py`); they
are not ours to ship. Of each card 400 rows at random are fitted as users fit them; the problems are
drawn without regard to these. `search_widths` finds widths by the calibration alone, and with a
shortlist of networks, or of layers, that are looked up in the table. It tries all networks, with
what the calibration predicts of each layer in a table: how well gradients find that optimum is for
`optimum.py` to say. The other costs take the best that they predict to be within the budget.
What came out: `tables.csv`, `tables.json` (each problem), `tables.png`. A card that was judged
already is read from its file among the parts.
"""

import argparse
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from predictors import extra_trees, model_alone
from splits import at_random
from table_figure import figure
from table_problems import Problem, cards, draw

import jaxcost as jc
from jaxcost import figures
from jaxcost.workload import counts

NETWORKS = {"ours": 0, "ours, 5 measured": 5, "ours, 10 measured": 10}
LAYERS = {"ours, 5 layers": 5, "ours, 15 layers": 15}
NEAR = 0.03  # what counts as the best, and as a budget that is met
Judged = tuple[float, float]


def judge(device: str, target: str, table: pd.DataFrame, number: int) -> pd.DataFrame:
    """A row a problem and a cost: how far from the best, and above the budget."""
    fitted, _ = at_random(table, np.random.default_rng(0))
    fitted = fitted.reset_index(drop=True)
    table = table.sort_values(["batch", "c_in", "c_out"], ignore_index=True)
    calibration = jc.fit(fitted, jc.Device(name=device, platform="gpu"), target=target)
    predicted = _predicted(fitted, table, target, calibration)
    rows = []
    for place, problem in enumerate(draw(table, target, number)):
        about = {"device": device, "budget": target, "problem": place, "kind": problem.kind,
                 "goal": problem.goal, "candidates": len(problem.candidates)}  # fmt: skip
        own = (table["batch"] == problem.rows).to_numpy()  # in the order of the problem's layers
        costs = {name: of_all[own] for name, of_all in predicted.items()}
        whole = Whole(problem, costs["ours"])
        found = {name: whole.searched(short) for name, short in NETWORKS.items()}
        by = jc.ByLayer(problem.network, calibration, problem.layer(table[target][own]), target)
        found |= {name: whole.searched(short, by) for name, short in LAYERS.items()}
        costs["ours, 3 % below"] = costs.pop("ours") / (1 - NEAR)
        found |= {n: problem.judged(chosen_by(problem, each)) for n, each in costs.items()}
        for cost, (short, over) in found.items():
            rows.append(about | {"cost": cost, "short": short, "over": over})
    return pd.DataFrame(rows)


def _predicted(
    fitted: pd.DataFrame, table: pd.DataFrame, target: str, calibration: jc.Calibration
) -> dict[str, np.ndarray]:
    """What each cost, fitted to some rows, predicts of all rows of a table."""
    known = fitted.assign(time_s=fitted[target])  # the others know times only
    others = {"extra trees": extra_trees, "roofline": model_alone("roofline")}
    found = {"ours": calibration.predict(table)[f"predicted_{target}"].to_numpy()}
    for name, of in others.items():
        found[name] = of(known, table, calibration.device)[0]["predicted_time_s"].to_numpy()
    flops, of_fitted = (np.asarray(counts.flops(jc.from_table(t)), float) for t in (table, fitted))
    return found | {"FLOPs": flops * np.median(fitted[target].to_numpy(float) / of_fitted)}


class Whole:
    """A problem as `search_widths` is asked it, with predicted costs of layers."""

    def __init__(self, problem: Problem, costs: np.ndarray) -> None:
        self._problem, self._cost = problem, problem.cost(costs)

    def searched(self, number: int, by: jc.ByLayer | None = None) -> Judged:
        """What is chosen with so many networks measured, or layers."""
        problem = self._problem
        measured = by or (lambda widths: problem.measured[problem.at(widths)])
        found = jc.search_widths(
            problem.objective,
            [set(widths.astype(int).tolist()) for widths in problem.candidates.T],
            budgets={"cost": (self._cost, problem.limit), "layers": (problem.unmeasured, 0.5)},
            method="brute",
            measure_shortlist=number,
            measure={"cost": measured} if number else None,
        )
        return problem.judged(problem.at(found.widths))


def chosen_by(problem: Problem, of_layers: np.ndarray) -> int:
    """The best candidate within the budget by predicted costs of layers; the least if none is."""
    costs = problem.costs(of_layers)
    within = costs <= problem.limit
    return int(np.argmin(np.where(within, problem.sought, np.inf) if within.any() else costs))


def summary(judged: pd.DataFrame) -> pd.DataFrame:
    """A row a card and a cost, shares in percent. `best`: within 3 % of the best and of the budget;
    `met`: within 3 % of the budget. `beats`, `loses`: of the problems, how often what the search
    found by prediction alone is better than that cost's, or worse: first by the budget being met,
    then by what was sought; `5 beat`, `5 lose`: what it found with five networks measured;
    `15 beat`, `15 lose`: with fifteen layers, about as many as five networks have."""
    rows = []
    for (device, budget), part in judged.groupby(["device", "budget"], sort=False):
        names = {"": "ours", "5 ": "ours, 5 measured", "15 ": "ours, 15 layers"}
        chosen = {short: part[part["cost"] == name] for short, name in names.items()}
        for cost, own in part.groupby("cost", sort=False):
            met = own["over"] <= NEAR
            best = met & (own["short"] <= NEAR)
            goals = {f"best, {g}": best[own["goal"] == g].mean() for g in ("parameters", "law")}
            against = {}
            for short, one in chosen.items():
                words = ("beat", "lose") if short else ("beats", "loses")
                against[short + words[0]] = _better(one, own).mean()
                against[short + words[1]] = _better(own, one).mean()
            shares = {"best": best.mean(), "met": met.mean(), **goals, **against}
            about = {"device": device, "budget": budget, "cost": cost, "problems": len(own)}
            rows.append(about | {name: round(100 * share, 1) for name, share in shares.items()})
    return pd.DataFrame(rows)


def _better(one: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """Whether one choice is better: it alone meets the budget, or both do and it is by 0.1 %."""
    met = [(each["over"] <= NEAR).to_numpy() for each in (one, other)]
    further = (one["short"].to_numpy() < other["short"].to_numpy() - 1e-3) & met[1]
    return met[0] & (~met[1] | further)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--parts", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--out", type=Path, metavar="FILE.csv")
    parser.add_argument("--only", default="", help="a pattern of device and target")
    parser.add_argument("--problems", type=int, default=200, help="a card")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*precision", category=UserWarning)
    parts = []
    for device, target, share, table in cards(asked.data):
        name = f"{device} {target}".replace(" ", "-")
        if not re.search(asked.only, name):
            continue
        part = asked.parts / f"{name}.csv"
        if not part.exists():
            judged = judge(device, target, table, round(share * asked.problems))
            judged.round({"short": 4, "over": 4}).to_csv(part, index=False)
        parts.append(pd.read_csv(part))
        print(summary(parts[-1]).to_string(index=False), flush=True)
    if asked.out:
        publish(pd.concat(parts), asked.out)


def publish(judged: pd.DataFrame, out: Path) -> None:
    """All cards together."""
    found = summary(judged)
    found.to_csv(out, index=False)
    out.with_suffix(".json").write_text(json.dumps(_record(judged)) + "\n")
    figures.save(figure(found, NEAR), out.with_suffix(".png"))


def _record(judged: pd.DataFrame) -> list[dict]:
    """By card and cost: of every problem how far from the best, and above the budget."""
    by = judged.groupby(["device", "budget", "cost"], sort=False)
    return [
        dict(zip(("device", "budget", "cost"), name))
        | {column: part[column].tolist() for column in ("short", "over")}
        for name, part in by
    ]


if __name__ == "__main__":
    main()
