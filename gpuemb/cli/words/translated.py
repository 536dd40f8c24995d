"""What ``gpuemb translate`` says and writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gpuemb.cli.printing import say
from gpuemb.cli.tables import described

if TYPE_CHECKING:
    from gpuemb.embeddings.model import Embedding
    from gpuemb.embeddings.translations import Translations
    from gpuemb.words.translation.precision import TranslationPrecision
    from gpuemb.words.translation.result import Translation

Lists: TypeAlias = Sequence[tuple[str, Sequence[tuple[str, float]]]]  # words and their translations
NAMED = 5  # unknown words that are named


def say_translation(
    tables: Sequence[Embedding],
    found: Translation,
    precision: TranslationPrecision | None,
    near: Lists | None,
) -> None:
    """Say what the map was fitted on, how it does on tested words, and translations."""
    for table in tables:
        say(described(table))
    steps = ", ".join(found.normalize) or "rows as they are"
    say(f"Map: {found.method} ({steps}), fitted on {len(found.pairs):,} of {found.given:,} pairs")
    _say_unknown(found)
    if found.refined:
        say(f"Refined on {', '.join(f'{count:,}' for count in found.refined)} mutual nearest words")
    if found.reason:
        say(f"The map is one of many: {found.reason}")
    if precision is not None:
        say()
        say(str(precision))
        _say_unknown(precision)
    for word, lines in near or ():
        say()
        say(word)
        width = max((len(name) for name, _ in lines), default=0)
        for rank, (name, score) in enumerate(lines, 1):
            say(f"{rank:>4}  {name:<{width}}  {score:6.3f}")
        if not lines:
            say("      none: its vector is zero")


def _say_unknown(found: Translation | TranslationPrecision) -> None:
    for side, words in (("source", found.unknown_source), ("target", found.unknown_target)):
        if words:
            more = f" and {len(words) - NAMED:,} more" if len(words) > NAMED else ""
            say(f"Not in the {side}: {', '.join(words[:NAMED])}{more}")


def mapping_of(
    found: Translation, precision: TranslationPrecision | None, near: Lists | None
) -> dict[str, Any]:
    """The result for programs; what was not asked for is null."""
    return {
        "source": found.source.name,
        "target": found.target.name,
        "method": found.method,
        "normalize": list(found.normalize),
        "metric": found.metric,
        "csls_k": found.k,
        "pairs": len(found.pairs),
        "given": found.given,
        "unknown_source": list(found.unknown_source),
        "unknown_target": list(found.unknown_target),
        "refined": list(found.refined),
        "reason": found.reason,
        "precision": None
        if precision is None
        else {
            "at": list(precision.at),
            "precision": list(precision.precisions),
            "intervals": [list(ends) for ends in precision.intervals],
            "confidence": precision.confidence,
            "words": len(precision.words),
            "given": precision.given,
            "among_seeds": precision.among_seeds,
            "unknown_source": list(precision.unknown_source),
            "unknown_target": list(precision.unknown_target),
        },
        "translations": None
        if near is None
        else [
            {"word": word, "translations": [{"word": name, "score": score} for name, score in lines]}
            for word, lines in near
        ],
    }


def write_translation(
    found: Translation,
    near: Lists | None,
    tested: Translations | None,
    out: Path | None,
    mapped: Path | None,
    mapped_target: Path | None,
) -> None:
    """Write lists of translations and mapped tables, where a file was named."""
    import gpuemb

    for path, table in ((mapped, found.source), (mapped_target, found.target)):
        if path is not None:
            gpuemb.save(table, path)
    if out is not None and near is not None:
        _write_lists(near, tested, out)


def _write_lists(near: Lists, tested: Translations | None, out: Path) -> None:
    import pyarrow
    from pyarrow.parquet import write_table

    from gpuemb.core.files import replacing

    right: dict[str, set[str]] = {}
    for word, other in () if tested is None else tested.pairs:
        right.setdefault(word, set()).add(other)
    rows = [
        (word, rank, name, score, name in right[word] if word in right else None)
        for word, lines in near
        for rank, (name, score) in enumerate(lines, 1)
    ]
    names = ("word", "rank", "translation", "score", "right")
    kinds = (pyarrow.string(), pyarrow.int32(), pyarrow.string(), pyarrow.float64(), pyarrow.bool_())
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    arrays = [pyarrow.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)]
    with replacing(out) as file:
        write_table(pyarrow.table(arrays, list(names)), file, compression="zstd")
