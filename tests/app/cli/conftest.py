"""Commands that must be refused, and tables of layers whose times are planted."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from jaxcost.app.cli.errors import run


@pytest.fixture
def refuses(jaxcost, tmp_path) -> Callable[..., str]:
    """Runs a command that must end with status 2, one line, and no file; returns the line."""

    def call(*arguments: object, status: int = 2) -> str:
        before = sorted(tmp_path.rglob("*"))
        outcome = jaxcost(*arguments)
        assert outcome.status == status, outcome
        assert sorted(tmp_path.rglob("*")) == before
        assert outcome.err.count("\n") == 1
        assert outcome.err.startswith("jaxcost: ")
        assert "Traceback" not in outcome.out
        return outcome.err.removeprefix("jaxcost: ").rstrip("\n")

    return call


def planted(rows: int = 12) -> pd.DataFrame:
    """Dense layers that take 1 ns per 100 FLOPs, give or take a twentieth, in three sweeps."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(50, 2000, (rows, 2))
    flops = 2.0 * sizes.prod(axis=1) * 8
    fixed = {"in_h": 1, "in_w": 1, "k_h": 1, "k_w": 1, "stride": 1, "padding": "same", "groups": 1}
    return pd.DataFrame(
        {
            "op": "dense", "batch": 8, "c_in": sizes[:, 0], "c_out": sizes[:, 1], **fixed,
            "dtype": "float32", "time_s": flops * 1e-11 * rng.uniform(0.95, 1.05, rows),
            "sweep": np.array(["a", "b", "c"])[np.arange(rows) % 3],
        }
    )  # fmt: skip


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    return planted()


@pytest.fixture(scope="session")
def table(frame, tmp_path_factory):
    """Those layers as a file."""
    path = tmp_path_factory.mktemp("table") / "layers.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def fitted(table, tmp_path_factory):
    """A folder in which `fit` wrote c.json and c.html, and what it printed."""
    import contextlib
    import io

    folder = tmp_path_factory.mktemp("fitted")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        files = ["--out", str(folder / "c.json"), "--report", str(folder / "c.html")]
        status = run(["fit", str(table), *files, "--model", "flops-only"])
    assert status == 0
    return folder, out.getvalue()
