"""The examples of README and of each page run, and commands print what is shown."""

import re
import shlex
import sys

import jax
import pytest
from written import WRITTEN, blocks, files, name


@pytest.fixture(autouse=True)
def _usual_precision():
    """What is shown is what JAX's own precision gives."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", before)


def runnable(page):
    return [b for b in blocks(page) if b.run and not b.file and b.language in ("python", "console")]


@pytest.mark.filterwarnings("ignore")  # of estimates for another device, and of frameworks
@pytest.mark.parametrize("page", [p for p in WRITTEN if runnable(p)], ids=name)
def test_the_examples_of_a_page_run(page, jaxcost, tmp_path, monkeypatch):
    for file, text in files(page).items():
        (tmp_path / file).write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, file.partition(".")[0], raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    namespace = {"__name__": page.stem}
    with jax.numpy_rank_promotion("allow"):  # as users have it
        for block in runnable(page):
            if block.language == "console":
                printed_as_shown(jaxcost, block.text)
            else:
                place = "\n" * block.line + block.text
                exec(compile(place, str(page), "exec"), namespace)
    for file in files(page):
        sys.modules.pop(file.partition(".")[0], None)


def printed_as_shown(jaxcost, session):
    """Runs each command of a session; what is shown below it has to be printed, in order."""
    for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        program, *arguments = shlex.split(command)
        assert program == "jaxcost"
        outcome = jaxcost(*arguments)
        out = outcome.out + (f"(exit status {outcome.status})" if outcome.status else "")
        rest = squeezed(out)
        for line in filter(None, map(squeezed, shown.replace("…", "").splitlines())):
            assert line in rest, f"{command}\n{outcome.err}\n{out}"
            rest = rest.partition(line)[2]


def squeezed(text):
    return " ".join(text.split())
