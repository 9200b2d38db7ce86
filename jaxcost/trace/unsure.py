"""Which layers of a program to measure next: those whose times widen its interval the most."""

from collections.abc import Sequence
from typing import Any

from jaxcost._support.precision import double_precision
from jaxcost.calibrate import Calibration, load_calibration
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.measured_layers import LEAST_LAYERS
from jaxcost.models.base import LayerwiseCost
from jaxcost.trace import count
from jaxcost.trace.counts import Counts
from jaxcost.trace.estimate import estimate_counts, outside
from jaxcost.trace.ranking import Ranked, known_of
from jaxcost.trace.unsure_layers import UNLIKE, WITHIN, Unsure, UnsureLayer
from jaxcost.trace.whole_program import Priced


def where_unsure(fn: Any, *args: Any, calibration: Calibration | str, **kwargs: Any) -> Unsure:
    """Which layers of a callable or model to measure next; nothing is run.

    A layer that was measured is as sure as the calibration's layers left out singly were, and
    predictions of the same kind are wrong together: both as `jaxcost.estimate` has them. What is
    no layer by itself, and how programs differ from their layers, no measured layer narrows.

    Args:
        fn, args, kwargs: as `jaxcost.count` takes them, `backward`, `step` and `trips`, too.
        calibration: one that was loaded, a file, or a preset; keyword-only.
    Returns: an `Unsure`; `.layers` are ranked, `.table()` is a table of layers to be measured.
    Raises: ValueError: a calibration without times of single layers, a program that computes
        nothing, or what `jaxcost.count` and `jaxcost.estimate` raise.
    Example:
        >>> import jax.numpy as jnp, jaxcost as jc
        >>> x, w = jnp.ones((8, 512)), jnp.ones((512, 50_000))
        >>> jc.where_unsure(jnp.dot, x, w, calibration="amd-epyc").layers[0].known
        'beyond the sizes measured'
    """
    loaded = load_calibration(calibration) if isinstance(calibration, str) else calibration
    return unsure_of(count(fn, *args, **kwargs), loaded)


def unsure_of(found: Counts, calibration: Calibration) -> Unsure:
    """The same of a program that was counted."""
    fitted = calibration.models.get("time_s")
    if fitted is None or not isinstance(fitted.model, LayerwiseCost):
        raise ValueError(
            f"the calibration of {calibration.device.name} has no times of single layers, whose "
            "intervals are asked for; make one with jaxcost calibrate"
        )
    estimated = estimate_counts(found, calibration)
    if not estimated.latency_s:
        raise ValueError("the program costs nothing that is known; give one that computes")
    with double_precision():
        priced = Priced.of(found, fitted, calibration.device)
        known = known_of(found, fitted, priced)
        ranked = Ranked(found, priced, known)
        layers = sorted(ranked.layers(), key=lambda row: (row.measured.half_width, -row.own_s))
        of_all = ranked.ends(known.measured)
    told = set(outside(found, fitted, estimated.costs["latency_s"]))  # each layer says it itself
    warnings = [line for line in estimated.warnings if line not in told]
    interval = ranked.ends(priced.reach)
    return Unsure(
        priced.total, interval, of_all, tuple(layers), (*warnings, *_notes(fitted, layers))
    )


def _notes(fitted: Fitted, layers: Sequence[UnsureLayer]) -> list[str]:
    """What the ranking cannot tell."""
    notes = []
    without = sum(row.share for row in layers if row.layer is None and row.known != WITHIN)
    if without:
        notes.append(f"{without:.1%} of the time is of products that no row of a table is like")
    if fitted.correction is None:
        notes.append(
            "the calibration does not record which layers were measured: how novel one is, and "
            "what measuring it would narrow, is not known; make one with jaxcost calibrate"
        )
    strange = {row.op.replace("_", " ") for row in layers if row.known == UNLIKE}
    if gradients := sorted(kind for kind in strange if "gradient" in kind):
        notes.append(
            f"no {' and no '.join(gradients)} was measured, and a fit takes {LEAST_LAYERS} of a "
            "kind to tell of them: what measuring one would narrow holds with as many of its kind"
        )
    return notes
