"""What holds arrays is compared by its own rule: the one that dataclasses write fails at them."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import numpy as np

import gpuemb
from gpuemb.core.results import is_result

ARRAY = re.compile(r"\b(Array|NDArray|Bytes|FloatMatrix|FloatStack|Float32|Float64|Int32|Int64)\b")


def dataclasses_of_the_package() -> Iterator[type]:
    for module in pkgutil.walk_packages(gpuemb.__path__, "gpuemb."):
        for kind in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(kind) and dataclasses.is_dataclass(kind) and kind.__module__ == module.name:
                yield kind


def test_every_dataclass_with_arrays_is_a_result_or_equal_to_itself_alone() -> None:
    kinds = [
        kind
        for kind in dataclasses_of_the_package()
        if any(ARRAY.search(str(field.type)) for field in dataclasses.fields(kind))
    ]
    wrong = [kind for kind in kinds if not is_result(kind) and kind.__eq__ is not object.__eq__]
    assert wrong == []
    assert len(kinds) > 50


def test_measures_without_an_interval_are_equal_to_themselves_and_not_to_each_other() -> None:
    x, y, z = (np.random.default_rng(seed).standard_normal((40, 5)) for seed in range(3))
    for measure in (gpuemb.procrustes, gpuemb.semantic_displacement, gpuemb.rsa, gpuemb.cka, gpuemb.pwcca):
        found = measure(x, y, blocks=0)
        assert found == found
        assert found == measure(x, y, blocks=0)
        assert found != measure(x, z, blocks=0)
    listed = [gpuemb.rsa(x, other, [0, 1, 2]) for other in (y, y, z)]
    assert listed[0] == listed[1] != listed[2]
