import jax.numpy as jnp
import numpy as np
import pytest

import jaxcost as jc
from jaxcost.device import device
from jaxcost.optimize import boundaries, search_figure

GPU = device("eagle-gpu")


def run(widths):
    return jc.training_run(widths, n_observations=15_000, n_features=48, n_labels=1)


def energy(widths, temperature):
    return (100 + jc.tiled(widths[1], 32, temperature)) * (1 + 50 / widths[1])


def test_a_boundary_is_where_the_set_fills_the_level():
    found = boundaries(run, np.array([26.0, 100.0, 11.0]), 1, (8, 8192), GPU)
    # f: 4 (38 w + 11) bytes a unit on t, 1024 (26 + w) bytes spread over 168 units, in 112 KiB.
    room = 112 * 1024 - 44 - 1024 * 26 / 168
    assert found["f leaves L1"] == pytest.approx(room / (4 * 38 + 1024 / 168), rel=0.01)
    assert "t leaves L1" not in found  # not before a width of 18,790


def test_the_figure_shows_the_curves_the_path_and_the_boundaries():
    bounds = [(26, 26), (8, 4096), (11, 11)]
    found = jc.search_widths(energy, bounds, method="gradient", starts=4, steps=40)
    figure = search_figure(
        found, energy, along=1, bounds=bounds[1], run=run, device=GPU, width="width",
        quantity="energy", unit="J",
    )  # fmt: skip
    ax = figure.axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("width", "energy (J)")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["exact", "smooth, temperature 0.5", "path of the best start", "chosen"]
    assert "f leaves L1" in [text.get_text() for text in ax.texts]
    chosen = ax.lines[3]
    assert chosen.get_xdata()[0] == found.widths[1]
    exact = ax.lines[0]
    assert exact.get_ydata().min() == pytest.approx(found.cost, rel=0.01)


def test_a_width_that_there_is_not_is_refused():
    found = jc.search_widths(lambda w: jnp.sum(w), [(8, 16)], method="brute")
    with pytest.raises(ValueError, match="along = 1 is not allowed; give 0 to 0"):
        search_figure(found, lambda w: jnp.sum(w), along=1, bounds=(8, 16))
