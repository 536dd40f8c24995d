"""rsatoolbox gives the same correlations, from squared distances of unit rows in place of cosines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from geometry.definitions import random_table

from gpuemb.geometry.ranks.matrix_correlation import METHODS
from gpuemb.geometry.rsa import Method, rsa

PEER = {"pearson": "corr", "spearman": "spearman", "kendall": "tau-b"}


@pytest.fixture(scope="module")
def peer() -> Any:
    try:
        return pytest.importorskip(
            "rsatoolbox", reason="rsatoolbox is not installed (pip install rsatoolbox)"
        )
    except Warning as warning:
        pytest.skip(f"rsatoolbox warns when it is imported: {warning}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", METHODS)
def test_rsatoolbox_agrees(peer: Any, method: Method) -> None:
    x, y = random_table(40), random_table(40)[:, :4] + random_table(40, 4, 1)
    rows = [table / np.linalg.norm(table, axis=1, keepdims=True) for table in (x, y)]
    rdms = [peer.rdm.calc_rdm(peer.data.Dataset(table), method="euclidean") for table in rows]
    theirs = float(np.squeeze(peer.rdm.compare(*rdms, method=PEER[method])))
    assert abs(theirs - rsa(x, y, range(40), method=method).value) < 1e-12


@pytest.mark.filterwarnings("ignore")
def test_its_correlation_distances_are_cosines_of_rows_without_their_means(peer: Any) -> None:
    x, y = random_table(40), random_table(40)[:, :4] + random_table(40, 4, 1)
    rdms = [peer.rdm.calc_rdm(peer.data.Dataset(table), method="correlation") for table in (x, y)]
    theirs = float(np.squeeze(peer.rdm.compare(*rdms, method="corr")))
    assert abs(theirs - rsa(*(table - table.mean(1, keepdims=True) for table in (x, y))).value) < 1e-12
    assert abs(theirs - rsa(x, y).value) > 1e-3
