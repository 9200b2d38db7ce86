"""A function as it is traced, and which of its arguments hold the parameters."""

import contextlib
import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax

from jaxcost.trace.held import held_arrays, held_models, keras_root
from jaxcost.trace.owned import PARAMETER, PLAIN, Marked, arrays_of, is_nnx, open_nnx
from jaxcost.trace.prepared import Prepared, is_array, is_like_a_parameter, leaf_of, shapes_of
from jaxcost.trace.records import Leaf
from jaxcost.trace.scopes import scopes_of_modules


@dataclasses.dataclass(frozen=True)
class _Given:
    """An array among the arguments, and in which."""

    argument: int
    marked: Marked


def prepare_function(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    parameters: Sequence[int] | None = None,
) -> Prepared:
    """A function of its arguments. The parameters are those of

    - the arguments that `parameters` names; or else
    - each model of Equinox or NNX, and each collection `params`, among the arguments; or else
    - a first argument that is a plain container of real arrays, which is `guessed`.

    What NNX objects and Keras variables become in place is of the results as well.
    """
    values = [*args, *kwargs.values()]
    flat, tree = jax.tree.flatten(values, is_leaf=is_nnx)
    arrays = [place for place, leaf in enumerate(flat) if is_array(leaf)]
    objects = [place for place, leaf in enumerate(flat) if is_nnx(leaf)]
    graph, state = open_nnx([flat[place] for place in objects])

    def call(given: list[Any], state: Any) -> tuple[Any, Any]:
        living = _merged(graph, state)
        leaves = dict(enumerate(flat)) | dict(zip(arrays, given)) | dict(zip(objects, living))
        whole = jax.tree.unflatten(tree, leaves.values())
        with scopes_of_modules([*roots, *zip(prefixes, whole)]), _keras_unchanged() as changed:
            out = function(*whole[: len(args)], **dict(zip(kwargs, whole[len(args) :])))
            return out, (open_nnx(living)[1], changed())

    names = [*_names(function, len(args)), *kwargs]
    given = [*_of_values(values), *_of_objects(values, state)]
    sure, guessed = _owned(given, names, args, parameters)
    several = len({one.argument for place, one in enumerate(given) if place in sure}) > 1
    prefixes = names if several else [""] * len(names)
    roots = held_models(function)
    root = keras_root([*(model for _, model in roots), *flat])
    inputs = shapes_of(([flat[place] for place in arrays], state))
    # A layer of Keras among the arguments holds its arrays as one that is closed over does.
    held = held_arrays(functools.partial(function, *(leaf for leaf in flat if not is_array(leaf))))
    return Prepared(call, inputs, sure, guessed, _like_a_batch(given), held, root)


def _of_values(values: Sequence[Any]) -> Iterator[_Given]:
    for argument, value in enumerate(values):
        plain = jax.tree.map(lambda v: None if is_nnx(v) else v, value, is_leaf=is_nnx)
        yield from (_Given(argument, marked) for marked in arrays_of(plain))


def _of_objects(values: Sequence[Any], state: Any) -> Iterator[_Given]:
    """The arrays of the state of all NNX objects, whose paths begin with the object's number."""
    whose = [
        argument
        for argument, value in enumerate(values)
        for leaf in jax.tree.leaves(value, is_leaf=is_nnx)
        if is_nnx(leaf)
    ]
    for marked in arrays_of(state):
        number, _, path = marked.path.partition("/")
        yield _Given(whose[int(number)], dataclasses.replace(marked, path=path))


def _owned(
    given: Sequence[_Given], names: Sequence[str], args: tuple[Any, ...],
    parameters: Sequence[int] | None,
) -> tuple[dict[int, Leaf], dict[int, Leaf]]:  # fmt: skip
    """Which of the arrays are parameters, and which are if a first container holds them."""
    if parameters is not None:
        _check(parameters, len(args))
        return _leaves(given, names, lambda one: one.argument in parameters), {}
    sure = _leaves(given, names, lambda one: one.marked.kind == PARAMETER)
    if sure or not args or is_array(args[0]):
        return sure, {}
    return {}, _leaves(given, names, _may_be_first)


def _may_be_first(one: _Given) -> bool:
    return one.argument == 0 and one.marked.kind == PLAIN and is_like_a_parameter(one.marked.array)


def _like_a_batch(given: Sequence[_Given]) -> bool:
    """Whether all arrays are of the first argument, or have as many examples; scalars aside."""
    extents = {one.marked.array.shape[:1] for one in given if one.marked.array.shape}
    return len(extents) == 1 or all(one.argument == 0 for one in given)


def _leaves(
    given: Sequence[_Given], names: Sequence[str], choose: Callable[[_Given], bool]
) -> dict[int, Leaf]:
    """The parameters by place, under their argument's name where several arguments have some."""
    chosen = {place: one for place, one in enumerate(given) if choose(one)}
    several = len({one.argument for one in chosen.values()}) > 1
    return {
        place: leaf_of(
            f"{names[one.argument]}/{one.marked.path}" if several else one.marked.path,
            one.marked.array,
            one.marked.by_path,
        )
        for place, one in chosen.items()
    }


def _check(parameters: Sequence[int], count: int) -> None:
    for number in parameters:
        if not 0 <= number < count:
            raise ValueError(
                f"parameters names argument {number}, but {count} positional arguments are given; "
                "name those that hold the model's parameters, from 0"
            )


def _names(function: Callable[..., Any], count: int) -> list[str]:
    """The names of the positional arguments; their numbers where these are not known."""
    try:
        known = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        known = []
    return [known[i] if i < len(known) else str(i) for i in range(count)]


def _merged(graph: Any, state: Any) -> list[Any]:
    """NNX objects anew, so that no one else's change."""
    if graph is None:
        return []
    from flax import nnx

    return list(nnx.merge(graph, state))


@contextlib.contextmanager
def _keras_unchanged() -> Iterator[Callable[[], list[Any]]]:
    """Keeps what Keras assigns from its variables; gives what was assigned."""
    keras = sys.modules.get("keras")
    if keras is None or keras.backend.backend() != "jax":
        yield list
        return
    with keras.StatelessScope() as scope:
        yield lambda: list(scope.state_mapping.values())
