import jax
import jax.numpy as jnp

from jaxcost.app.report.counts import layers, totals
from jaxcost.trace import count

X = jax.ShapeDtypeStruct((4, 4), jnp.float32)


def network(x):
    with jax.named_scope("network"):
        with jax.named_scope("first"), jax.named_scope("inner"):
            y = x @ x
        with jax.named_scope("second"):
            return y @ x


def test_modules_are_below_a_name_that_all_layers_share():
    rows = layers(count(network, X), "module").rows
    assert [row[0] for row in rows] == ["network/first", "network/second"]


def test_modules_are_the_first_names_where_they_differ():
    def two(x):
        with jax.named_scope("a"), jax.named_scope("b"):
            y = x @ x
        with jax.named_scope("c"):
            return y @ x

    assert [row[0] for row in layers(count(two, X), "module").rows] == ["a", "c"]


def test_one_of_a_list_is_a_module_with_its_place():
    def blocks(x):
        for place in ("blocks/0", "blocks/1"):
            with jax.named_scope(place), jax.named_scope("up"):
                x = x @ x
        with jax.named_scope("head"):
            return x @ x

    found = count(blocks, X)
    assert [row[0] for row in layers(found, "module").rows] == ["blocks/0", "blocks/1", "head"]


def test_of_half_precision_peak_memory_says_what_a_cpu_adds():
    """XLA's own account of the compiled program is the oracle that the words are needed."""

    def label_and_ratio(dtype):
        args = [jax.ShapeDtypeStruct((n, 1024), dtype) for n in (256, 1024, 1024)]
        chain = lambda x, v, w: jax.nn.relu(x @ v) @ w  # noqa: E731
        found, asked = count(chain, *args), jax.jit(chain).lower(*args).compile().memory_analysis()
        sizes = ("temp", "argument", "output")
        asked = sum(getattr(asked, f"{name}_size_in_bytes") for name in sizes)
        (label,) = (row[0] for row in totals(found).rows if row[0].startswith("peak memory"))
        return label, asked / found.peak_bytes

    label, ratio = label_and_ratio("float32")
    assert label == "peak memory, unfused, estimated"
    assert ratio < 1.2
    label, ratio = label_and_ratio("bfloat16")
    assert label.endswith("(on a CPU, without copies of bfloat16 in float32)")
    assert ratio > 1.4
