"""Every primitive of the installed JAX is counted, free for a reason, or unknown for one."""

import gc

import jax
import jax.experimental.pallas
import jax.experimental.sparse
import jax.nn
import jax.numpy as jnp
import jax.scipy
import pytest
from jax import lax
from jax.extend.core import Primitive

from jaxcost.trace import count, walk
from jaxcost.trace.control import HOLDING
from jaxcost.trace.work import NOT_KNOWN, RULES, Site, rule_of

assert jnp is not None
assert jax.scipy is not None
assert walk is not None  # registers all rules
NAMES = sorted({o.name for o in gc.get_objects() if isinstance(o, Primitive)})
OF_LAX = sorted(
    {v.name for m in (lax, lax.linalg) for v in vars(m).values() if isinstance(v, Primitive)}
)


def test_there_are_primitives_to_look_at():
    assert len(NAMES) > 200
    assert len(OF_LAX) > 100


def test_every_primitive_is_accounted_for():
    rules = {name: rule_of(name) for name in NAMES if name not in HOLDING}
    assert {rule.kind for rule in rules.values()} == {"counted", "free", "unknown"}
    for name, rule in rules.items():
        assert rule.kind == "counted" or len(rule.reason.split()) > 2, name


def test_none_of_lax_is_left_to_the_rule_for_strangers():
    assert [name for name in OF_LAX if name not in RULES and name not in HOLDING] == []


def test_a_stranger_is_unknown_and_never_free():
    assert rule_of("nobody_knows_me") is NOT_KNOWN
    strange = Primitive("nobody_knows_me")
    strange.def_abstract_eval(lambda x: x)
    found = count(strange.bind, jax.ShapeDtypeStruct((3,), jnp.float32))
    assert [(u.primitive, u.count) for u in found.unknown] == [("nobody_knows_me", 1)]
    assert found.warnings


CHANGES_OF_TYPE = {"reduce_precision", "convert_element_type"}  # move bytes, compute nothing
ELEMENTWISE = [
    name
    for name, rule in RULES.items()
    if rule.family == "elementwise" and name not in CHANGES_OF_TYPE
]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.complex64, jnp.int32])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_no_operation_on_elements_is_silently_zero(name, dtype):
    value = jax.core.ShapedArray((3, 5), jnp.dtype(dtype))
    work = RULES[name].count(Site(name, (value,) * 3, (value,), {"y": 3}))
    amounts = (work.elementwise_flops, work.transcendentals, work.integer_ops)
    assert sum(amount > 0 for amount in amounts) == 1
    assert max(amounts) >= 15
