"""Communication between devices: what each sends and receives, and the additions on the way."""

from jaxcost.trace.work import Site, Work, arithmetic, counted, free, size, total_bytes

_REDUCING = ("psum", "pmax", "pmin", "psum_invariant", "unreduced_psum")
_SCATTERING = ("reduce_scatter", "unreduced_reduce_scatter")


@counted("communication", *_REDUCING, *(f"{name}_start" for name in _REDUCING if name[:4] != "pm"))
def _reduce(site: Site) -> Work:
    """Every element is sent and received, and combined once."""
    combined = sum(map(size, site.outputs))
    moved = total_bytes((*site.inputs, *site.outputs))
    return arithmetic(site.inputs[0], float(combined), bytes_moved=float(moved))


@counted("communication", *_SCATTERING, *(f"{name}_start" for name in _SCATTERING))
def _scatter(site: Site) -> Work:
    """Each device combines what it keeps with what all others send of it."""
    combined = max(sum(map(size, site.inputs)) - sum(map(size, site.outputs)), 0)
    return arithmetic(site.inputs[0], float(combined))


@counted(
    "communication",
    *("all_gather", "all_to_all", "ragged_all_to_all", "ppermute", "psend", "precv"),
    *("all_gather_invariant", "all_gather_reduced", "all_gather_start", "all_to_all_start"),
    *("all_gather_reduced_start", "ppermute_start", "pbroadcast_start"),
)
def _send(site: Site) -> Work:
    return Work()


free(
    "waits for what was counted at its start",
    *("all_gather_done", "all_to_all_done", "ppermute_done", "psum_done", "pbroadcast_done"),
    *("reduce_scatter_done", "psum_invariant_done", "unreduced_psum_done"),
)
