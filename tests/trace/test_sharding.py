"""Programs of eight devices: what one does, for how many, and what they exchange."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

SCRIPT = Path(__file__).with_name("sharded_programs.py")
PRODUCT = 2 * 16 * 32 * 64
COLLECTIVES = ["all_gather", "reduce_scatter", "ppermute", "psum", "all_to_all"]

# FLOPs of products; of how many devices; what of the devices together.
MAPPED = {
    "rows": PRODUCT / 8,
    "grid": PRODUCT / 8,
    "in a jit": PRODUCT / 4,
    "pmap": 2 * 4 * 4 * 4,
    "gradient": PRODUCT / 4,
    "loop": 3 * 2 * PRODUCT / 4,
    "collectives": 0,
}
CLOSED = "shardings of a closure"
WHOLE = ("shardings of jit", "constraint", "arrays", "shapes", "parameters", "explicit", CLOSED)


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """What the script prints, which one of pytest's processes runs for all."""
    folder = tmp_path_factory.getbasetemp()
    found = (
        folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    ) / "sharded_programs.json"
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    with FileLock(f"{found}.lock"):
        if not found.exists():
            command, environment = [sys.executable, SCRIPT], os.environ | flags
            ran = subprocess.run(command, env=environment, capture_output=True, check=True)
            found.write_bytes(ran.stdout)
    return json.loads(found.read_bytes())


@pytest.mark.parametrize("name", MAPPED)
def test_what_is_written_for_a_device_counts_for_one(programs, name):
    found = programs[name]["count"]
    assert found["devices"] == 8
    assert found["flops"] == MAPPED[name]
    (line,) = [line for line in found["warnings"] if "8 devices" in line]
    assert "what is counted is of one of them, but all of what is outside shard_map" in line


@pytest.mark.parametrize("name", WHOLE)
def test_what_the_compiler_splits_counts_whole_and_says_so(programs, name):
    found = programs[name]["count"]
    assert found["devices"] == 8
    assert found["flops"] == PRODUCT
    (unknown,) = found["unknown"]
    assert "the compiler splits the program over 8 devices" in unknown["reason"]
    assert any("is of all of them together" in line for line in found["warnings"])
    assert any("lower bounds" in line for line in found["warnings"])


def test_a_gradient_by_closed_over_weights_runs_on_as_many_devices(programs):
    assert programs[CLOSED]["backward"] == 8


def test_arrays_that_a_compiled_program_is_closed_over_are_gathered_on_its_device(programs):
    found = programs["closed-over arrays"]
    assert found["count"]["devices"] == 1
    assert found["count"]["flops"] == found["compiled"]


@pytest.mark.parametrize("name", ["rows", "in a jit"])
def test_one_device_computes_what_the_compiler_says(programs, name):
    assert programs[name]["count"]["flops"] == programs[name]["compiled"]


@pytest.mark.parametrize("name", WHOLE)
def test_all_devices_compute_what_the_compiler_says_of_one(programs, name):
    assert programs[name]["count"]["flops"] == 8 * programs[name]["compiled"]


def test_every_collective_is_listed_with_its_shapes_devices_and_bytes(programs):
    unknown = programs["collectives"]["count"]["unknown"]
    assert [each["primitive"] for each in unknown] == COLLECTIVES
    gathered, scattered, _, mean, exchanged = unknown
    assert gathered["shapes"] == [[4, 32], [4, 4, 32]]
    assert gathered["reason"] == "4 devices exchange what they have: 512 bytes of each become 2,048"
    assert scattered["reason"].endswith("512 bytes of each become 128")
    assert mean["reason"].startswith("8 devices exchange")
    assert exchanged["reason"].startswith("2 devices exchange")


def test_a_collective_in_a_loop_is_listed_as_often_as_it_runs(programs):
    (unknown,) = programs["loop"]["count"]["unknown"]
    assert (unknown["primitive"], unknown["count"]) == ("psum", 3)


@pytest.mark.parametrize("name", ["grid", "pmap", "loop", "collectives"])
def test_no_collective_is_priced_and_the_estimate_says_so(programs, name):
    estimate = programs[name]["estimate"]
    assert not set(programs[name]["priced"]) & {*COLLECTIVES, "psum_invariant"}
    assert estimate["devices"] == 8
    assert estimate["unknown"] == programs[name]["count"]["unknown"] != []
    assert any("8 devices" in line for line in estimate["warnings"])
    assert any("lower bounds" in line for line in estimate["warnings"])


def test_a_part_that_the_compiler_splits_further_says_of_how_many_it_is(programs):
    found = programs["partly"]["count"]
    assert (found["devices"], found["flops"]) == (8, PRODUCT / 4)
    assert any("of 2 of them together" in line for line in found["warnings"])
    assert any("over 2 devices" in each["reason"] for each in found["unknown"])


@pytest.mark.parametrize("name", ["one device", "an array elsewhere"])
def test_a_program_of_one_device_has_nothing_to_say_about_them(programs, name):
    found = programs[name]["count"]
    assert (found["devices"], found["unknown"], found["warnings"]) == (1, [], [])
