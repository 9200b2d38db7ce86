"""A width chosen by prediction, against a measured sweep across each cache boundary.

A dense layer of w inputs and w outputs, for one example at a time, streams its weights from the
memory level that holds them: the width is to give the most parameters for its time. A calibration
is fitted to some widths; the width is chosen by it, and so is a shortlist of the least predicted;
then other widths between them, and the chosen ones, are measured in shuffled order in fresh
processes, which give the intervals. Of the shortlist, measured apart, the best is `verified`. Both,
and the best of the sweep, are measured anew: the best of many timings is partly luck.

    python experiments/search/measured.py known|choose|others|verify|judge --folder FOLDER --run N

Timing is in `known`, `others` and `verify`. XLA takes one core for small layers and two for large
ones; each kind has a calibration of its own. The knee is the onset of `knees.knee`: where a byte
begins to take longer. All runs that the folder has are published together.
"""

import argparse
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
from knees import Knee, knee
from measured_figure import figure
from measured_sweep import BATCH, BOTH_CORES, RANGES, Sweep, grid, layers, measured

import jaxcost as jc
from jaxcost import figures
from jaxcost.calibrate import Fitted

SHORT, BEST = 5, 5  # widths: predicted and measured to be the best about each boundary
WAYS = ("predicted", "verified")
DRAWS, FITS = 200, 8  # of the bootstrap: of what was measured, of what was fitted to


def fitted_to(known: Sweep, seconds: np.ndarray, device: jc.Device) -> tuple[Fitted, Fitted]:
    """The latency model and its correction, for layers on one core and on both."""
    fits = []
    for some in (known.widths < BOTH_CORES, known.widths >= BOTH_CORES):
        assert np.all((known.cores[some] > 1.5) == (known.widths[some] >= BOTH_CORES))
        frame = layers(known.widths[some].astype(int).tolist()).assign(time_s=seconds[some])
        calibration = jc.fit(frame, device, model="alpha-roofline", correction=True)
        fits.append(calibration.models["time_s"])
    return fits[0], fits[1]


def predicted(fits: tuple[Fitted, Fitted], widths: np.ndarray, device: jc.Device) -> np.ndarray:
    """Seconds of layers of so many inputs and outputs, and the ends of their intervals."""
    one, both = (np.array(fitted.interval(square(widths), device)) for fitted in fits)
    return np.where(widths < BOTH_CORES, one, both)


def square(widths: np.ndarray) -> jc.Workload:
    return jc.dense(c_in=widths, c_out=widths, batch=BATCH)


def chosen(fits: tuple[Fitted, Fitted], device: jc.Device, name: str) -> jc.WidthSearch:
    """The width of least predicted time a parameter, about one boundary."""
    fitted = fits[RANGES[name][0] >= BOTH_CORES]

    def pace(widths: jnp.ndarray) -> jnp.ndarray:
        layer = jc.dense(c_in=widths, c_out=widths, batch=BATCH)
        return 1e12 * fitted.cost(layer, device) / widths[0] ** 2

    return jc.search_widths(
        pace, [RANGES[name]], multiples=8, method="gradient", starts=16,
        run=lambda widths: square(np.asarray(widths, float)[0]), device=device,
    )  # fmt: skip


def nominal(device: jc.Device, name: str) -> float:
    """The width whose weights fill the level, as far as the cores in use share in it."""
    level = next(level for level in device.memory if level.name == name)
    return float(np.sqrt(float(level.capacity) / 4 / (1 if name == "L3" else float(level.units))))


def judged(
    name: str, width: int, others: Sweep, draws: list[tuple[np.ndarray, np.ndarray]]
) -> dict:
    """The chosen width beside the best measured, and the knees, each with its 90 % interval.

    Args: draws: seconds of `others`, measured and predicted; the first are no draws.
    """
    some = others.within(name)
    widths = others.widths[some]
    excess, knees = [], []
    for seconds, expected in draws:
        pace = seconds[some] / widths**2
        excess.append(float(pace[widths == width][0] / pace.min() - 1))
        knees.append((knee(widths, seconds[some]), knee(widths, expected[some])))
    best = int(widths[np.argmin(draws[0][0][some] / widths**2)])
    pace_of = lambda w: float(1e12 * others.time[others.widths == w][0] / w**2)  # noqa: E731
    octaves = [float(np.log2(k.onset / e.onset)) for k, e in knees]
    middles = [float(np.log2(k.middle / e.middle)) for k, e in knees]
    return {
        "range": RANGES[name],
        "chosen": width,
        "best_measured": best,
        "pace_ps": {"chosen by prediction": pace_of(width), "best of the sweep": pace_of(best)},
        "excess": excess[0],
        "excess_interval": _interval(excess[1:]),
        "measured": told([k for k, _ in knees]),
        "predicted": told([e for _, e in knees]),
        "knee_octaves": octaves[0],
        "knee_octaves_interval": _interval(octaves[1:]),
        "middle_octaves": middles[0],
        "middle_octaves_interval": _interval(middles[1:]),
    }


def told(knees: list[Knee]) -> dict:
    """A knee with the intervals of its onset and saturation."""
    first, draws = knees[0], knees[1:]
    return {
        "visible": first.visible,
        "share_visible": float(np.mean([k.visible for k in draws])),
        "onset": first.onset,
        "onset_interval": _interval([k.onset for k in draws]),
        "saturation": first.saturation if first.saturates else None,
        "rise": first.rise,
        "before_ps": 1e12 * first.before,
    }


def _interval(draws: list[float]) -> list[float]:
    return [float(end) for end in np.quantile(draws, [0.05, 0.95])]


def choose(folder: Path, seed: int) -> None:
    """The widths that fits to what is known choose, kept in the folder."""
    known, device = measured(grid("known"), "known", folder, seed), jc.detect_device()
    fits = fitted_to(known, known.time, device)
    found = {name: chosen(fits, device, name) for name in RANGES}
    for result in found.values():
        print(result)
    widths = {name: int(result.widths[0]) for name, result in found.items()}
    (folder / "chosen.json").write_text(json.dumps(widths))
    listed = {name: shortlist(fits, device, name) for name in RANGES}
    (folder / "shortlist.json").write_text(json.dumps(listed))


def shortlist(fits: tuple[Fitted, Fitted], device: jc.Device, name: str) -> list[int]:
    """The multiples of 8 of least predicted time a parameter, about one boundary."""
    widths = np.arange(RANGES[name][0], RANGES[name][1] + 1, 8).astype(float)
    pace = predicted(fits, widths, device)[0] / widths**2
    return [int(w) for w in widths[np.argsort(pace)[:SHORT]]]


def verify(folder: Path, seed: int) -> dict[str, dict]:
    """The shortlist measured, then its best, the predicted and the sweep's best anew."""
    listed = json.loads((folder / "shortlist.json").read_text())
    short = measured(
        sorted({w for some in listed.values() for w in some}), "shortlist", folder, seed + 20
    )
    others, predicted_ = measured_others(folder, seed)
    found = {}
    for name, some in listed.items():
        best = others.best(others.within(name))[:BEST]
        verified = short.best(np.isin(short.widths, some))[0]
        found[name] = {"predicted": predicted_[name], "verified": verified, "best": best}
    again = {w for f in found.values() for w in (f["predicted"], f["verified"], *f["best"])}
    anew = measured(sorted(again), "anew", folder, seed + 10)
    for name, f in found.items():
        f |= {kind: excess(anew, f[kind], name, seed) for kind in WAYS}
    return found


def excess(anew: Sweep, width: int, name: str, seed: int) -> dict:
    """By how much a width costs more than the best of those measured anew about its boundary."""
    random, some = np.random.default_rng(seed), anew.within(name)
    draws = [anew.time, *(anew.drawn(random) for _ in range(DRAWS))]
    paces = [seconds[some] / anew.widths[some] ** 2 for seconds in draws]
    over = [float(pace[anew.widths[some] == width][0] / pace.min() - 1) for pace in paces]
    pace = float(1e12 * paces[0][anew.widths[some] == width][0])
    return {"width": width, "excess": over[0], "interval": _interval(over[1:]), "pace_ps": pace}


def measured_others(folder: Path, seed: int) -> tuple[Sweep, dict[str, int]]:
    """The other widths and those chosen, measured; and those chosen."""
    found = json.loads((folder / "chosen.json").read_text())
    return measured(sorted({*grid("others"), *found.values()}), "others", folder, seed), found


def judge(folder: Path, seed: int) -> dict:
    """What came of a run, and what a figure needs."""
    (others, found), device = measured_others(folder, seed), jc.detect_device()
    known = measured(grid("known"), "known", folder, seed)
    fits = fitted_to(known, known.time, device)
    random = np.random.default_rng(seed)
    fits_drawn = [fitted_to(known, known.drawn(random), device) for _ in range(FITS)]
    expected = [predicted(each, others.widths, device)[0] for each in (fits, *fits_drawn)]
    draws = [(others.time, expected[0])]
    draws += [(others.drawn(random), expected[1 + i % FITS]) for i in range(DRAWS)]
    results = {name: judged(name, width, others, draws) for name, width in found.items()}
    for name, result in results.items():
        result["nominal"] = nominal(device, name)
        result["anew"] = verify(folder, seed)[name]
    fine = np.geomspace(others.widths[0], others.widths[-1], 300)
    return {
        "results": results,
        "widths": others.widths.tolist(),
        "seconds": others.seconds.tolist(),
        "cores": others.cores.round(2).tolist(),
        "noisy": len(others.statuses) - others.statuses.count("ok"),
        "known": {"widths": known.widths.tolist(), "seconds": known.seconds.tolist()},
        "curve": {"widths": fine.tolist(), "seconds": predicted(fits, fine, device).tolist()},
    }


def summary(runs: list[dict]) -> str:
    """A line for each boundary and run."""
    rows = []
    for number, run in enumerate(runs):
        for name, r in run["results"].items():
            few, many = r["knee_octaves_interval"]
            rows.append({
                "run": number + 1, "level": name, "best": r["best_measured"],
                **{f"{way}_%": _excess(r["anew"][way]) for way in WAYS},
                "knee": f"{r['measured']['onset']:.0f}",
                "expected": f"{r['predicted']['onset']:.0f}",
                "octaves": f"{r['knee_octaves']:+.2f} ({few:+.2f} to {many:+.2f})",
                "rise_%": round(100 * r["measured"]["rise"]), "full_at": round(r["nominal"]),
                "visible": r["measured"]["share_visible"],
            })  # fmt: skip
    return pd.DataFrame(rows).to_string(index=False)


def _excess(found: dict) -> str:
    low, high = (100 * end for end in found["interval"])
    return f"{found['width']}: {100 * found['excess']:.1f} ({low:.1f} to {high:.1f})"


def main() -> None:
    """A part of a run; the last gives a table, JSON and a figure of all runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["known", "choose", "others", "verify", "judge"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--run", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("experiments/search/measured.json"))
    options = parser.parse_args()
    folder, seed = options.folder / str(options.run), options.run
    folder.mkdir(parents=True, exist_ok=True)
    if options.part == "known":
        measured(grid("known"), "known", folder, seed)
    elif options.part == "choose":
        choose(folder, seed)
    elif options.part == "others":
        measured_others(folder, seed)
    elif options.part == "verify":
        verify(folder, seed)
    else:
        (folder / "run.json").write_text(json.dumps(judge(folder, seed)))
        publish(options.folder, options.out)


def publish(folder: Path, out: Path) -> None:
    """All runs together."""
    places = sorted(folder.glob("*/run.json"), key=lambda place: int(place.parent.name))
    runs = [json.loads(place.read_text()) for place in places]
    print(summary(runs))
    out.write_text(json.dumps({"batch": BATCH, "runs": runs}) + "\n")
    figures.save(figure(runs), out.with_suffix(".png"))


if __name__ == "__main__":
    main()
