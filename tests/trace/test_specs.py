import jax.numpy as jnp
import pytest

from jaxcost.trace.specs import load_attribute, parse_spec


@pytest.mark.parametrize(
    ("text", "shape", "dtype"),
    [
        ("f32[1,224,224,3]", (1, 224, 224, 3), jnp.float32),
        (" bf16[ 8 , 128 ] ", (8, 128), jnp.bfloat16),
        ("int32[]", (), jnp.int32),
        ("pred[2]", (2,), jnp.bool_),
        ("u8[3]", (3,), jnp.uint8),
        ("i4[2,2]", (2, 2), jnp.int4),
        ("s4[2]", (2,), jnp.int4),
        ("u4[2,2]", (2, 2), jnp.uint4),
        ("int4[2,2]", (2, 2), jnp.int4),
        ("uint4[8]", (8,), jnp.uint4),
        ("i2[8]", (8,), jnp.int2),
        ("float4_e2m1fn[2,2]", (2, 2), jnp.float4_e2m1fn),
        ("float8_e8m0fnu[4]", (4,), jnp.float8_e8m0fnu),
        ("bool[4]", (4,), jnp.bool_),
    ],
)
def test_shapes_are_read(text, shape, dtype):
    spec = parse_spec(text)
    assert (spec.shape, spec.dtype) == (shape, dtype)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("f32", "is not a shape; write one like"),
        ("f32[1,2", "is not a shape"),
        ("f32[0,2]", "extent that is not 1 or more"),
        ("f32[1,,2]", "extent that is not 1 or more"),
        ("f33[1]", "input type 'f33' is not known"),
        ("f32[-1]", "is not a shape"),
    ],
)
def test_what_is_no_shape_is_refused(text, words):
    with pytest.raises(ValueError, match=words) as raised:
        parse_spec(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("math", "names no attribute; write MODULE:ATTR"),
        ("no_such_module:f", "importing no_such_module failed: ModuleNotFoundError"),
        ("math:coss", "there is no 'coss'; did you mean 'cos'?"),
    ],
)
def test_what_cannot_be_imported_is_refused(name, words):
    with pytest.raises(ValueError) as raised:
        load_attribute(name)
    assert words in str(raised.value)


def test_a_builder_that_fails_shows_its_own_error():
    with pytest.raises(ValueError, match=r"math:cos\(\) failed: TypeError"):
        load_attribute("math:cos", call=True)


def test_what_cannot_be_called_is_refused():
    with pytest.raises(ValueError, match="is a float and cannot be called; drop --call"):
        load_attribute("math:pi", call=True)
