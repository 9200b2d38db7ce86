import numpy as np
import pytest

from jaxcost.optimize.lattice import Lattice
from jaxcost.optimize.plateaus import learned_tiles, whole_tiles


class Costs:
    """Logarithms of a cost of whole tiles and an error that falls; counts its calls."""

    def __init__(self, tile, rises=False):
        self.tile, self.rises, self.calls = tile, rises, 0

    def __call__(self, widths):
        self.calls += 1
        done = self.tile * np.ceil(widths / self.tile)
        error = np.sum(widths if self.rises else 10 / widths)
        return np.log([np.sum(done), error])


@pytest.mark.parametrize("tile", [16, 24, 32, 64, 96, 128])
def test_a_tile_is_learned_from_few_networks(tile):
    costs = Costs(tile)
    assert learned_tiles(Lattice.of([(8, 1024)] * 3, 8), costs) == (tile,)
    assert costs.calls <= 40


@pytest.mark.parametrize("tile", [20, 32])
def test_fixed_widths_and_single_steps_do_not_hide_it(tile):
    assert learned_tiles(Lattice.of([(3, 3), (1, 500), (4, 900)], 1), Costs(tile)) == (tile,)


@pytest.mark.parametrize(
    ("costs", "bounds", "calls"),
    [
        (Costs(8), [(8, 1024)] * 2, 2),  # as fine as the widths
        (Costs(1e6), [(8, 1024)] * 2, 99),  # one plateau, whose end is out of bounds
        (Costs(64, rises=True), [(8, 1024)] * 2, 2),  # wider is worse on a plateau
        (Costs(64), [(8, 8), (8, 64)], 0),  # few widths
    ],
)
def test_no_tile_is_made_up(costs, bounds, calls):
    assert learned_tiles(Lattice.of(bounds, 8), costs) == ()
    assert costs.calls <= calls


def test_only_whole_tiles_and_what_is_fixed_are_kept():
    lattice = whole_tiles(Lattice.of([(3, 3), (8, 200)], 8), [64])
    assert [axis.tolist() for axis in lattice.axes] == [[3], [64, 128, 192, 200]]
    assert whole_tiles(lattice, ()) is lattice


def test_widths_that_are_listed_one_by_one_show_no_tile():
    costs = Costs(64)
    listed = Lattice.of([{8, 9, 500, 501, 1000}, (8, 1024)], 8)
    assert learned_tiles(listed, costs) == ()
    assert not costs.calls
