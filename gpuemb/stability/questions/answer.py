"""The answer to a question: findings with intervals, the sentences they allow, tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from gpuemb.core.results import result

if TYPE_CHECKING:
    import pyarrow


@result
class Finding:
    """One number that answers a question, and the sentence that it allows.

    Attributes:
        about: what it is a number of: the models, and what was swept.
        measure: its name.
        value: the estimate; NaN where there is none.
        low: lower end of the 95 % interval; NaN where there is none.
        high: upper end.
        holds: whether the interval allows the claim; where not, the sentence says so.
        sentence: what one may say.
    """

    about: str
    measure: str
    value: float
    low: float
    high: float
    holds: bool
    sentence: str

    def __float__(self) -> float:
        return self.value


@result
class Answer:
    """What a study says to a question.

    Attributes:
        question: its name.
        asks: the question, in one line.
        findings: numbers with intervals and sentences, the most telling first.
        tables: pyarrow tables by name; written beside the study as ``answers/<question>-<name>.parquet``.
        notes: what to know of these numbers.

    Example:
        >>> model = ge.ModelConfig(ge.PPMISVD(dim=2), seeds=(0, 1, 2), vary="bootstrap")
        >>> asked = {"corpus": "pets.txt", "text": {"min_count": 1}, "neighbors": 2, "models": [model],
        ...          "sweep": {"dim": [2, 3]}, "question": "dimension"}
        >>> answer = ge.study(asked, out="pets-dim").answers[0]
        >>> answer.question, answer.tables["levels"].column_names[:3]
        ('dimension', ['models', 'dim', 'model'])
    """

    question: str
    asks: str
    findings: tuple[Finding, ...]
    tables: Mapping[str, pyarrow.Table] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Everything that one may say."""
        return " ".join(one.sentence for one in self.findings)

    def as_mapping(self) -> dict[str, Any]:
        """Return it for JSON: findings and notes; tables by their names and numbers of rows."""
        return {
            "question": self.question,
            "asks": self.asks,
            "findings": [
                {
                    "about": one.about,
                    "measure": one.measure,
                    "value": _number(one.value),
                    "low": _number(one.low),
                    "high": _number(one.high),
                    "holds": one.holds,
                    "sentence": one.sentence,
                }
                for one in self.findings
            ],
            "notes": list(self.notes),
            "tables": {name: table.num_rows for name, table in self.tables.items()},
        }

    def __str__(self) -> str:
        return "\n".join([self.asks, *(one.sentence for one in self.findings), *self.notes])


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
