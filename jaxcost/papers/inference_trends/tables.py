"""The thesis's tables computed again: ours stands in columns beside what is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jaxcost._support.published import published
from jaxcost.calibrate.trends import LINES, efficiency_line
from jaxcost.papers.inference_trends.analyses import Growth, Scaling, growth

if TYPE_CHECKING:
    import pandas as pd

ALIASES = {"GoogleLeNet": "Inception V1/GoogleLeNet"}
KEY = ["task", "model", "framework", "batch_size"]
# Half the last printed digit of a GFLOP/J and of a TFLOP/s, and what floating point adds.
HALF_GFLOP_PER_J, HALF_TFLOP_PER_S = 0.00501e9, 0.00501e12


def table(name: str) -> pd.DataFrame:
    """A table of the thesis as printed, such as `5_2`."""
    return published(f"inference_trends_table_{name}")


def found_in_a_3(name: str, vision: pd.DataFrame) -> pd.DataFrame:
    """Tables 3.1, 4.1, 5.2 and 5.3: each network with `a_3_...`, its row of table A.3."""
    rows = table(name)
    extra = rows.get("extra_data", np.zeros(len(rows), bool))
    places = [_place(model, more, vision) for model, more in zip(rows.model, extra)]
    theirs = vision.loc[places, ["top_1_percent", "flops", "energy_j", "date"]]
    return rows.join(theirs.add_prefix("a_3_").reset_index(drop=True))


def _place(model: str, extra_data: bool, vision: pd.DataFrame) -> int:
    name = ALIASES.get(model, model).casefold()
    same = (vision.model.str.casefold() == name) & ((vision.extra_data != "no") == extra_data)
    return int(vision.index[same][0])


def speedups() -> pd.DataFrame:
    """Table 5.1 with `..._recomputed`: the mean over networks of table B.2's throughput ratios."""
    measured = table_b_2()
    chosen = measured[measured.precision != "fp32"]
    mean = chosen.groupby(["gpu", "precision", "task"])["recomputed_speedup"].mean()
    printed = table("5_1")
    pairs = list(zip(printed.gpu, printed.precision))
    return printed.assign(
        cnn_recomputed=[mean[(*pair, "cv")] for pair in pairs],
        nlp_recomputed=[mean[(*pair, "nlp")] for pair in pairs],
    )


def table_b_2() -> pd.DataFrame:
    """Table B.2 with `recomputed_speedup`: throughput over FP32's, for the A100 over the V100's."""
    rows = table("b_2")
    slow = rows[rows.precision == "fp32"].set_index([*KEY, "gpu"])["throughput_per_s"]
    rows["baseline"] = rows.gpu.replace("A100", "V100")
    base = [slow[tuple(key)] for key in rows[[*KEY, "baseline"]].itertuples(index=False)]
    return rows.assign(recomputed_speedup=rows.throughput_per_s / base)


def efficiencies(name: str) -> pd.DataFrame:
    """Table B.1 or B.3 with `recomputed_flop_per_j`, the quotient of the printed peak and power.

    `follows` says whether the printed efficiency does, given how the peak was rounded, and
    `every_digit_follows` whether it does from the peak as printed.
    """
    rows = table(name)
    quotient = rows.peak_flop_per_s / rows.design_power_w
    off = (rows.efficiency_flop_per_j - quotient).abs()
    rounding = HALF_GFLOP_PER_J + HALF_TFLOP_PER_S / rows.design_power_w
    exact = off <= HALF_GFLOP_PER_J
    return rows.assign(
        recomputed_flop_per_j=quotient, follows=off <= rounding, every_digit_follows=exact
    )


def scalings() -> pd.DataFrame:
    """Equations A.1 to A.12 with `recomputed_flops`, and what a sum (equation 4.1) would give."""
    rows = published("inference_trends_equations_a")
    products, sums = [], []
    for row in rows.itertuples():
        base = _base_flops(row.scaled_from, row.resolution_from_px)
        depth, width = row.depth_to / row.depth_from, row.width_to / row.width_from
        finer = row.resolution_to_px / row.resolution_from_px
        products.append(float(Scaling(depth, width, finer).flops(base)))
        after = row.depth_to + row.width_to**2 + row.resolution_to_px**2
        sums.append(base * after / (row.depth_from + row.width_from**2 + row.resolution_from_px**2))
    return rows.assign(recomputed_flops=products, as_a_sum_flops=sums)


def _base_flops(model: str, resolution: int) -> float:
    """FLOPs at a resolution: table A.2 for ViT-G/14, table A.3 for all others."""
    fine = table("a_2").set_index(["model", "resolution_px"])["flops"]
    if (model, resolution) in fine.index:
        return float(fine[(model, resolution)])
    return float(table("a_3").set_index("model").loc[model, "flops"])


def lines() -> pd.DataFrame:
    """The efficiency lines: level, slope and doubling time, each with its 90 % interval."""
    import pandas as pd

    rows = []
    for name in LINES:
        found = {e.name: e for e in efficiency_line(name).result.estimates}
        slope, level = found["growth"], found["efficiency_2015"]
        rows.append(
            {
                "line": name,
                "slope_decades_per_year": slope.value,
                "slope_lo": slope.lower,
                "slope_hi": slope.upper,
                "doubling_years": np.log10(2) / slope.value,
                "doubling_years_lo": np.log10(2) / slope.upper,
                "doubling_years_hi": np.log10(2) / slope.lower,
                "efficiency_2015_flop_per_j": level.value,
                "efficiency_2015_lo": level.lower,
                "efficiency_2015_hi": level.upper,
                "gpu_interval_factor": np.exp(efficiency_line(name).intervals.half_width),
            }
        )
    return pd.DataFrame(rows)


def growths(vision: pd.DataFrame, language: pd.DataFrame) -> dict[tuple[str, str], Growth]:
    """The dashed (best) and solid (all) lines: `{(figure, networks): Growth}`."""
    kinds = {
        "Figure 4.3": (vision, "flops"),
        "Figure 5.3": (vision, "energy_j"),
        "Figure 4.8": (language, "flops"),
        "Figure 5.4": (language, "energy_j"),
    }
    return {
        (figure, which): growth(part.year, part[column])
        for figure, (frame, column) in kinds.items()
        for which, part in (("best", frame[frame.best]), ("all", frame))
    }
