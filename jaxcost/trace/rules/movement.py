"""Operations that move elements and compute none, by the bytes they touch; and those free of both.

A slice or gather reads what it takes and writes it; a scatter or update reads what it writes, and
reads and writes as much of the result: the rest of it stays where it is.
"""

from jaxcost.trace.work import Site, Work, arithmetic, counted, free, size, total_bytes, value_bytes


@counted("movement", "slice", "dynamic_slice", "split", "unstack", view=True)
def _take(site: Site) -> Work:
    return Work(bytes_moved=2.0 * total_bytes(site.outputs) + total_bytes(site.inputs[1:]))


@counted("movement", "gather")
def _gather(site: Site) -> Work:
    return Work(bytes_moved=2.0 * value_bytes(site.outputs[0]) + value_bytes(site.inputs[1]))


@counted("movement", "dynamic_update_slice")
def _update(site: Site) -> Work:
    return Work(bytes_moved=2.0 * value_bytes(site.inputs[1]) + total_bytes(site.inputs[2:]))


@counted("movement", "scatter")
def _scatter(site: Site) -> Work:
    return Work(bytes_moved=_scattered(site))


@counted("movement", "scatter-add", "scatter-sub", "scatter-mul", "scatter-min", "scatter-max")
def _scatter_combine(site: Site) -> Work:
    """One operation an update, on an element that is read as well."""
    moved = _scattered(site) + value_bytes(site.inputs[2])
    return arithmetic(site.inputs[2], float(size(site.inputs[2])), bytes_moved=moved)


def _scattered(site: Site) -> float:
    return 2.0 * value_bytes(site.inputs[2]) + value_bytes(site.inputs[1])


@counted("movement", "concatenate", "pad", "rev", "copy", "stack", "tile")
def _copy(site: Site) -> Work:
    """Every operand once, and the result."""
    return Work()


@counted("movement", "transpose", "real", "imag", "complex", "conj", view=True)
def _rearrange(site: Site) -> Work:
    return Work()


free(
    "only the shape or type by which memory is read changes",
    *("reshape", "squeeze", "expand_dims", "bitcast_convert_type", "broadcast_to", "copy_p"),
    *("random_wrap", "random_unwrap", "random_clone", "to_edtype", "from_edtype"),
)
free("repeated where it is read, and not in memory", "broadcast_in_dim")
free(
    "made where it is used",
    *("iota", "iota_2x32_shape", "empty", "empty2", "create_token", "zeros_like", "axis_index"),
    *("platform_index", "dim_as_value", "dimension_size", "create_linear", "after_all"),
    *("num_programs", "program_id"),
    view=False,
)
free(
    "says something to the compiler, and computes nothing",
    *("stop_gradient", "name", "optimization_barrier", "tie", "sharding_constraint", "reshard"),
    *("layout_constraint", "with_memory_space_constraint", "pin", "unpin", "pvary", "pbroadcast"),
    *("reduced_vary_cast_p", "vary_unreduced_cast_p", "preduced", "dce_sink", "device_put"),
    *("mesh_cast", "edtype_cast", "inspect_sharding", "unreduced_cast", "stage", "freeze"),
)
free(
    "runs on the host, beside the computation",
    *("debug_callback", "debug_print", "check", "shape_assertion", "delay", "unreachable"),
    *("log_extend", "log_read", "new_log"),
    view=False,
)


@counted("movement", "get", "masked_load")
def _read(site: Site) -> Work:
    """A part of a mutable array, read and passed on."""
    return Work(bytes_moved=2.0 * total_bytes(site.outputs))


@counted("movement", "swap", "masked_swap", "addupdate")
def _write(site: Site) -> Work:
    """A part of a mutable array, written, and read before where it is added to."""
    amount = size(site.inputs[1])
    if site.primitive == "addupdate":
        return arithmetic(
            site.inputs[1], float(amount), bytes_moved=3.0 * value_bytes(site.inputs[1])
        )
    return Work(bytes_moved=2.0 * value_bytes(site.inputs[1]))


@counted("movement", "new_ref", "ref", "array_ref")
def _new(site: Site) -> Work:
    """A mutable copy of an array."""
    return Work(bytes_moved=2.0 * total_bytes(site.inputs))
