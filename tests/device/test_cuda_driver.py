"""The driver's answers, from a fake of it; the real one where there is one."""

import ctypes
from types import SimpleNamespace

import pytest

from jaxcost.device import Device, MemoryLevel
from jaxcost.device.cuda_driver import caches, uuid
from jaxcost.models.residency import levels

H100 = {16: 132, 38: 50 << 20, 81: 228 << 10}


def driver(answers, devices=1, init=0):
    def get(pointer, place):
        ctypes.cast(pointer, ctypes.POINTER(ctypes.c_int))[0] = place
        return 0 if place < devices else 101

    def attribute(pointer, name, device):
        ctypes.cast(pointer, ctypes.POINTER(ctypes.c_int))[0] = answers.get(name, 0)
        return 0 if name in answers else 1

    return SimpleNamespace(
        cuInit=lambda flags: init, cuDeviceGet=get, cuDeviceGetAttribute=attribute
    )


def test_a_gpu_has_the_caches_that_its_driver_tells():
    found = caches(0, driver(H100))
    assert found == [("L1", 233472.0, 132.0), ("L2", 52428800.0, 1.0)]
    memory = [MemoryLevel(size, units, name) for name, size, units in [*found, ("VRAM", 8e10, 1)]]
    assert levels(Device("h", tuple(memory))).capacity.shape == (3,)


@pytest.mark.parametrize(
    "library",
    [
        driver(H100, init=100),
        driver(H100, devices=0),
        driver({16: 132, 81: 228 << 10}),
        driver({}),
        SimpleNamespace(),
    ],
)
def test_what_the_driver_does_not_tell_is_not_made_up(library):
    assert caches(0, library) == []


def test_without_a_driver_nothing_is_known(monkeypatch):
    def absent(name):
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", absent)
    assert caches(0) == []


def test_the_identity_is_written_as_the_management_library_does():
    class Driver:
        def cuInit(self, flags):  # noqa: N802
            return 0

        def cuDeviceGet(self, device, place):  # noqa: N802
            device._obj.value = place
            return 0 if place < 2 else 101

        def cuDeviceGetUuid(self, found, device):  # noqa: N802
            found._obj[:] = bytes(range(device.value, device.value + 16))
            return 0

    assert uuid(1, Driver()) == "GPU-01020304-0506-0708-090a-0b0c0d0e0f10"
    assert uuid(2, Driver()) is None
