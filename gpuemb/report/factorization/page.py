"""The page of a factorization: one file that opens anywhere, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core.arrays import to_host
from gpuemb.core.files import replacing
from gpuemb.factorization.experiment import CosineExperiment
from gpuemb.pictures.style import Plot
from gpuemb.report.factorization.described import Described, Solution
from gpuemb.report.factorization.figures import open_choice, picture, spectrum
from gpuemb.report.factorization.picture import borders, cosine_plots, experiment_panels
from gpuemb.report.house import house, today
from gpuemb.report.numbers import MISSING, number, part, plural, times, whole
from gpuemb.report.overlaps import Claim

LISTED = 12  # items whose neighbors the page lists
NAMED = 5  # neighbors of each of them
LEAST_USERS = 5  # of a listed item: neighbors of rarer ones rest on too little


@dataclass(frozen=True)
class Lists:
    """An item with its nearest items by each solution."""

    item: str
    users: int
    kept: str
    neighbors: tuple[tuple[str, ...], ...]


def write_factorization_page(found: Described, path: Path, title: str) -> Path:
    """Write the page of one factorization.

    Raises:
        StorageError: the file cannot be written.
    """
    data, first = found.data, found.plain.factors
    light, dark = picture(found)
    return _write(
        path,
        title=title,
        kicker="gpuemb factorization",
        lead="Equally good factors have different cosines. Which of them say something of the items?",
        facts=[
            (whole(len(data.users)), "users"),
            (whole(len(data.items)), "items"),
            (whole(data.nonzeros), "interactions"),
            ("", f"rank {first.rank}, λ = {number(first.penalty)}"),
            ("", f"from {found.source}"),
        ],
        claims=claims(found),
        light=light,
        dark=dark,
        picture_title="Cosines between items, by equally good solutions",
        picture_caption="The same items in the same order in every square: groups of the original space, the"
        " largest first, by number of users in each. The three D have the same predictions; objective 2 and"
        " the original space depend on no D.",
        plots=[spectrum(found), open_choice(found)],
        solutions=[one.title for one in found.solutions],
        lists=_lists(found),
        k=min(NAMED, found.k),
        scores=None,
        notes=str(data),
    )


def write_experiment_page(found: CosineExperiment, path: Path, title: str) -> Path:
    """Write the page of an experiment with known clusters.

    Raises:
        StorageError: the file cannot be written.
    """
    light, dark = cosine_plots("experiment", experiment_panels(found), borders(found.clusters))
    first = found.first
    return _write(
        path,
        title=title,
        kicker="gpuemb factorization",
        lead="Clusters of items are known here. Which cosines of equally good factors show them?",
        facts=[
            (whole(len(first.users)), "users"),
            (whole(len(first.items)), "items"),
            (whole(first.nonzeros), "interactions"),
            ("", f"rank {found.rank}, λ = {number(found.panels[0].penalty)}"),
            ("", plural(len(found.seeds), "simulation")),
        ],
        claims=experiment_claims(found),
        light=light,
        dark=dark,
        picture_title="The true clusters, and cosines by each solution",
        picture_caption="Items stand by true cluster and popularity. Mean ± standard deviation over the"
        " simulations: within and between clusters, the mean cosine of two items; Rand, the adjusted Rand"
        " index of Ward’s tree on the cosines; nearest, the share of items whose nearest item is of their own"
        " cluster.",
        plots=[],
        solutions=[],
        lists=[],
        k=0,
        scores=score_rows(found),
        notes="Simulated after Steck, Ekanadham and Kallus (2024), arXiv 2403.05440.",
    )


def claims(found: Described) -> list[Claim]:
    """The main sentences of one factorization."""
    k, open_, first = found.k, found.ambiguity, found.plain
    second = next(one for one in found.solutions if one.name == "objective 2").factors
    told = []
    if np.isfinite(open_.value):
        better = f", {times(open_.value / open_.chance)} chance" if open_.value > open_.chance else ""
        told.append(
            Claim(
                f"{part(k * open_.value, k)} of {k}",
                f"nearest items of an item stay on average when D = s^t or σ^t, t from −1 to 1{better}. All"
                " these factors have the same product, the same loss and the same predictions.",
            )
        )
    shared = first.shared(found.original)
    known = shared[np.isfinite(shared)]
    if len(known):
        told.append(
            Claim(
                f"{part(k * float(known.mean()), k)} of {k}",
                "nearest items by the cosine of D = 1 are also nearest in the original space, where cosines"
                " are those of the predictions and depend on no D.",
            )
        )
    told.append(
        Claim(
            f"{second.effective_rank} of {second.rank}",
            f"axes are kept by objective 2 at λ = {number(second.penalty)}: only singular values above λ"
            f" (the largest is {number(float(second.singular_values[0]))}).",
        )
    )
    return told


def experiment_claims(found: CosineExperiment) -> list[Claim]:
    """The main sentences of an experiment."""
    within, rand = (np.nanmean(found.values(score), axis=1) for score in ("within", "adjusted_rand"))
    open_ = [
        place for place, one in enumerate(found.panels) if one.name in ("shrinkage", "inverse-shrinkage")
    ]
    low, high = within[open_].min(), within[open_].max()
    best = int(np.argmax(rand))
    return [
        Claim(
            f"{low:.2f} to {high:.2f}",
            "is the mean cosine of two items of one cluster, depending on D alone: the same product, the same"
            " loss, the same predictions.",
        ),
        Claim(
            f"{rand.min():.2f} to {rand.max():.2f}",
            "is the adjusted Rand index of the true clusters and those found from the cosines; most by"
            f" {found.panels[best].title}.",
        ),
    ]


def _write(path: Path, *, light: Plot, dark: Plot, **parts: Any) -> Path:
    text = (
        house().get_template("factorization.html.j2").render(light=light, dark=dark, written=today(), **parts)
    )
    with replacing(path) as file:
        file.write(text.encode("utf-8", "replace"))
    return path


def _lists(found: Described) -> list[Lists]:
    """Items of enough users whose neighbors depend most on D, the most chosen first."""
    survive = found.plain.shared(found.original)
    counts = found.data.item_counts
    enough = np.flatnonzero(np.isfinite(survive) & (counts >= min(LEAST_USERS, int(counts.max()))))
    chosen = enough[np.argsort(survive[enough], kind="stable")][:LISTED]
    return [
        Lists(
            found.data.items[item],
            int(counts[item]),
            part(found.k * float(survive[item]), found.k),
            tuple(_names(found, one, item) for one in found.solutions),
        )
        for item in sorted(chosen.tolist())
    ]


def _names(found: Described, one: Solution, item: int) -> tuple[str, ...]:
    if one.neighbors is None:
        return ()
    ids = to_host(one.neighbors.ids[item])[:NAMED]
    return tuple(found.data.items[near] for near in ids if near >= 0)


def score_rows(found: CosineExperiment) -> list[tuple[str, ...]]:
    """Title, rank and each score of every solution."""
    rows = []
    for place, one in enumerate(found.panels):
        scores = [
            found.values(score)[place] for score in ("within", "between", "adjusted_rand", "nearest_in_own")
        ]
        rows.append((one.title, _range(found.ranks[place]), *map(_spread, scores)))
    return rows


def _range(ranks: Sequence[int]) -> str:
    low, high = min(ranks), max(ranks)
    return f"{low}" if low == high else f"{low} to {high}"


def _spread(values: Any) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return MISSING
    mean = f"{round(float(known.mean()), 3) + 0.0:.3f}".replace("-", "−")
    return mean if len(known) == 1 else f"{mean} ± {known.std(ddof=1):.3f}"
