import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jaxcost._support.files import is_stream, rename_to_new, write_bytes, write_text


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


def test_a_link_is_followed_and_stays_one(tmp_path):
    target = write_text(tmp_path / "elsewhere" / "target", "old")
    first, second = tmp_path / "first", tmp_path / "second"
    first.symlink_to(second)
    second.symlink_to("elsewhere/target")
    assert write_text(first, "new") == first
    assert target.read_text() == "new"
    assert first.is_symlink()
    assert second.is_symlink()
    assert list(target.parent.iterdir()) == [target]


def test_a_link_to_nothing_makes_its_target(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "new" / "target")
    write_text(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "new" / "target").read_text() == "x"


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="symbolic links"):
        write_text(tmp_path / "a", "x")
    assert (tmp_path / "a").is_symlink()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o666])
def test_a_file_keeps_its_permissions_and_owner(tmp_path, mode):
    path = write_text(tmp_path / "file", "old")
    path.chmod(mode)
    if os.getuid() == 0:
        os.chown(path, 12345, 54321)
    before = path.stat()
    after = write_text(path, "new").stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode, before.st_uid, before.st_gid,
    )  # fmt: skip


def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path, monkeypatch):
    path = write_text(tmp_path / "file", "old")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # nothing stops root
    with pytest.raises(PermissionError) as error:
        write_text(path, "new")
    assert error.value.filename == str(path)
    assert path.read_text() == "old"


def test_a_device_is_written_to_and_stays_one(tmp_path):
    if os.getuid() == 0:
        null = tmp_path / "null"
        os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    else:
        null = Path(os.devnull)
    write_text(null, "x" * 10000)
    assert stat.S_ISCHR(null.stat().st_mode)
    assert is_stream(null)


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "größer")
        assert os.read(reader, 100).decode() == "größer"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", "{}/link"])
@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_the_own_output_is_written_to_in_its_place(tmp_path, name, kind):
    """Also where it is a file: renamed over, what is printed later would be lost."""
    (tmp_path / "link").symlink_to("/dev/stdout")
    out = tmp_path / "out"
    code = (
        "import sys; from jaxcost._support.files import write_text; print('before');"
        "write_text(sys.argv[1], 'content\\n'); print('after')"
    )
    command = [sys.executable, "-c", code, name.format(tmp_path)]
    if kind == "pipe":
        printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    else:
        with out.open("w") as file:
            subprocess.run(command, stdout=file, check=True)
        printed = out.read_text()
    assert printed == "before\ncontent\nafter\n"
    assert Path("/dev/stdout").is_symlink()


def test_a_folder_is_refused_and_no_temporary_file_stays(tmp_path):
    with pytest.raises(IsADirectoryError) as error:
        write_text(tmp_path / "folder" / "..", "x")
    assert error.value.filename == str(tmp_path / "folder" / "..")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(IsADirectoryError):
        write_text(folder, "x")
    assert list(tmp_path.iterdir()) == [folder]


def test_a_name_as_long_as_the_file_system_allows(tmp_path):
    assert write_text(tmp_path / ("n" * 255), "x").read_text() == "x"


@pytest.mark.skipif(sys.platform != "linux", reason="the device is Linux's")
def test_a_full_disk_is_named_by_the_file():
    with pytest.raises(OSError, match="No space left") as error:
        write_text("/dev/full", "x")
    assert error.value.filename == "/dev/full"


def race(folder: Path) -> list[str]:
    """Renames two files to one new name at the same time; the names of those that came too late."""
    code = (
        "import sys; from pathlib import Path; from jaxcost._support.files import rename_to_new\n"
        "print(flush=True); sys.stdin.read(1)\n"
        "try: rename_to_new(Path(sys.argv[1]), Path('new'))\n"
        "except FileExistsError: print(sys.argv[1])"
    )
    pipe = subprocess.PIPE
    racers = [
        subprocess.Popen([sys.executable, "-c", code, name], cwd=folder, stdin=pipe, stdout=pipe)
        for name in "ab"
    ]
    for racer in racers:
        racer.stdout.readline()  # ready
    for racer in racers:
        racer.stdin.close()
    late = []
    for racer in racers:
        late += racer.stdout.read().decode().split()
        racer.stdout.close()
        assert racer.wait() == 0
    return late


def test_of_two_processes_that_give_one_name_one_wins(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    (late,) = race(tmp_path)
    winner = {"a": "b", "b": "a"}[late]
    assert (tmp_path / "new").read_text() == winner
    assert (tmp_path / late).read_text() == late
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([late, "new"])


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path, monkeypatch, links):
    if not links:  # as on a memory stick

        def refuse(*_):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_text("a")
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(FileExistsError):
        rename_to_new(tmp_path / "a", tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"
    rename_to_new(tmp_path / "a", tmp_path / "new")
    assert (tmp_path / "new").read_text() == "a"
    assert (tmp_path / "new").stat().st_nlink == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "taken"]
