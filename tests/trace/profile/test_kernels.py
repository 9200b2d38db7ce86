"""Times of kernels, by hand from a few events."""

import os

import pytest

from jaxcost.trace.profile.asynchronous import whole
from jaxcost.trace.profile.hlo import Instruction
from jaxcost.trace.profile.kernels import Event, find_profile, kernels_of, read_events


def event(op, start, end, *, name=None, run="1", done=0.0):
    return Event("m", op, name or op, run, start * 1e6, end * 1e6, done * 1e6)


def told(events):
    return {
        k.op: (k.runs, round(1e3 * k.time_s, 9), round(k.beside, 6)) for k in kernels_of(events)
    }


def test_the_median_of_the_runs_is_a_kernels_time():
    runs = [event("a", 0, 1), event("a", 2, 4), event("a", 10, 19)]
    (kernel,) = kernels_of(runs)
    assert (kernel.runs, kernel.time_s) == (3, pytest.approx(2e-3))
    assert kernel.total_s == pytest.approx(12e-3)


def test_several_kernels_of_one_instruction_are_added():
    """As on GPUs: a product in parts, and their sum in another kernel."""
    runs = [event("dot", 0, 3, name="gemm"), event("dot", 3, 4, name="reduce")]
    runs += [event("dot", 10, 13, name="gemm"), event("dot", 13, 14, name="reduce")]
    assert told(runs) == {"dot": (2, 4.0, 0.0)}


def test_what_ran_beside_others_says_for_what_share():
    assert told([event("a", 0, 4), event("b", 3, 7)]) == {"a": (1, 4.0, 0.25), "b": (1, 4.0, 0.25)}
    assert told([event("a", 0, 4), event("b", 4, 7)]) == {"a": (1, 4.0, 0.0), "b": (1, 3.0, 0.0)}
    three = told([event("a", 0, 10), event("b", 2, 6), event("c", 4, 8)])
    assert three["a"] == (1, 10.0, 0.6)


def test_runs_that_were_alone_count_where_there_are_any():
    runs = [event("a", 0, 8), event("b", 0, 8), event("a", 20, 22), event("a", 30, 33)]
    assert told(runs)["a"] == (2, 2.5, 0.0)


def test_a_kernel_that_returned_early_lasts_until_its_result_is_read():
    known = {
        "conv": Instruction("convolution"),
        "cast": Instruction("bitcast", operands=("conv",)),
        "relu": Instruction("fusion", operands=("cast",)),
        "other": Instruction("fusion"),
    }
    events = [
        event("conv", 0, 1, done=9), event("other", 1, 2), event("relu", 5, 6),
        event("conv", 20, 21, run="2", done=29), event("relu", 26, 27, run="2"),
    ]  # fmt: skip
    ends = [each.end * 1e-6 for each in whole(events, known) if each.op == "conv"]
    assert ends == pytest.approx([5, 26])
    assert told(whole(events, known))["conv"] == (1, 6.0, 0.0)  # the other ran beside "other"


def test_without_a_reader_it_lasts_until_it_was_noticed():
    (only,) = whole([event("conv", 0, 1, done=9)], {"conv": Instruction("convolution")})
    assert only.end == pytest.approx(9e6)


def test_the_newest_profile_of_a_folder_is_read(tmp_path):
    for day, name in enumerate(("2026_01_01", "2026_01_02")):
        folder = tmp_path / "plugins" / "profile" / name
        folder.mkdir(parents=True)
        (folder / "host.xplane.pb").touch()
        os.utime(folder / "host.xplane.pb", (day, day))
    assert find_profile(tmp_path) == folder / "host.xplane.pb"
    (folder / "other.xplane.pb").touch()
    with pytest.raises(ValueError, match=r"profiles of host.xplane.pb, other.xplane.pb; give one"):
        find_profile(tmp_path)


def test_what_is_no_profile_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no profile at"):
        find_profile(tmp_path / "nothing")
    with pytest.raises(ValueError, match="holds no"):
        find_profile(tmp_path)
    (tmp_path / "x.xplane.pb").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="is no profile that JAX reads"):
        read_events(tmp_path / "x.xplane.pb")
