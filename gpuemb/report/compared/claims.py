"""What a comparison of tables or of two groups lets one say."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.report.numbers import hundredths, number, part, percent, plural, whole
from gpuemb.report.overlaps import Claim, against_chance, interval_said
from gpuemb.stability.compare import Comparison
from gpuemb.stability.questions.drift.result import Drift, DriftMeasure
from gpuemb.stability.result import PairMeasure

NAMED = 6  # words
GEOMETRY = ("rsa", "cka")  # measures of whole tables that people know


def claims_of_comparison(found: Comparison) -> list[Claim]:
    """Everything worth saying of a comparison, the most telling first."""
    taken = {one.measure: one for one in found.measures}
    made = [_kept(found, taken.get("overlap")), _rows(found), *_ends(found), *_geometry(taken)]
    return [one for one in made if one is not None]


def _kept(found: Comparison, one: PairMeasure | None) -> Claim | None:
    if one is None or math.isnan(one.estimate.value):
        return None
    k = found.neighbors
    kept, several = part(k * one.estimate.value, k), len(found.runs) > 2
    sure = f" ({interval_said(one.estimate, k)})" if several else ""
    who = f"Two of the {len(found.runs)} tables" if several else f"{found.runs[0]} and {found.runs[1]}"
    return Claim(
        f"{kept} of {k}",
        f"{who} share {kept} of a word’s {k} nearest neighbors on average{sure}{against_chance(one, k)}",
        figure="overlap" if several else "",
    )


def _rows(found: Comparison) -> Claim | None:
    if found.rows is None or not found.rows.compared:
        return None
    half, beyond, rate = (
        percent(found.rows.kept_half),
        percent(found.rows.beyond_chance),
        found.rows.kept.rate,
    )
    return Claim(
        half,
        f"{half} of the {whole(found.rows.compared)} words keep at least half of their {found.neighbors}"
        f" neighbors; {beyond} keep more than chance would leave ({percent(rate)} false discoveries).",
    )


def _ends(found: Comparison) -> list[Claim]:
    overlap = overlap_of_words(found)
    if overlap is None:
        return []
    words, made, k = found.words["word"].to_pylist(), [], found.neighbors
    known = np.flatnonzero(np.isfinite(overlap))
    if len(known) < 4 * NAMED or np.ptp(overlap[known]) == 0:
        return []
    for end, order in (("least", overlap), ("most", -overlap)):
        chosen = known[np.argsort(order[known], kind="stable")[:NAMED]]
        low, high = (part(float(x), k) for x in (k * overlap[chosen].min(), k * overlap[chosen].max()))
        said = low if low == high else f"{low} to {high}"
        made.append(
            Claim(
                said.replace(" to ", "–"),
                f"The words that the tables agree {end} about share {said} of {k} neighbors:",
                words=tuple(words[row] for row in chosen.tolist()),
            )
        )
    return made


def _geometry(taken: dict[str, PairMeasure]) -> list[Claim]:
    return [
        Claim(
            hundredths(taken[name].estimate.value),
            f"{taken[name].title}: {taken[name].meaning[0].lower()}{taken[name].meaning[1:]}",
        )
        for name in GEOMETRY
        if name in taken and not math.isnan(taken[name].estimate.value)
    ]


def overlap_of_words(found: Comparison) -> Float64 | None:
    """``(V,)`` the share of neighbors that two tables have in common, mean over pairs; None if not taken."""
    if "overlap" not in found.words.column_names:
        return None
    return np.asarray(found.words["overlap"].to_numpy(), np.float64)


def claims_of_drift(found: Drift) -> list[Claim]:
    """Everything worth saying of a drift: what each measure found, and the words."""
    made = [_found(found, one) for one in found.measures]
    changed = [one for one in found.changed(NAMED) if one.q_value <= found.measures[0].discoveries.rate]
    if changed:
        first, second = found.groups
        made.insert(
            1,
            Claim(
                plural(found.measures[0].discoveries.count, "word"),
                f"The words that drifted most from {first} to {second}, by the"
                f" {found.measures[0].title[0].lower()}{found.measures[0].title[1:]}:",
                words=tuple(one.word for one in changed),
            ),
        )
    return made


def _found(found: Drift, one: DriftMeasure) -> Claim:
    share, tests, count = one.share, one.discoveries.tests, one.discoveries.count
    figure = f"volcano-{one.measure.replace('_', '-')}"
    ratio, rate = "", f"{percent(one.discoveries.rate)} false discoveries"
    if not math.isnan(one.ratio.value):
        ends = _ends_said((one.ratio.low, one.ratio.high), number)
        ratio = f" Distances between groups are {number(one.ratio.value)} times those within{ends}."
    if not count:
        said = f"{one.title}: no word drifted beyond the noise of its runs ({rate}).{ratio}"
        return Claim("0", said, figure=figure)
    about = ""
    if not math.isnan(share.value):
        about = f"; the share of all words that drifted is estimated at {percent(share.value)}"
        about += _ends_said((share.low, share.high), percent)
    said = f"{whole(count)} of {plural(tests, 'word')} drifted beyond the noise of its runs ({rate}){about}"
    return Claim(percent(count / tests), f"{one.title}: {said}.{ratio}", figure=figure)


def _ends_said(ends: tuple[float, float], spell: Callable[[float], str]) -> str:
    low, high = ends
    return "" if math.isnan(low) else f" (95% interval {spell(low)} to {spell(high)})"
