import os
import stat

import pytest

from jaxcost.files import write_bytes, write_text


def test_content_replaces_what_was_there(tmp_path):
    path = tmp_path / "new" / "file.txt"
    assert write_text(path, "größer") == path
    assert path.read_text(encoding="utf-8") == "größer"
    write_bytes(path, b"other")
    assert path.read_bytes() == b"other"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = write_text(tmp_path / "file.txt", "old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_as_readable_as_any_other(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    written = write_text(tmp_path / "written", "")
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
