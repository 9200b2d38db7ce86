"""What all tests share: strict JAX, both precisions, commands, and where the public data are."""

import contextlib
import gc
import os
import signal
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import hypothesis
import jax
import pytest

from jaxcost.app.cli.errors import run
from jaxcost.workload import Workload, cnn

collect_ignore = ["trace/sharded_programs.py"]  # a script, which needs eight devices

for name, usual in {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}.items():
    number = getattr(signal, name, None)  # Windows has no SIGHUP
    if number and signal.getsignal(number) is signal.SIG_IGN:  # under nohup, or in the background
        signal.signal(number, usual)
jax.config.update("jax_numpy_rank_promotion", "raise")
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("repeatable")
gc.set_threshold(100_000, 50, 100)  # looking through traced programs took a tenth of the time


@pytest.fixture(autouse=True, scope="session")
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What commands keep for later is neither found by the tests nor left behind by them.

    A command in this process would have JAX keep all that later tests compile as well.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr("jaxcost.app.cli.compilations.keep_compilations", lambda: None)
        yield


@pytest.fixture(autouse=True)
def _plain_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """What commands print does not depend on the window that the tests run in."""
    monkeypatch.delenv("COLUMNS", raising=False)


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def jaxcost(capsys) -> Callable[..., Outcome]:
    """Runs a command; its exit status and what it printed."""

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        return Outcome(status, *capsys.readouterr())

    return call


@pytest.fixture
def largest_file() -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """Within it the system lets no file of this process grow beyond so many bytes: a full disk."""
    resource = pytest.importorskip("resource")  # not on Windows

    @contextlib.contextmanager
    def limited(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture(params=["float32", "float64"])
def precision(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs the test in both precisions; its value is the name of JAX's default real type."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", request.param == "float64")
    yield request.param
    jax.config.update("jax_enable_x64", before)


@pytest.fixture
def x64() -> Iterator[None]:
    """Runs the test in float64."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture(scope="module")
def model_alone() -> Iterator[None]:
    """For a whole module: no other models are fitted beside the one asked for, to compare."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("jaxcost.calibrate.measured_layers"), "BASELINES", ())
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The public data, beside the checkout or at JAXCOST_SHARED; skips where there are none."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("JAXCOST_SHARED", beside))
    if not (folder / "datasets").is_dir():
        pytest.skip(f"no public data at {folder}; set JAXCOST_SHARED to the folder that has them")
    return folder


@pytest.fixture
def alexnet() -> Workload:
    """AlexNet as published, in two groups; Krizhevsky, Sutskever, Hinton (2012)."""
    return cnn(
        [3, 96, 256, 384, 384, 256],
        in_h=227,
        in_w=227,
        batch_size=1,
        kernel=[11, 5, 3, 3, 3],
        stride=[4, 1, 1, 1, 1],
        padding=["valid", "same", "same", "same", "same"],
        groups=[1, 2, 1, 2, 2],
        pool=[2, 2, 1, 1, 2],
        head=[4096, 4096, 1000],
    )
