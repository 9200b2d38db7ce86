import jax
import jax.numpy as jnp

from jaxcost.app.report.counts import layers
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
