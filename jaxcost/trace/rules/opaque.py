"""Operations that hide what they do: reported as unknown, with the reason, and never as zero."""

from jaxcost.trace.work import Site, Work, counted, size, unknown

unknown(
    "calls code outside JAX",
    *("pure_callback", "io_callback", "ffi_call", "custom_call", "call_exported", "spsolve"),
    *("custom_partitioning", "call_hi_primitive", "call_hi_primitive_linearized"),
)
unknown("a kernel written by hand, without a declared cost", "pallas_call", "core_map", "mpmd_map")
unknown(
    "a fused kernel of cuDNN",
    *("cudnn_fusion", "dot_product_attention_fwd", "dot_product_attention_bwd"),
    *("dot_product_attention_fwd_wrapper", "dot_product_attention_bwd_wrapper"),
    *("dot_product_attention_fp8_fwd_wrapper", "dot_product_attention_fp8_bwd_wrapper"),
    *("dot_product_attention_fp8_fwd", "dot_product_attention_fp8_bwd"),
)
unknown(
    "depends on how many elements are not zero",
    *("bcoo_dot_general", "bcoo_dot_general_sampled", "bcoo_extract", "bcoo_fromdense"),
    *("bcoo_sort_indices", "bcoo_spdot_general", "bcoo_sum_duplicates", "bcoo_todense"),
    *("bcoo_transpose", "bcsr_dot_general", "bcsr_extract", "bcsr_fromdense", "bcsr_todense"),
    *("coo_fromdense", "coo_matmat", "coo_matvec", "coo_spmm", "coo_spmv", "coo_todense"),
    *("csr_fromdense", "csr_matmat", "csr_matvec", "csr_spmm", "csr_spmv", "csr_todense"),
    "todense",
)
unknown("its number of trials depends on the numbers drawn", "random_gamma")
unknown("its number of steps depends on the values", "while")


@counted("integer", "lu_pivots_to_permutation")
def _pivots(site: Site) -> Work:
    """A swap a pivot."""
    return Work(integer_ops=2.0 * size(site.inputs[0]))


def declared_cost(site: Site) -> Work | None:
    """What a Pallas kernel declares of itself; None where it declares nothing."""
    cost = site.params.get("cost_estimate")
    if cost is None:
        return None
    return Work(
        other_flops=float(cost.flops),
        transcendentals=float(cost.transcendentals),
        bytes_moved=float(cost.bytes_accessed),
    )
