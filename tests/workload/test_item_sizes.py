import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import jaxcost as jc
from jaxcost.workload.item_sizes import item_bytes

WHOLE = ("bool", "int8", "uint16", "int32", "float16", "bfloat16", "float64", "complex64")
SMALL = ("int4", "uint4", "int2", "uint2", "float4_e2m1fn", "float8_e4m3fn", "float8_e8m0fnu")


@pytest.mark.parametrize("name", WHOLE)
def test_a_type_of_whole_bytes_occupies_what_it_says(name):
    assert item_bytes(jnp.dtype(name)) == jnp.dtype(name).itemsize
    assert isinstance(item_bytes(jnp.dtype(name)), int)


@pytest.mark.parametrize("name", SMALL)
def test_a_small_type_occupies_its_bits(name):
    limits = ml_dtypes.iinfo if "int" in name else ml_dtypes.finfo
    bits = limits(jnp.dtype(name)).bits
    assert item_bytes(jnp.dtype(name)) == item_bytes(name) == bits / 8


def test_a_key_occupies_what_it_says():
    assert item_bytes(jax.eval_shape(lambda: jax.random.key(0)).dtype) == 8
    assert item_bytes(np.dtype(np.float32)) == 4


@pytest.mark.parametrize(("name", "each"), [("int4", 0.5), ("uint4", 0.5), ("int2", 0.25)])
def test_weights_of_a_few_bits_hold_and_move_as_much(name, each):
    def apply(x, w):
        return x @ w.astype(jnp.bfloat16)

    x, w = (
        jax.ShapeDtypeStruct((1, 1024), jnp.bfloat16),
        jax.ShapeDtypeStruct((1024,) * 2, jnp.dtype(name)),
    )
    found = jc.count(apply, x, w)
    cast, product = found.operations
    assert found.input_bytes == 2 * 1024 + each * 1024**2
    assert cast.bytes_moved == (each + 2) * 1024**2
    assert product.bytes_moved == 2 * (2 * 1024 + 1024**2)
    # Inputs and result, and the weights as they are multiplied.
    assert found.peak_bytes == found.input_bytes + 2 * 1024 + 2 * 1024**2


@pytest.mark.parametrize("name", ["int4", "float4_e2m1fn"])
def test_a_product_of_few_bits_is_a_layer_of_few_bits(name):
    shapes = [jax.ShapeDtypeStruct((64, 64), jnp.dtype(name))] * 2
    found = jc.count(lambda x, w: jax.lax.dot(x, w, preferred_element_type=jnp.float32), *shapes)
    layers = found.workload()
    assert layers.item_bytes.tolist() == [0.5]
    assert found.bytes_moved == 2 * 64**2 / 2 + 4 * 64**2


def test_an_odd_number_of_half_bytes_ends_in_half_a_byte_of_nothing():
    assert jc.count(lambda x: x, jax.ShapeDtypeStruct((3,), jnp.int4)).input_bytes == 2
