"""Named random streams, counter-based, one for every use."""

from __future__ import annotations

import hashlib
import operator

import numpy as np


def stream(seed: int, *purpose: str | int) -> np.random.Generator:
    """Return the stream of ``seed`` for one named use.

    Streams of different names are independent, so adding a use never changes another one's
    numbers: ``stream(7, "glove", "initialization")`` and ``stream(7, "glove", "order")``.

    Source: Philox 4x64-10, Salmon et al. (2011), keyed by BLAKE2b of the name.
    """
    name = "\x1f".join([str(operator.index(seed)), *map(_spelled, purpose)])
    key = hashlib.blake2b(name.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(key, np.uint64)))


def _spelled(part: str | int) -> str:
    """Encode a part uniquely: different values have different encodings."""
    if isinstance(part, str):
        return "str:" + part.encode("unicode_escape").decode()
    return f"int:{operator.index(part)}"
