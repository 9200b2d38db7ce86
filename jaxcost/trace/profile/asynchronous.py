"""How long kernels ran of which a profile shows the launch alone, as XLA's CPU backend has some.

Eigen's convolutions and products return before they are done, and the event that says so (`end: `)
comes only after what follows was launched. What reads the result cannot begin before it is there:
the kernel lasts until then. Where others ran meanwhile, that is too long: `Kernel.beside` tells.
"""

import bisect
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from jaxcost.trace.profile.hlo import Instruction
from jaxcost.trace.profile.kernels import Event


def whole(events: Sequence[Event], known: Mapping[str, Instruction]) -> list[Event]:
    """The events of a program, each until its kernel was done.

    Args: known: the program's instructions.
    """
    starts: dict[tuple[str, str], list[float]] = {}
    for event in sorted(events, key=lambda event: event.start):
        starts.setdefault((event.run, event.op), []).append(event.start)
    readers = _readers(known, {event.op for event in events})
    return [_whole(event, starts, readers.get(event.op, ())) for event in events]


def _whole(
    event: Event, starts: Mapping[tuple[str, str], Sequence[float]], readers: Iterable[str]
) -> Event:
    if event.done <= event.end:
        return event
    first = [event.done]
    for reader in readers:
        times = starts.get((event.run, reader), ())
        first += times[(at := bisect.bisect_left(times, event.end)) : at + 1]
    return dataclasses.replace(event, end=min(first))


def _readers(known: Mapping[str, Instruction], seen: set[str]) -> dict[str, set[str]]:
    """By instruction, those seen to run that read its result, or what only refers to it."""
    found: dict[str, set[str]] = {}
    for name in seen & known.keys():
        left, done = list(known[name].operands), set()
        while left:
            operand = left.pop()
            if operand in seen:
                found.setdefault(operand, set()).add(name)
            elif operand not in done and operand in known:
                done.add(operand)
                left += known[operand].operands
    return found
