"""The example notebook runs, shows tables and figures, and a call that was interrupted can be made again."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / ".docs" / "example.ipynb"
RUN = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
interrupted = '''
import _thread, threading

pets = {"corpus": ["pets.txt"], "text": {"min_count": 1}, "models": [model], "neighbors": 2}
threading.Timer(1.0, _thread.interrupt_main).start()
try:
    while True:
        ge.study(pets, out="again")
        ge.nearest_neighbors(random.standard_normal((20_000, 20)))
except KeyboardInterrupt:
    print("interrupted")
again = ge.study(pets, out="again")
print(len(again.models[0].runs), "runs")
'''
notebook.cells.append(nbformat.v4.new_code_cell(interrupted))
NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, ("nbclient", "ipykernel"))), reason="needs gpuemb[notebook]"
    ),
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each cell of code shows last, by kind of content; printed text as ``printed``."""
    place = tmp_path_factory.mktemp("notebook")
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(NOTEBOOK), "executed.ipynb"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    cells = json.loads((place / "executed.ipynb").read_text("utf-8"))["cells"]
    shown = []
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        found: dict[str, Any] = {}
        for one in cell["outputs"]:
            found |= {kind: "".join(data) for kind, data in one.get("data", {}).items()}
            found["printed"] = found.get("printed", "") + "".join(one.get("text", ""))
        shown.append(found)
    return shown


def test_results_show_themselves_as_tables(outputs: list[dict[str, Any]]) -> None:
    table, neighbors, comparison, study = (output["text/html"] for output in outputs[:4])
    assert "500 words × 20" in table
    assert table.count("<tr>") == neighbors.count("<tr>") == 11
    assert "490 more rows" in table
    assert "Neighbors, 500 queries × 10" in neighbors
    assert "Linear CKA" in comparison
    assert "Overlap of the" in study
    assert "report.html" in study


def test_figures_are_pictures(outputs: list[dict[str, Any]]) -> None:
    assert [("image/png" in output) for output in outputs[4:6]] == [True, True]


def test_an_interrupted_call_can_be_made_again(outputs: list[dict[str, Any]]) -> None:
    assert outputs[6]["printed"] == "interrupted\n3 runs\n"
