"""What is the same on every machine, tried with the code that other processors would run."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

from gpuemb.core.arithmetic import arithmetic

DIGESTS = """
import hashlib, json
import numpy as np
import gpuemb as ge
from corpus.texts import random_text

tokens = ge.read_corpus([line for line in random_text().split("\\n") if line])
counts = ge.count_cooccurrences(tokens, 5)
vectors = np.random.default_rng(0).standard_normal((300, 50)).astype(np.float32)
found = ge.nearest_neighbors(vectors, 10)
svd = ge.train(counts, ge.PPMISVD(dim=10), seeds=1).vectors
arrays = {
    "tokens": [tokens.ids, tokens.starts, tokens.vocabulary.counts],
    "counts": [counts.rows.indptr, counts.rows.indices, counts.rows.data],
    "neighbors": [found.ids, found.scores],
    "cosines": [ge.cosine_matrix(vectors[:40], vectors).scores],
    "svd": [svd],
}
print(json.dumps({
    name: hashlib.blake2b(b"".join(np.ascontiguousarray(a).tobytes() for a in several)).hexdigest()
    for name, several in arrays.items()
}))
"""
OTHERS = {  # of x86: what an older processor has
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR",
}


def digests(**variables: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DIGESTS],
        env={**os.environ, **variables, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are kinds of another processor")
@pytest.mark.skipif("openblas" not in arithmetic()["blas"], reason="OpenBLAS alone is told by a variable")
def test_tokens_counts_and_neighbors_are_the_same_for_other_code_of_blas_and_numpy() -> None:
    here, there = digests(), digests(**OTHERS)
    assert here.keys() == there.keys()
    for name in ("tokens", "counts", "neighbors", "cosines"):
        assert here[name] == there[name], name
