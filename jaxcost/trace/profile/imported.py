"""A profile of a user's own run as a table of layers: `import_trace`."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxcost.trace import count
from jaxcost.trace.counts import Counts
from jaxcost.trace.profile.asynchronous import whole
from jaxcost.trace.profile.hlo import REAL, Instruction, Modules, modules, real_inputs
from jaxcost.trace.profile.kernels import (
    ALONE,
    Event,
    Events,
    Kernel,
    find_profile,
    kernels_of,
    read_events,
)
from jaxcost.trace.profile.matching import BESIDE, SEVERAL, Match, Matching

if TYPE_CHECKING:
    import pandas as pd

SWEEP = "trace"


@dataclasses.dataclass(frozen=True)
class ImportedTrace:
    """A program's kernels in a profile, and the layers that they are.

    Attributes:
        module: the program in the profile, as XLA calls it.
        calls: of the program; None where neither the profile nor the caller says.
        kernels: each with its `Match`, those that took longest first.
        others: of other programs in the profile, and their time in s.
        unnamed_s: of events on the device that belong to no program, in s.
        warnings: what the reader must mind.
    """

    module: str
    calls: int | None
    kernels: tuple[tuple[Kernel, Match], ...]
    others: Mapping[str, float]
    unnamed_s: float
    warnings: tuple[str, ...]

    @property
    def total_s(self) -> float:
        """Of all kernels of the program, in all its calls, in s: more than passed where some ran
        side by side."""
        return sum(kernel.total_s for kernel, _ in self.kernels)

    @property
    def matched(self) -> float:
        """The share of it that is of the layers in the table, from 0 to 1."""
        known = sum(kernel.total_s for kernel, match in self.kernels if not match.reason)
        return known / self.total_s if self.total_s else 0.0

    def reasons(self) -> dict[str, float]:
        """Why other kernels are left out, and what share of the time each reason is of."""
        found: dict[str, float] = {}
        for kernel, match in self.kernels:
            if match.reason:
                share = kernel.total_s / self.total_s if self.total_s else 0.0
                found[match.reason] = found.get(match.reason, 0.0) + share
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def table(self) -> "pd.DataFrame":
        """The layers as a table with `time_s`, a row a kernel: what `jaxcost.fit` takes."""
        import pandas as pd

        rows = [
            match.layer.row()
            | {"sweep": SWEEP, "time_s": kernel.time_s, "name": match.name, "hlo_op": kernel.op}
            | {"runs": kernel.runs, "beside_others": kernel.beside}
            for kernel, match in self.kernels
            if match.layer and not match.reason
        ]
        return pd.DataFrame(rows)

    def record(self) -> dict[str, Any]:
        """As JSON holds it; every kernel, those without a layer with the reason."""
        return {
            "module": self.module,
            "calls": self.calls,
            "kernels_s": self.total_s,
            "matched": self.matched,
            "unmatched": self.reasons(),
            "other_modules_s": dict(self.others),
            "unnamed_s": self.unnamed_s,
            "kernels": [
                dataclasses.asdict(kernel)
                | {"layer": match.layer and match.layer.row()}
                | {"name": match.name, "reason": match.reason}
                for kernel, match in self.kernels
            ],
            "warnings": list(self.warnings),
        }


def import_trace(
    profile: str | Path, fn: Any, *args: Any, calls: int | None = None, **kwargs: Any
) -> ImportedTrace:
    """Times of a program's layers from a profile that JAX wrote of a run of it.

    A kernel is the layer whose product it computes, with whatever XLA fused into it. Kernels of
    several products, of none, those that are like no layer, and those that ran beside others, are
    listed with the reason and are not in the table: no time is split. A loop's time is that of the
    kernels in it.

    Read on profiles of CPUs under JAX 0.10. On GPUs kernels have the same `hlo_op` and
    `hlo_module`, and the profile the same program, so that they should be read alike: this was
    never tried, nor was a TPU, whose events name no `hlo_op` and are refused.

    Args:
        profile: the folder that `jax.profiler.trace` wrote, or an `.xplane.pb`.
        fn, args, kwargs: the program that was run, as `jaxcost.count` takes it, `backward`, `step`
            and `trips`, too; of what ran in the profile the module is taken that it is most like.
        calls: of the program in the profile; None: as the profile says. keyword-only.
    Returns: an `ImportedTrace`; `.table()` is a table of layers with times.
    Raises: ValueError: no profile, one without kernels or programs, one that ran in another
        precision, or what `jaxcost.count` raises.
    """
    if calls is not None and calls < 1:
        raise ValueError(f"calls = {calls} is not allowed; give a whole number of at least 1")
    path = find_profile(Path(profile))
    found = read_events(path)
    if not found.events:
        raise ValueError(
            f"{str(path)!r} has no kernel with an hlo_op, as JAX writes them on CPUs and GPUs; "
            "record it around calls of a compiled function that are waited for"
        )
    known = modules(path.read_bytes())
    if not any(event.module in known for event in found.events):
        raise ValueError(
            f"{str(path)!r} does not hold the programs that it is of, by which kernels are told "
            "apart; record it with enable_hlo_proto left on in jax.profiler.ProfileOptions"
        )
    program = count(fn, *args, **kwargs)
    imported = _imported(found, known, program, calls)
    _check_types(program, real_inputs(path.read_bytes(), imported.module), imported.module)
    return imported


def _check_types(program: Counts, ran: set[str], module: str) -> None:
    """ValueError where none of the real types that a program takes is one that the run took."""
    given = {str(v.aval.dtype) for v in program.jaxpr.invars} & set(REAL.values())
    if ran and given and not ran & given:
        raise ValueError(
            f"{module} of the profile ran on {', '.join(sorted(ran))}, but the inputs given are "
            f"{', '.join(sorted(given))}: times of another precision; give the types that it ran on"
        )


def _imported(
    found: Events,
    known: Modules,
    program: Counts,
    calls: int | None,
) -> ImportedTrace:
    matching = Matching(program)
    by_module: dict[str, list[Event]] = {}
    for event in found.events:
        by_module.setdefault(event.module, []).append(event)
    kernels = {
        name: _matched(events, known.get(name, {}), matching) for name, events in by_module.items()
    }
    totals = {name: sum(kernel.total_s for kernel, _ in each) for name, each in kernels.items()}
    alike = {
        name: (sum(kernel.total_s for kernel, match in each if match.layer), totals[name])
        for name, each in kernels.items()
    }
    module = max(alike, key=alike.__getitem__)
    others = {name: total for name, total in totals.items() if name != module}
    runs = {event.run for event in by_module[module]} - {""}
    counted = calls or (len(runs) or None)
    lines = [*program.warnings, *_notes(found, kernels[module], others)]
    return ImportedTrace(
        module, counted, tuple(kernels[module]), others, found.unnamed_s, tuple(lines)
    )


def _matched(
    events: Sequence[Event], known: Mapping[str, Instruction], matching: Matching
) -> list[tuple[Kernel, Match]]:
    holding = {name for name, instruction in known.items() if instruction.holds}
    leaves = [event for event in whole(events, known) if event.op not in holding]
    found = []
    for kernel in kernels_of(leaves):
        instruction = known.get(kernel.op)
        unknown = Match(None, "", "its instruction is not in the profile")
        match = unknown if instruction is None else matching.of(instruction)
        if match.layer and kernel.beside > ALONE:
            match = dataclasses.replace(match, reason=match.reason or BESIDE)
        found.append((kernel, match))
    return found


def _notes(
    found: Events, kernels: Sequence[tuple[Kernel, Match]], others: Mapping[str, float]
) -> list[str]:
    total = sum(kernel.total_s for kernel, _ in kernels) or 1.0
    notes = []
    several = [kernel for kernel, match in kernels if match.reason == SEVERAL]
    if any("ynn" in kernel.op for kernel in several):
        share = sum(kernel.total_s for kernel in several) / total
        notes.append(
            f"{share:.0%} of the time is of kernels that XLA's CPU backend made of several layers: "
            "record it with XLA_FLAGS=--xla_cpu_experimental_ynn_fusion_type= for one each"
        )
    if others:
        notes.append(f"other programs in the profile are left out: {', '.join(sorted(others))}")
    if found.unnamed_s:
        notes.append(
            f"{found.unnamed_s:.3g} s on the device are of events of no program or within a CUDA "
            "graph, and left out"
        )
    if found.devices > 1:
        notes.append(f"of {found.devices} devices in the profile the first was read")
    return notes
