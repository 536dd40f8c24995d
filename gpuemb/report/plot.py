"""The figures of the report on axes of matplotlib, and in files for a paper.

Every function returns the axes that it drew on, with its claim as title: ``.figure.savefig("figure.pdf")``
keeps it, and ``axes=`` takes axes of your own.

Example:
    >>> model = ge.ModelConfig(ge.PPMISVD(dim=2), seeds=(0, 1, 2), vary="bootstrap")
    >>> config = ge.StudyConfig(("pets.txt",), ge.TextConfig(min_count=1), models=(model,), neighbors=2)
    >>> result = ge.study(config, out="pets-drawn")
    >>> ge.plot.overlap_by_depth(result).get_xlabel()
    'first neighbors compared'
    >>> [path.name for path in ge.plot.save(result, "figures", kinds=["svg"])][:2]
    ['ppmi-svd-stability.svg', 'ppmi-svd-frequency.svg']
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gpuemb.core.checks import check_choice
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.core.files import check_folder, replacing
from gpuemb.pictures.drawings import FORMATS, Drawing
from gpuemb.report.figures import models
from gpuemb.report.figures.answers import answer_figures
from gpuemb.report.figures.depth import depth
from gpuemb.report.figures.drift import volcano as volcano_of
from gpuemb.report.figures.heatmaps import heat_map as map_of
from gpuemb.report.figures.study import every_figure
from gpuemb.report.figures.training import losses as losses_of
from gpuemb.stability.compare import Comparison
from gpuemb.stability.questions.answer import Answer
from gpuemb.stability.questions.drift.result import Drift
from gpuemb.stability.result import ModelResult, StudyResult
from gpuemb.words.maps.layouts import tsne
from gpuemb.words.maps.principal import pca

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@door
def stability(result: StudyResult, model: str = "", axes: Any = None) -> Axes:
    """Draw how many words keep how many of their neighbors.

    Args:
        result: the study.
        model: name of one of its models; the first one by default.
        axes: of matplotlib; a new figure by default.

    Raises:
        ConfigError: an unknown model, no axes, or nothing to draw.
    """
    return models.stability(_model(result, model)).on_axes(axes)


@door
def frequency(result: StudyResult, model: str = "", axes: Any = None) -> Axes:
    """Draw stability against how often words occur, with outliers named.

    Args:
        result: the study.
        model: as :func:`stability`.
        axes: as :func:`stability`.

    Raises:
        ConfigError: as :func:`stability`.
    """
    return models.frequency(_model(result, model), result.vocabulary).on_axes(axes)


@door
def alignment(result: StudyResult, model: str = "", axes: Any = None) -> Axes:
    """Draw how alike a word's vectors are in two runs, before and after the best rotation.

    Args:
        result: the study.
        model: as :func:`stability`.
        axes: as :func:`stability`.

    Raises:
        ConfigError: as :func:`stability`.
    """
    return models.alignment(_model(result, model)).on_axes(axes)


@door
def spectra(result: StudyResult, model: str = "", axes: Any = None) -> Axes:
    """Draw how each run's variance is spread over its directions, with the line of Zipf's law.

    Args:
        result: the study.
        model: as :func:`stability`.
        axes: as :func:`stability`.

    Raises:
        ConfigError: as :func:`stability`.
    """
    return models.spectra(_model(result, model)).on_axes(axes)


@door
def overlap_by_depth(result: StudyResult, model: str = "", axes: Any = None) -> Axes:
    """Draw the overlap of the first 1, 2, …, k neighbors of two runs, with its interval and chance.

    Args:
        result: the study.
        model: as :func:`stability`.
        axes: as :func:`stability`.

    Raises:
        ConfigError: as :func:`stability`.
    """
    return depth(_model(result, model)).on_axes(axes)


@door
def word_map(
    result: StudyResult, model: str = "", axes: Any = None, method: Literal["pca", "tsne"] = "pca"
) -> Axes:
    """Draw the words of the consensus of all runs, colored by stability, and what the map is worth.

    Args:
        result: the study.
        model: as :func:`stability`.
        axes: as :func:`stability`.
        method: ``pca``, or ``tsne``, which needs the extra ``map``.

    Raises:
        ConfigError: as :func:`stability`; the extra is missing; or tables vary in fewer than two directions.
        ShapeError: runs of unequal dimensions, which have no consensus.

    Cost: that of :func:`gpuemb.pca` or :func:`gpuemb.tsne` of all runs.
    """
    found = _model(result, model)
    drawn = (tsne if method == "tsne" else pca)(found.stack)
    rows = [result.vocabulary.ids[word] for word in found.stack.index_to_key]
    label = f"share of {found.neighbor_ids.shape[2]} neighbors kept"
    return drawn.plot(axes, color=found.words.overlap[rows], color_label=label)


@door
def losses(result: StudyResult, model: str = "", axes: Any = None) -> Axes:
    """Draw the loss of every epoch, a line a run.

    Args:
        result: the study.
        model: as :func:`stability`.
        axes: as :func:`stability`.

    Raises:
        ConfigError: as :func:`stability`, or a model without epochs.
    """
    found = _model(result, model)
    drawn = losses_of(found)
    if drawn is None:
        raise ConfigError(
            f"plot.losses: {found.config.name} has no losses",
            needed="Losses are those of two epochs or more.",
            remedy="Draw a GloVe or a skip-gram model.",
        )
    return drawn.on_axes(axes)


@door
def heat_map(
    result: StudyResult | Comparison, model: str = "", axes: Any = None, measure: str = "overlap"
) -> Axes:
    """Draw one measure of every pair of runs.

    Args:
        result: a study or a comparison of tables.
        model: of a study, as :func:`stability`.
        axes: as :func:`stability`.
        measure: its name.

    Raises:
        ConfigError: as :func:`stability`, or a measure that was not taken.
    """
    if isinstance(result, Comparison):
        return map_of(result[measure], result.runs, "tables").on_axes(axes)
    found = _model(result, model)
    name = f"overlap_at_{found.neighbor_ids.shape[2]}" if measure == "overlap" else measure
    taken = [one.measure for one in found.pairs]
    return map_of(found.pair(name if name in taken else measure), found.runs, found.config.name).on_axes(axes)


@door
def volcano(found: Drift, measure: str = "", axes: Any = None) -> Axes:
    """Draw which words drifted beyond noise: effects against p-values, with the line of false discoveries.

    Args:
        found: what :func:`gpuemb.drift` or :func:`gpuemb.corpus_drift` returned.
        measure: its name; the first one by default.
        axes: as :func:`stability`.

    Raises:
        ConfigError: a measure that was not taken, no axes, or nothing to draw.
    """
    return volcano_of(found, found[measure] if measure else found.measures[0]).on_axes(axes)


@door
def answer(answer: Answer, figure: str = "", axes: Any = None) -> Axes:
    """Draw a figure of the answer to a question: trends, causes, or how neighbors settle.

    Args:
        answer: of a study, in ``result.answers``.
        figure: its name; the first one by default.
        axes: as :func:`stability`.

    Raises:
        ConfigError: an answer without figures, an unknown figure, or no axes.
    """
    named = {one.name: one for one in answer_figures(answer)}
    if not named:
        raise ConfigError(
            f"plot.answer: the question {answer.question!r} has no figure",
            needed="Figures have the questions dimension, data, causes and training.",
            remedy="Read answer.findings and answer.tables.",
        )
    if figure:
        check_choice("plot.answer", "figure", figure, tuple(named))
    return named[figure or next(iter(named))].on_axes(axes)


@door
def save(
    result: StudyResult | Drift | Comparison, folder: str | Path, kinds: Sequence[str] = ("svg", "pdf")
) -> list[Path]:
    """Write every figure for a paper, without titles, and ``captions.md`` with claims and captions.

    Args:
        result: a study, a drift or a comparison.
        folder: is made where it is missing.
        kinds: of files: ``svg``, ``pdf``, ``png``.

    Returns:
        The files.

    Raises:
        ConfigError: another kind of file.
        StorageError: a file cannot be written.
    """
    return saved(result, Path(folder), kinds)


def saved(result: StudyResult | Drift | Comparison, folder: Path, kinds: Sequence[str]) -> list[Path]:
    """As :func:`save`."""
    for kind in kinds:
        check_choice("plot.save", "kinds", kind, FORMATS)
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written, captions = [], ["# Captions", ""]
    for name, one in drawings_of(result).items():
        written += [one.save(folder / f"{name}.{kind}") for kind in kinds]
        captions += [f"**{name}**: {one.title}. {one.caption}", ""]
    with replacing(folder / "captions.md") as file:
        file.write("\n".join(captions).encode("utf-8", "replace"))
    return [*written, folder / "captions.md"]


def drawings_of(result: StudyResult | Drift | Comparison) -> dict[str, Drawing]:
    """Every figure of a result by the name of its file."""
    if isinstance(result, StudyResult):
        return every_figure(result)
    if isinstance(result, Drift):
        drawn = [volcano_of(result, one) for one in result.measures]
    else:
        drawn = [map_of(one, result.runs, "tables") for one in result.measures]
    return {one.name: one for one in drawn if one.draw is not None}


def _model(result: StudyResult, name: str) -> ModelResult:
    names = tuple(model.config.name for model in result.models)
    if name:
        check_choice("plot", "model", name, names)
    return result.models[names.index(name) if name else 0]
