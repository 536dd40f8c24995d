"""A map of words with what says how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix, Int64
from gpuemb.core.doors import door
from gpuemb.core.progress import Progress
from gpuemb.core.results import result
from gpuemb.words.maps.agreement import MapAgreement, agreement_of
from gpuemb.words.maps.drawing import LABELS, Drawing, PaperName, drawn, honest_lines
from gpuemb.words.maps.faithfulness import Trustworthiness, judged_map
from gpuemb.words.maps.inputs import Mapped
from gpuemb.words.maps.writing import frame_of, saved, table_of

if TYPE_CHECKING:
    import pandas
    import pyarrow
    from matplotlib.axes import Axes


@result(kw_only=True)
class WordMap:
    """Words at places on a plane; prints as what the picture is worth.

    Attributes:
        method: ``PCA``, ``t-SNE`` or ``UMAP``.
        name: of the table.
        words: the ``V`` words, where the table has them.
        counts: ``(V,)`` occurrences of each, where known.
        coordinates: ``(V, k)`` float64; NaN of rows of zeros, which have no neighbors (not of PCA).
        quality: how far neighbors on the map are neighbors in the table.
        runs: names of the ``S`` runs whose consensus is drawn; none of a single table.
        run_coordinates: ``(S, V, k)`` the map of each run, made of that run alone, then turned onto the
            map of the consensus.
        run_qualities: the same as ``quality`` of each run's map and table.
        agreement: which neighbors on one run's map are neighbors on another's; None below two runs.
        settings: with which the map was made.
    """

    method: str
    name: str
    words: Sequence[str] | None
    counts: Int64 | None
    coordinates: Float64
    quality: Trustworthiness
    runs: tuple[str, ...]
    run_coordinates: Float64
    run_qualities: tuple[Trustworthiness, ...]
    agreement: MapAgreement | None
    settings: Mapping[str, Any]

    def __float__(self) -> float:
        return self.value

    def __len__(self) -> int:
        return len(self.coordinates)

    @property
    def value(self) -> float:
        """Trustworthiness."""
        return self.quality.value

    @property
    def without_place(self) -> int:
        """Words that are not on the map: rows of zeros."""
        return int(np.isnan(self.coordinates).any(axis=1).sum())

    def __str__(self) -> str:
        return "\n".join([f"{self.method} of {self.name}: {len(self):,} words", *honest_lines(self)])

    @property
    def table(self) -> pyarrow.Table:
        """A pyarrow table, one row a word, in the order of the table.

        Its columns are ``word``, ``x``, ``y`` (``axis 3``, …), ``kept``, of several runs ``agreement`` and
        ``x: RUN``, ``y: RUN`` of each. How far the map can be trusted stands in the schema's metadata, as
        JSON under ``gpuemb``.
        """
        return table_of(self)

    def to_pandas(self) -> pandas.DataFrame:
        """Return ``table`` as a pandas data frame, its words as index.

        Raises:
            ConfigError: pandas is not installed.
        """
        return frame_of(self)

    @door
    def plot(
        self,
        ax: Any = None,
        *,
        words: Sequence[str] | None = None,
        labels: int = LABELS,
        color: Any = None,
        color_label: str = "",
        axes: tuple[int, int] = (0, 1),
        theme: PaperName = "light",
    ) -> Axes:
        """Draw the map, with what it is worth below it.

        Args:
            ax: axes of matplotlib; a new figure by default, which is ``.figure`` of what is returned.
            words: to be named and marked; by default frequent ones all over the map.
            labels: how many words are named when none are asked for; fewer where they would overlap.
            color: ``(V,)`` numbers, from pale to strong; NaN is gray.
            color_label: what they are.
            axes: numbers of the coordinates that are drawn.
            theme: ``light`` or ``dark``.

        Raises:
            VocabularyError: an unknown word, with the closest spellings.
            ConfigError: no such coordinate, or unknown words of rows without words.
            ShapeError: ``color`` has another length.
        """
        return drawn(self, ax, Drawing(words, labels, color, color_label, axes, theme))

    @door
    def save(
        self,
        path: str | Path,
        *,
        words: Sequence[str] | None = None,
        labels: int = LABELS,
        color: Any = None,
        color_label: str = "",
        axes: tuple[int, int] = (0, 1),
        theme: PaperName = "light",
    ) -> Path:
        """Write the map: as a table to ``.parquet`` or ``.csv``, drawn to ``.svg``, ``.pdf`` or ``.png``.

        Args:
            path: of the file.
            words: see :meth:`plot`, as the other options of pictures.
            labels: how many words are named.
            color: ``(V,)`` numbers.
            color_label: what they are.
            axes: numbers of the coordinates that are drawn.
            theme: ``light`` or ``dark``.

        Raises:
            ConfigError: another ending; or as :meth:`plot`.
            StorageError: the file cannot be written.
        """
        return saved(self, Path(path), Drawing(words, labels, color, color_label, axes, theme))


def judged_together(
    where: str,
    given: Mapped,
    points: Float64,
    run_points: Sequence[Float64],
    neighbors: int | None,
    judged: int,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Return the fields of a :class:`WordMap` that are the same for every method."""

    def judge(table: FloatMatrix, places: Float64) -> Trustworthiness:
        return judged_map(where, table, places, neighbors, judged, seed, progress)

    return {
        "name": given.name,
        "words": given.words,
        "counts": given.counts,
        "coordinates": points,
        "quality": judge(given.table, points),
        "runs": given.runs,
        "run_coordinates": np.array(run_points).reshape(-1, *points.shape),
        "run_qualities": tuple(map(judge, given.tables, run_points)),
        "agreement": agreement_of(where, run_points, given.runs, neighbors) if run_points else None,
    }
