"""What each primitive of JAX says about the axes of its arrays; what is not known keeps them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from jaxcost.optimize.slimming.axes import Axes, Label, Segment

Labels = list[Label | None]  # of an array, one an axis; None where the axis has length 1
Rule = Callable[[Axes, Any, list[Labels]], list[Labels]]
RULES: dict[str, Rule] = {}
# Each number of the result is of the numbers at the same place.
_ELEMENTWISE = """abs add add_any and atan2 cbrt ceil clamp convert_element_type copy copy_p cos div
eq erf erf_inv erfc exp exp2 expm1 floor ge gt integer_pow is_finite le log log1p logistic lt max
min mul ne neg nextafter not optimization_barrier or pow reduce_precision rem round rsqrt
select_n sign sin sqrt square stop_gradient sub tan tanh xor"""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Registers what primitives of these names say."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def unknown(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    """Keeps whatever goes in, and comes out."""
    return _kept(axes, equation, inputs, f"primitive {equation.primitive.name} is not understood")


def fresh(axes: Axes, shape: Sequence[int], why: str | None = None) -> Labels:
    """Axes of their own."""
    return [None if size == 1 else axes.new(size, why) for size in shape]


def _kept(axes: Axes, equation: Any, inputs: list[Labels], why: str) -> list[Labels]:
    for label in (label for labels in inputs for label in labels if label):
        axes.keep(label, why)
    return [fresh(axes, out.aval.shape, why) for out in equation.outvars]


@rule(*_ELEMENTWISE.split())
def _elementwise(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    if equation.primitive.name == "optimization_barrier":
        return inputs
    full = [labels for labels in inputs if len(labels) == len(equation.outvars[0].aval.shape)]
    out: Labels = []
    for each in zip(*full):  # an axis of length 1 may be broadcast here, too
        known = [label for label in each if label is not None]
        for label in known[1:]:
            axes.unite(known[0], label)
        out.append(known[0] if known else None)
    return [out for _ in equation.outvars]


@rule("broadcast_in_dim")
def _broadcast(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    out = fresh(axes, equation.params["shape"])
    for label, to in zip(inputs[0], equation.params["broadcast_dimensions"]):
        if label is not None:
            out[to] = label
    return [out]


@rule("transpose")
def _transpose(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    return [[inputs[0][i] for i in equation.params["permutation"]]]


@rule("squeeze")
def _squeeze(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    gone = equation.params["dimensions"]
    return [[label for i, label in enumerate(inputs[0]) if i not in gone]]


@rule("iota")
def _iota(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    out = fresh(axes, equation.params["shape"])
    if (along := out[equation.params["dimension"]]) is not None:
        axes.keep(along, "its channels are numbered")
    return [out]


@rule(
    "reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "argmax",
    "argmin",
)  # fmt: skip
def _reduce(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    gone = equation.params["axes"]
    for i in gone:
        if (label := inputs[0][i]) is not None:
            axes.keep(label, f"{equation.primitive.name} runs over it, as a normalisation does")
    return [[label for i, label in enumerate(inputs[0]) if i not in gone]]


@rule("dot_general")
def _dot(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    (one_sum, other_sum), (one_batch, other_batch) = equation.params["dimension_numbers"]
    one, other = inputs
    for i, j in zip((*one_sum, *one_batch), (*other_sum, *other_batch)):
        axes.unite(one[i], other[j])
    axes.summed += [label for i in one_sum if (label := one[i]) is not None]
    out = [one[i] for i in one_batch]
    out += [label for i, label in enumerate(one) if i not in (*one_sum, *one_batch)]
    return [[*out, *(x for i, x in enumerate(other) if i not in (*other_sum, *other_batch))]]


@rule("conv_general_dilated")
def _conv(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    numbers, groups = equation.params["dimension_numbers"], equation.params["feature_group_count"]
    left, right = inputs
    why = "a convolution runs over it"
    for labels, spec in ((left, numbers.lhs_spec), (right, numbers.rhs_spec)):
        for i in spec[2:]:
            if (label := labels[i]) is not None:
                axes.keep(label, why)
    channels, produced = left[numbers.lhs_spec[1]], right[numbers.rhs_spec[0]]
    out = fresh(axes, equation.outvars[0].aval.shape, why)
    out[numbers.out_spec[0]] = left[numbers.lhs_spec[0]]
    out[numbers.out_spec[1]] = produced
    consumed = right[numbers.rhs_spec[1]]
    single = equation.params["batch_group_count"] == 1
    if groups == 1 and single:
        axes.unite(channels, consumed)
        axes.summed += [channels] if channels else []
    elif single and channels and produced:  # whole groups go, of a depthwise convolution channels
        own = axes.new(groups)
        for label in (channels, produced):
            axes.unite(label, (Segment(own[0].node, axes.length(label) // groups),))
        if consumed is not None:
            axes.keep(consumed, f"a convolution of {groups} groups sums over it in each")
    else:
        for label in (channels, produced, consumed):
            if label is not None:
                axes.keep(label, f"a convolution of {groups} groups joins it")
    return [out]


@rule("gather")
def _gather(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    """Whole rows that are looked up, as of an embedding, keep their channels."""
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    if numbers.operand_batching_dims:
        return unknown(axes, equation, inputs)
    table, places = inputs
    why = "rows of it are looked up"
    out = fresh(axes, equation.outvars[0].aval.shape, "it was looked up")
    rows = [i for i in range(len(out)) if i not in numbers.offset_dims]
    for to, label in zip(rows, places):
        out[to] = label
    whole = [i for i in range(len(table)) if i not in numbers.collapsed_slice_dims]
    taken = dict(zip(whole, numbers.offset_dims))
    for i, label in enumerate(table):
        if label is None:
            continue
        if i in taken and sizes[i] == equation.invars[0].aval.shape[i]:
            out[taken[i]] = label
        else:
            axes.keep(label, why)
    return [out]


@rule("reduce_window_max", "reduce_window_sum", "reduce_window_min", "reduce_window")
def _window(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    out = fresh(axes, equation.outvars[0].aval.shape, "a window runs over it")
    for i, size in enumerate(equation.params["window_dimensions"]):
        same = size == 1 and equation.params["window_strides"][i] == 1
        same = same and tuple(equation.params["padding"][i]) == (0, 0)
        if (label := inputs[0][i]) is None:
            continue
        if same:
            out[i] = label
        else:
            axes.keep(label, "a window runs over it")
    return [out]


@rule("concatenate")
def _concatenate(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    along = equation.params["dimension"]
    out = list(inputs[0])
    for labels in inputs[1:]:
        for i, label in enumerate(labels):
            if i != along:
                axes.unite(out[i], label)
    alone = [labels[along] or axes.new(1, "it has one channel") for labels in inputs]
    out[along] = sum((axes.find(label) for label in alone), ())
    return [out]


@rule("split")
def _split(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    along, found = equation.params["axis"], []
    rest = inputs[0][along]
    for size in equation.params["sizes"]:
        assert rest is not None
        part, rest = axes.cut(rest, size)
        found.append([part if i == along else x for i, x in enumerate(inputs[0])])
        if size == 1:
            axes.keep(part, "it is one channel by itself")
            found[-1][along] = None
    return found


@rule("slice")
def _slice(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    params, out = equation.params, list(inputs[0])
    size = equation.invars[0].aval.shape
    strides = params["strides"] or [1] * len(out)
    for i, (start, stop, stride) in enumerate(
        zip(params["start_indices"], params["limit_indices"], strides)
    ):
        label = out[i]
        if label is None or (start, stop, stride) == (0, size[i], 1):
            continue
        if stride > 1 or stop - start == 1:
            axes.keep(label, "single channels of it are taken")
            out[i] = fresh(axes, [-(-(stop - start) // stride)], "single channels were taken")[0]
        else:
            out[i] = axes.cut(axes.cut(label, start)[1], stop - start)[0]
    return [out]


@rule("pad", "rev", "cumsum", "cumlogsumexp", "cumprod", "cummax", "sort")
def _along(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    """Axes that are changed are kept, the others stay as they are."""
    name, params = equation.primitive.name, equation.params
    changed = {i for i, each in enumerate(params.get("padding_config", ())) if any(each)}
    changed |= set(params.get("dimensions", ()))
    changed |= {params[key] for key in ("axis", "dimension") if key in params}
    whole = [labels for labels in inputs if len(labels) == len(inputs[0])]
    found = []
    for out, labels in zip(equation.outvars, whole):
        now = fresh(axes, out.aval.shape, f"{name} runs over it")
        for i, label in enumerate(labels):
            if label is not None and i in changed:
                axes.keep(label, f"{name} runs over it")
            else:
                axes.unite(whole[0][i], label)
                now[i] = label
        found.append(now)
    return found


@rule("reshape")
def _reshape(axes: Axes, equation: Any, inputs: list[Labels]) -> list[Labels]:
    before, after = equation.invars[0].aval.shape, equation.params["new_sizes"]
    out: Labels = [None] * len(after)
    if equation.params["dimensions"] is not None or not math.prod(before):
        return unknown(axes, equation, inputs)
    for olds, news in _blocks(before, after):
        labels = [inputs[0][i] for i in olds]
        assert all(label is not None for label in labels)
        told = _regrouped(axes, labels, [before[i] for i in olds], [after[i] for i in news])
        for i, label in zip(news, told):
            out[i] = label
    return [out]


def _blocks(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The fewest neighbouring axes before and after that hold the same; none of length 1."""
    old = [i for i, size in enumerate(before) if size > 1]
    new = [i for i, size in enumerate(after) if size > 1]
    found = []
    while old:
        one, other = [old.pop(0)], [new.pop(0)]
        while (a := math.prod(before[i] for i in one)) != (b := math.prod(after[i] for i in other)):
            if a < b:
                one.append(old.pop(0))
            else:
                other.append(new.pop(0))
        found.append((one, other))
    return found


def _regrouped(axes: Axes, labels: list[Any], olds: list[int], news: list[int]) -> Labels:
    if len(olds) == len(news) == 1:
        return labels
    why = "a reshape mixes it with others"
    free = [i for i, label in enumerate(labels) if not axes.kept(label)]
    if not free:
        return fresh(axes, news, axes.reasons[axes.find(labels[0])[0].node])
    if len(news) == 1:
        one = free[axes.choose(len(free))]
        axes.chosen(labels[one], len(free))
        for i in (i for i in free if i != one):
            axes.keep(labels[i], why)
        inner, outer = math.prod(olds[one + 1 :]), math.prod(olds[:one])
        parts = axes.find(labels[one])
        if len(parts) == 1 or outer == 1:
            return [tuple(Segment(n, i * inner, o * outer) for n, i, o in parts)]
    if len(olds) == 1 and len(parts := axes.find(labels[0])) == 1:
        return _taken_apart(axes, parts[0], news)
    for label in labels:
        axes.keep(label, why)
    return fresh(axes, news, why)


def _taken_apart(axes: Axes, segment: Segment, news: list[int]) -> Labels:
    """Axes out of one: the channels by themselves again, or groups of them, such as heads."""
    node, inner, outer = segment
    size = axes.size(node)
    why = "within what belongs to one channel"
    for at, length in enumerate(news):
        if (math.prod(news[:at]), length, math.prod(news[at + 1 :])) == (outer, size, inner):
            out = fresh(axes, news, why)
            out[at] = (Segment(node),)
            return out
    if outer == inner == 1:
        at = axes.choose(len(news))
        groups = axes.new(news[at], axes.reasons.get(node))
        axes.chosen(groups, len(news))
        before, after = math.prod(news[:at]), math.prod(news[at + 1 :])
        axes.make(node, (Segment(groups[0].node, after, before),))
        return [groups if i == at else fresh(axes, [n], why)[0] for i, n in enumerate(news)]
    axes.keep((segment,), "a reshape takes it apart")
    return fresh(axes, news, "a reshape took it apart")
