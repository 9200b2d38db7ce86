"""What a fit compiled is kept for the next, where the user keeps such things."""

import os
import subprocess
import sys

import numpy as np

from jaxcost.app.cli.compilations import cache_folder

_LOOK = """
import jax
from jaxcost.app.cli.compilations import keep_compilations
keep_compilations()
print(jax.config.jax_compilation_cache_dir)
"""


def _folder_of_jax(**variables):
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    return subprocess.run(
        [sys.executable, "-c", _LOOK], env=environment | variables, check=True, text=True,
        capture_output=True,
    ).stdout.strip()  # fmt: skip


def test_programs_go_to_the_users_cache_by_processor(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = _folder_of_jax(XDG_CACHE_HOME=str(tmp_path))
    assert folder == str(cache_folder())
    assert cache_folder().parent == tmp_path / "jaxcost"


def test_a_folder_that_the_user_chose_stays(tmp_path):
    chosen = str(tmp_path / "own")
    assert _folder_of_jax(JAX_COMPILATION_CACHE_DIR=chosen) == chosen


def test_a_full_folder_begins_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache_folder().mkdir(parents=True)
    for size in (40, 30):
        with (cache_folder() / f"{size}-cache").open("wb") as file:
            file.truncate(size << 20)
        _folder_of_jax(XDG_CACHE_HOME=str(tmp_path))
        kept = [path.name for path in cache_folder().glob("*-cache")]
        assert kept == (["40-cache"] if size == 40 else [])


def test_without_a_place_to_write_nothing_is_kept(tmp_path):
    (tmp_path / "file").touch()
    assert _folder_of_jax(XDG_CACHE_HOME=str(tmp_path / "file")) == "None"


def test_a_second_fit_finds_what_the_first_compiled(tmp_path):
    """And says the same: the same file but for the date."""
    table = tmp_path / "m.csv"
    sizes = np.random.default_rng(0).integers(16, 400, (12, 3))
    lines = [
        f"dense,{b},1,1,{i},{o},1,1,1,valid,1,float32,{2e-11 * b * i * o}" for b, i, o in sizes
    ]
    names = "op,batch,in_h,in_w,c_in,c_out,k_h,k_w,stride,padding,groups,dtype,time_s"
    table.write_text("\n".join([names, *lines]) + "\n")
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    command = [sys.executable, "-m", "jaxcost", "fit", str(table), "--model", "roofline"]
    printed, kept = [], []
    for _ in range(2):
        options = ["--out", str(tmp_path / "c.json"), "--device", "quadro-t2000"]
        done = subprocess.run([*command, *options], env=environment, text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, "")
        printed.append(done.stdout)
        programs = (tmp_path / "cache" / "jaxcost").rglob("*linearised*-cache")
        kept.append(sorted(path.name for path in programs))
    assert printed[0] == printed[1]
    assert len(kept[0]) > 0
    assert kept[0] == kept[1]
