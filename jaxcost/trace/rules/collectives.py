"""Communication between devices: listed with its bytes, and never priced as one device's work."""

from collections.abc import Mapping

from jaxcost.trace.sharding import participants
from jaxcost.trace.work import Site, free, total_bytes, unknown

_REDUCING = ("psum", "pmax", "pmin", "psum_invariant", "unreduced_psum")
_SCATTERING = ("reduce_scatter", "unreduced_reduce_scatter")
COLLECTIVES = frozenset(
    (
        *_REDUCING,
        *(f"{name}_start" for name in _REDUCING if name[:4] != "pm"),
        *_SCATTERING,
        *(f"{name}_start" for name in _SCATTERING),
        *("all_gather", "all_to_all", "ragged_all_to_all", "ppermute", "psend", "precv"),
        *("all_gather_invariant", "all_gather_reduced", "all_gather_start", "all_to_all_start"),
        *("all_gather_reduced_start", "ppermute_start", "pbroadcast_start"),
    )
)
unknown("devices exchange what they have", *COLLECTIVES)
free(
    "waits for what was listed at its start",
    *("all_gather_done", "all_to_all_done", "ppermute_done", "psum_done", "pbroadcast_done"),
    *("reduce_scatter_done", "psum_invariant_done", "unreduced_psum_done"),
)


def exchange(site: Site, axes: Mapping[str, int]) -> str | None:
    """What a collective operation exchanges, in words; None of what a device has with itself."""
    devices = participants(site.params, axes)
    if devices == 1:
        return None
    taken, given = total_bytes(site.inputs), total_bytes(site.outputs)
    who = "devices exchange" if devices is None else f"{devices} devices exchange"
    return f"{who} what they have: {taken:,} bytes of each become {given:,}"
