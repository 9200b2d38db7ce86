from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own: none reads or writes the user's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("JAXCOST_CACHE", str(folder))
    return folder
