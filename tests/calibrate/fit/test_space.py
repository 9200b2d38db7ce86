"""The searched space: bounds built in, whatever the vector."""

import math

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost._support.sizes import Scalar
from jaxcost.calibrate.fit.space import Space
from jaxcost.models.base import CostModel, parameter

INF = math.inf


class Bounded(CostModel):
    """One parameter for each kind of bound."""

    unit = "s"
    free: Scalar = parameter(-INF, INF, unit="1", doc="")
    above: Scalar = parameter(2, INF, unit="1", doc="", start=5.0, spread=0.4)
    below: Scalar = parameter(-INF, 7, unit="1", doc="")
    between: Scalar = parameter(-1, 3, unit="1", doc="")

    def __call__(self, workload, device):
        return self.free


SPACE = Space.of(Bounded)
VECTORS = st.lists(st.floats(-15, 15), min_size=4, max_size=4).map(np.array)
FAR = st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4).map(np.array)


@hypothesis.given(z=VECTORS)
def test_values_lead_back_to_the_vector(z):
    np.testing.assert_allclose(SPACE.vector(SPACE.values(z)), z, rtol=1e-5, atol=1e-5)


@hypothesis.given(
    free=st.floats(-1e6, 1e6),
    above=st.floats(2.001, 1e6),
    below=st.floats(-1e6, 6.999),
    between=st.floats(-0.999, 2.999),
)
def test_the_vector_leads_back_to_values(**values):
    found = SPACE.values(SPACE.vector(values))
    assert list(found) == ["free", "above", "below", "between"]
    for name, value in values.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-9)


@hypothesis.given(z=FAR)
def test_no_vector_leaves_the_bounds_or_what_float32_holds(z):
    values = SPACE.values(z)
    assert all(math.isfinite(np.float32(value)) for value in values.values())
    assert values["above"] >= 2
    assert values["below"] <= 7
    assert -1 <= values["between"] <= 3
    Bounded(**values)


def test_values_on_a_bound_are_moved_just_inside():
    on_lower = SPACE.vector({"free": 0, "above": 2, "below": 7, "between": -1})
    on_upper = SPACE.vector({"free": 0, "above": 2, "below": 7, "between": 3})
    assert np.isfinite([on_lower, on_upper]).all()
    found = SPACE.values(on_lower) | {"upper": SPACE.values(on_upper)["between"]}
    assert found == pytest.approx({"free": 0, "above": 2, "below": 7, "between": -1, "upper": 3})


@pytest.mark.usefixtures("x64")
def test_the_model_at_a_vector_has_the_values_there_also_traced():
    z = np.array([0.3, -1.2, 2.5, 0.7])
    for model in (SPACE.model(jnp.asarray(z)), jax.jit(SPACE.model)(z)):
        assert isinstance(model, Bounded)
        assert {name: float(leaf) for name, leaf in vars(model).items()} == pytest.approx(
            SPACE.values(z), rel=1e-14
        )


def test_an_instance_stands_for_its_class():
    assert Space.of(Bounded(0.0, 3.0, 1.0, 1.0)) == SPACE
    assert hash(Space.of(Bounded)) == hash(SPACE)


def test_a_belief_is_a_normal_of_the_searched_value():
    np.testing.assert_allclose(SPACE.precision(), [0, 0.4**-2, 0, 0])
