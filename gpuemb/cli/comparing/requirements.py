"""What a pipeline requires of a comparison: ``--require "overlap_at_10 >= 0.6"``."""

from __future__ import annotations

import math
import operator
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpuemb.core.errors import ConfigError

UNMET = 3  # exit code
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
OF_COLUMNS: dict[str, Callable[[list[float]], float]] = {
    "min": min,
    "max": max,
    "mean": statistics.fmean,
    "median": statistics.median,
}
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
FORM = re.compile(
    rf"\s*(?:(?P<of>\w+)\s*\(\s*(?P<column>\w+)\s*\)|(?P<name>\w+(?:\.\w+)?))\s*"
    rf"(?P<sign>>=|<=|==|!=|>|<)\s*(?P<number>{NUMBER})\s*(?P<percent>%?)\s*",
    re.ASCII,
)


@dataclass(frozen=True)
class Requirement:
    """A comparison with a number.

    Attributes:
        text: as it was typed.
        name: of a number, or of a column where ``of`` is given.
        of: the function of a column: ``min``, ``max``, ``mean`` or ``median``; empty for a number.
        sign: one of ``>= <= == != > <``.
        number: what is compared with.
    """

    text: str
    name: str
    of: str
    sign: str
    number: float

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Read ``NAME SIGN NUMBER`` or ``min(COLUMN) SIGN NUMBER``; nothing is evaluated.

        Raises:
            ConfigError: it is neither, or the function is unknown.
        """
        found = FORM.fullmatch(text)
        if found is None:
            raise ConfigError(
                f"require: {text!r} is not understood",
                needed="A requirement is a name, one of >= <= == != > <, and a number.",
                remedy='--require "overlap_at_10 >= 0.6", or --require "min(overlap) > 0".',
            )
        of = found["of"] or ""
        if of and of not in OF_COLUMNS:
            raise ConfigError(
                f"require: {of} of a column is not known",
                needed=f"Of a column, {', '.join(OF_COLUMNS)} can be required.",
                remedy=_hint(of, tuple(OF_COLUMNS)),
            )
        number = float(found["number"]) / (100 if found["percent"] else 1)
        return cls(text.strip(), found["column"] or found["name"], of, found["sign"], number)

    def check_known(self, numbers: Iterable[str], columns: Iterable[str]) -> None:
        """Refuse a name that is of nothing measured.

        Raises:
            ConfigError: it is not; the nearest names are given.
        """
        known = tuple(columns if self.of else numbers)
        if self.name not in known:
            kind = "column of words" if self.of else "number"
            raise ConfigError(
                f"require: {self.name} is no {kind} of this comparison",
                needed=f"Known: {', '.join(name for name in known if '.' not in name)}.",
                remedy=_hint(self.name, known),
            )

    def met_by(self, numbers: Mapping[str, float], columns: Mapping[str, Any]) -> Outcome:
        """Compare with what was found; a number that does not exist meets nothing."""
        if self.of:
            known = [float(value) for value in columns[self.name] if not math.isnan(value)]
            found = OF_COLUMNS[self.of](known) if known else math.nan
        else:
            found = numbers[self.name]
        return Outcome(self, found, not math.isnan(found) and OPERATORS[self.sign](found, self.number))


@dataclass(frozen=True)
class Outcome:
    """A requirement, the number that was found, and whether it is met."""

    required: Requirement
    found: float
    met: bool

    def __str__(self) -> str:
        found = "it does not exist" if math.isnan(self.found) else f"found {self.found:.6g}"
        return f"{'Met' if self.met else 'Not met'}: {self.required.text}: {found}"

    def as_mapping(self) -> dict[str, object]:
        """Return it for programs."""
        found = None if math.isnan(self.found) else self.found
        return {"required": self.required.text, "found": found, "met": self.met}


def _hint(given: str, known: Sequence[str]) -> str:
    from gpuemb.core.checks import nearest_hint

    return nearest_hint(given, known)


def parsed(typed: Sequence[str] | None) -> list[Requirement]:
    """Read all requirements before anything else is done."""
    return [Requirement.parse(text) for text in typed or ()]
