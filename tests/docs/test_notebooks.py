"""Tutorials as notebooks: everything that runs on a page runs in its notebook, in order."""

import importlib.util
import json

import pytest
from written import ROOT, blocks, name

pytest.importorskip("nbclient")  # of the extra `docs`
SPEC = importlib.util.spec_from_file_location("notebooks", ROOT / "docs" / "notebooks.py")
assert SPEC is not None
notebooks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(notebooks)


@pytest.mark.parametrize("page", notebooks.TUTORIALS, ids=name)
def test_a_notebook_has_all_of_its_page(page):
    found = json.loads(notebooks.notebook(page, execute=False))
    code = ["".join(c["source"]) for c in found["cells"] if c["cell_type"] == "code"]
    text = ["".join(c["source"]) for c in found["cells"] if c["cell_type"] == "markdown"]
    for block in blocks(page):
        if block.file:
            assert f"%%writefile {block.file}\n{block.text.rstrip()}" in code
        elif block.run and block.language == "python":
            assert block.text.rstrip() in code
        elif block.run and block.language == "console":
            shown = [
                line.removeprefix("$ ") for line in block.text.splitlines() if line[:2] == "$ "
            ]
            assert any(cell.splitlines()[1:] == shown for cell in code)
        else:
            assert any(block.text in cell for cell in text)
    assert not any(("](" in cell and ".md" in cell) or "<!--" in cell for cell in text)


def test_a_cell_is_executed_with_the_commands_of_this_python(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# Title\n\n```console\n$ jaxcost --help\n```\n\n```python\nprint(6 * 7)\n```\n"
    )
    cells = json.loads(notebooks.notebook(page, execute=True))["cells"]
    outputs = [cell["outputs"] for cell in cells if "outputs" in cell]
    printed = ["".join(line for output in each for line in output["text"]) for each in outputs]
    assert "jaxcost" in printed[0]
    assert printed[1] == "42\n"
    page.write_text("```python\nraise KeyError('lost')\n```\n")
    with pytest.raises(Exception, match="lost"):
        notebooks.notebook(page, execute=True)
