"""Whether the heavy operation is still inside the timing loop after optimisation."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from jaxcost.measure.clock.operations import PARTS, Part

_COMPUTATION = re.compile(r"^(?:ENTRY\s+)?%?([\w.\-]+)\s+\(.*->.*\{\s*$")
_CALLED = re.compile(
    r"\b(?:calls|to_apply|body|condition|true_computation|false_computation)=%?([\w.\-]+)"
)
_CALLED_LISTS = re.compile(r"\b(?:called_computations|branch_computations|calls)=\{([^}]*)\}")
_BODY = re.compile(r"\swhile\(.*\bbody=%?([\w.\-]+)")
_HEAVY = re.compile(r"\s(dot|convolution|ragged-dot|scaled-dot)\(")
_CUSTOM_CALL = re.compile(r'\scustom-call.*custom_call_target="([^"]*)"')
_LIBRARY = re.compile(
    r"conv|gemm|matmul|dot|cudnn|cublas|cutlass|triton|onednn|mkl|eigen|xnn|ynn", re.IGNORECASE
)
_MULTIPLY = re.compile(r"=\s*\w+\[([\d,]*)\]\S*\s+multiply\(")
_INSTRUCTION = re.compile(
    r"%?([\w.\-]+)\s*=\s*\w+\[([\d,]*)\]\S*\s+([\w\-]+)"  # name, shape, opcode
    r"\((?:\w+\[[\d,]*\]\S*\s+)?%?([\w.\-]*)"  # the first operand's name
)


def work_in_loop(
    hlo_text: str, output_elements: int, *, op: str = "conv2d", input_elements: int = 0
) -> str | None:
    """What does the layer's work inside the loop's body, or None when nothing does.

    The compiler may keep a product, hand it to a library, or, where one of its sizes
    is 1, rewrite it as a multiplication as large as the result; all three are honest work.
    Of another operation every part must be there, in its full size.

    Args:
        hlo_text: the optimised module, as `Compiled.as_text()` prints it.
        output_elements: elements of the layer's result, > 0.
        op: the layer's operation, keyword-only.
        input_elements: elements of the layer's activations, keyword-only.
    Returns:
        "dot", "convolution", "custom-call:<target>", "multiply", the names of the parts joined by
        "+", or None.
    """
    computations = _computations(hlo_text)
    lines = list(_reachable_lines(computations, _loop_bodies(computations)))
    if op in PARTS:
        elements = {True: input_elements, False: output_elements}
        return _all_parts(lines, PARTS[op], elements)
    for find in (_heavy, _library, lambda line: _multiply(line, output_elements)):
        found = next(filter(None, map(find, lines)), None)
        if found:
            return found
    return None


def _computations(text: str) -> dict[str, list[str]]:
    computations: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        start = _COMPUTATION.match(line)
        if start:
            current = computations.setdefault(start.group(1), [])
        elif line.startswith("}"):
            current = []
        else:
            current.append(line)
    return computations


def _loop_bodies(computations: dict[str, list[str]]) -> list[str]:
    lines = (line for body in computations.values() for line in body)
    return [match.group(1) for line in lines if (match := _BODY.search(line))]


def _reachable_lines(computations: dict[str, list[str]], roots: list[str]) -> Iterator[str]:
    waiting, seen = list(roots), set(roots)
    while waiting:
        for line in computations.get(waiting.pop(), ()):
            yield line
            fresh = _called(line) - seen
            seen |= fresh
            waiting += fresh


def _called(line: str) -> set[str]:
    names = set(_CALLED.findall(line))
    for group in _CALLED_LISTS.findall(line):
        names |= {name.strip().lstrip("%") for name in group.split(",")}
    return names


def _heavy(line: str) -> str | None:
    match = _HEAVY.search(line)
    return match.group(1) if match else None


def _library(line: str) -> str | None:
    match = _CUSTOM_CALL.search(line)
    return f"custom-call:{match.group(1)}" if match and _LIBRARY.search(match.group(1)) else None


def _multiply(line: str, output_elements: int) -> str | None:
    match = _MULTIPLY.search(line)
    if not match:
        return None
    return "multiply" if _elements(match.group(1)) >= output_elements else None


def _all_parts(lines: list[str], parts: Sequence[Part], least: Mapping[bool, int]) -> str | None:
    """The instructions that do the parts, or None where one is missing or too small."""
    found = [match.groups() for line in lines if (match := _INSTRUCTION.search(line))]
    size = {name: _elements(shape) for name, shape, _, _ in found}
    done = []
    for opcodes, reads in parts:
        large = (
            opcode
            for name, _, opcode, operand in found
            if opcode in opcodes and size.get(operand if reads else name, 0) >= least[reads]
        )
        done.append(next(large, None))
    return None if None in done else "+".join(filter(None, done))


def _elements(shape: str) -> int:
    return math.prod(int(size) for size in shape.split(",") if size)
