"""A physically smaller model: what belongs to channels that are left out, left out everywhere.

Which axes of which arrays are of the same channels is read from the traced program, not from a list
of architectures; as a dependency graph of pruning in Fang, Ma, Song, Mi, Wang (2023), DepGraph:
towards any structural pruning, though of axes and not of layers. What a trace cannot show is
checked: the smaller model has to compute what the model with zeros for those channels computes.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxcost._support.messages import refused, unknown
from jaxcost.optimize.slimming.check import check_alike
from jaxcost.optimize.slimming.groups import Group, Member, find_groups
from jaxcost.optimize.slimming.sizes import resized, restated

__all__ = ["Group", "Member", "Slimmed", "channel_groups", "slim"]


@dataclasses.dataclass(frozen=True)
class Slimmed:
    """A smaller model, and how its arrays were cut.

    Attributes: model; cuts: path of an array -> for each axis that was cut, the places kept;
        shapes: path of an array -> its shape before; sizes: path of an array -> size before -> now,
        of what modules keep as numbers beside it.
    """

    model: Any
    cuts: Mapping[str, Mapping[int, np.ndarray]]
    shapes: Mapping[str, tuple[int, ...]]
    sizes: Mapping[str, Mapping[int, int]]

    def alike(self, tree: Any) -> Any:
        """What has arrays at the model's paths, such as the state of an optax optimizer, cut alike.

        Raises: ValueError: an array at the path of one that was cut, but of another shape.
        """
        pairs: dict[int, Mapping[int, int]] = {}
        cut = jax.tree_util.tree_map_with_path(lambda p, leaf: self._cut(p, leaf, pairs), tree)
        return _restated(cut, pairs)

    def _cut(self, path: Any, leaf: Any, pairs: dict[int, Mapping[int, int]]) -> Any:
        name = jax.tree_util.keystr(path)
        own = max((p for p in self.shapes if name.endswith(p)), key=len, default="")
        if own not in self.cuts or np.ndim(leaf) == 0:
            return leaf
        if np.shape(leaf) != self.shapes[own]:
            allowed = f"the shape {self.shapes[own]} of the model's {own}, which was cut"
            raise ValueError(refused(f"the array at {name}", np.shape(leaf), allowed))
        taken = _taken(leaf, self.cuts[own])
        pairs[id(taken)] = self.sizes.get(own, {})
        return taken


def channel_groups(model: Any, *args: Any, call: Callable[..., Any] | None = None) -> list[Group]:
    """The channels of a model that can only be left out together, group by group.

    Args:
        model: any pytree with arrays, such as an Equinox module, or one with its state.
        args: what it is called with, arrays or `jax.ShapeDtypeStruct`s; nothing is computed.
        call: from the model and `args` to the output, keyword-only; None: the model is called.
    Returns: groups in the order of the model's arrays; those that cannot be left out say why in
        `kept`: they are of inputs, outputs or constants, or something runs over them that counts
        channels, or is not understood.
    Example:
        >>> import equinox as eqx, jax
        >>> model = eqx.nn.MLP(4, 3, 16, 1, key=jax.random.key(0))
        >>> [group.name for group in channel_groups(model, jax.numpy.ones(4)) if not group.kept]
        ['layers[0].weight axis 0']
    """
    return find_groups(model, args, call or _called)


def slim(
    model: Any,
    keep: Mapping[str, int | Sequence[bool] | np.ndarray],
    *args: Any,
    call: Callable[..., Any] | None = None,
) -> Slimmed:
    """A model without some channels: what had been zero in it for these is no longer there.

    It computes what the model computes in which all numbers of the channels left out are 0, to
    rounding. This is checked on `args`, or on random ones of their shapes, with parameters near
    the model's: what a trace does not show, such as a size fixed in the code, is refused.

    Args:
        model: as in `channel_groups`; it is not changed.
        keep: name of a group -> a mask of its channels, True for what stays; or how many stay,
            those whose numbers have the largest sum of squares. Groups that are not named stay.
        args, call: as in `channel_groups`; call keyword-only.
    Returns: a `Slimmed`: its `model`, and `alike` for the state of an optimizer.
    Raises: ValueError: a group that there is not, or that cannot be left out, with the reason; a
        mask of another length, or that keeps nothing; a model that does not run when it is
        smaller, or computes something else.
    Valid for: Equinox's and Flax NNX's modules, and whatever takes its sizes from its arrays, or
        from whole numbers that its modules keep. Of grouped convolutions whole groups go; channels
        that a normalisation runs over stay, as without them it is another.
    Example:
        >>> import equinox as eqx, jax
        >>> model = eqx.nn.MLP(4, 3, 16, 1, key=jax.random.key(0))
        >>> small = slim(model, {"layers[0].weight axis 0": 6}, jax.numpy.ones(4)).model
        >>> small.layers[1].weight.shape
        (3, 6)
    """
    call = call or _called
    groups = {group.name: group for group in find_groups(model, args, call)}
    leaves = _leaves(model)
    masks = {name: _mask(groups, leaves, name, wanted) for name, wanted in keep.items()}
    kept = {path: _kept(path, leaf, groups, masks) for path, leaf in leaves.items()}
    cuts = {path: by_axis for path, by_axis in kept.items() if by_axis}
    shapes = {path: np.shape(leaf) for path, leaf in leaves.items()}

    def emptied(whole: Any) -> Any:
        return _mapped(whole, lambda p, leaf: _zeroed(leaf, cuts.get(p, {})))

    first: ValueError | None = None
    for sizes in ({}, _sizes(groups, masks)):  # numbers beside arrays only where need be
        found = Slimmed(None, cuts, shapes, sizes)
        try:
            check_alike(model, found.alike, emptied, call, args)
        except ValueError as error:
            first = first or error
        else:
            return dataclasses.replace(found, model=found.alike(model))
    assert first is not None
    raise first


def _restated(model: Any, pairs: Mapping[int, Mapping[int, int]]) -> Any:
    if any(pairs.values()):
        restated(model, pairs)
    return resized(model)


def _sizes(groups: dict[str, Group], masks: dict[str, np.ndarray]) -> dict[str, dict[int, int]]:
    """Of each array that is cut the sizes that the groups have in it, before -> now."""
    found: dict[str, dict[int, int]] = {}
    for name, mask in masks.items():
        for member in groups[name].members:
            within = member.inner * member.outer
            for times in (n for n in range(1, within + 1) if within % n == 0):
                sizes = found.setdefault(member.path, {})
                before, now = times * len(mask), times * int(mask.sum())
                sizes[before] = now if sizes.get(before, now) == now else before
    return found


def _called(model: Any, *args: Any) -> Any:
    return model(*args)


def _leaves(model: Any) -> dict[str, Any]:
    arrays = eqx.filter(model, eqx.is_array)
    return {jax.tree_util.keystr(p): x for p, x in jax.tree_util.tree_leaves_with_path(arrays)}


def _mapped(model: Any, change: Callable[[str, Any], Any]) -> Any:
    arrays, rest = eqx.partition(model, eqx.is_array)
    changed = jax.tree_util.tree_map_with_path(
        lambda path, leaf: change(jax.tree_util.keystr(path), leaf), arrays
    )
    return eqx.combine(changed, rest)


def _mask(groups: dict[str, Group], leaves: dict[str, Any], name: str, wanted: Any) -> np.ndarray:
    if name not in groups:
        raise ValueError(unknown("group", name, [n for n, g in groups.items() if not g.kept]))
    group = groups[name]
    if group.kept:
        raise ValueError(f"{name} cannot be made smaller: {group.kept}; leave it out of keep")
    if isinstance(wanted, int | np.integer) and not isinstance(wanted, bool | np.bool_):
        if not 1 <= wanted <= group.size:
            raise ValueError(refused(f"keep[{name!r}]", wanted, f"1 to {group.size} channels"))
        strength = np.sum([_strength(leaves[m.path], m, group.size) for m in group.members], axis=0)
        return np.isin(np.arange(group.size), np.argsort(-strength, kind="stable")[:wanted])
    mask = np.asarray(wanted)
    if mask.shape != (group.size,) or mask.dtype != bool or not mask.any():
        allowed = f"{group.size} truth values, one or more of them True"
        raise ValueError(refused(f"keep[{name!r}]", wanted, allowed))
    return mask


def _strength(leaf: Any, member: Member, size: int) -> np.ndarray:
    """The sum of squares of each channel's numbers, shape `(size,)`."""
    length = member.outer * size * member.inner
    values = np.moveaxis(np.asarray(leaf, np.float64), member.axis, 0)
    own = values[member.start : member.start + length].reshape(member.outer, size, -1)
    return (own**2).sum(axis=(0, 2))


def _kept(
    path: str, leaf: Any, groups: dict[str, Group], masks: dict[str, np.ndarray]
) -> dict[int, np.ndarray]:
    """The places kept of each axis that is cut."""
    stays: dict[int, np.ndarray] = {}
    for name, mask in masks.items():
        for member in (m for m in groups[name].members if m.path == path and not mask.all()):
            own = np.tile(np.repeat(mask, member.inner), member.outer)
            along = stays.setdefault(member.axis, np.ones(leaf.shape[member.axis], bool))
            along[member.start : member.start + len(own)] = own
    return {axis: np.flatnonzero(along) for axis, along in stays.items()}


def _taken(leaf: Any, cut: Mapping[int, np.ndarray]) -> Any:
    for axis, places in cut.items():
        leaf = jnp.take(leaf, places, axis=axis)
    return leaf


def _zeroed(leaf: Any, cut: Mapping[int, np.ndarray]) -> Any:
    for axis, places in cut.items():
        mask = np.isin(np.arange(leaf.shape[axis]), places)
        others = [i for i in range(leaf.ndim) if i != axis]
        leaf = leaf * jnp.expand_dims(mask, others).astype(leaf.dtype)
    return leaf
