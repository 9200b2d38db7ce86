import types

import jax
import pytest

from jaxcost.measure.clock.bench import free_memory_bytes, is_out_of_memory


def _device(platform, stats):
    return types.SimpleNamespace(platform=platform, memory_stats=lambda: stats)


def test_an_accelerator_tells_its_own():
    stats = {"bytes_limit": 1000, "bytes_in_use": 300}
    assert free_memory_bytes(_device("gpu", stats)) == 700


def test_a_processor_has_what_the_system_has(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 99 kB\nMemFree: 1 kB\nMemAvailable:      12 kB\n")
    assert free_memory_bytes(_device("cpu", None), meminfo) == 12 * 1024


def test_what_nobody_tells_is_unknown(tmp_path):
    assert free_memory_bytes(_device("cpu", None), tmp_path / "none") is None
    assert free_memory_bytes(_device("tpu", None)) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"), True),
        (RuntimeError("INTERNAL: something else"), False),
    ],
)
def test_errors_of_memory_are_told_from_others(error, expected):
    assert is_out_of_memory(error) == expected
