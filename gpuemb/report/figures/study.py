"""Every figure of a study, in the order of its page."""

from __future__ import annotations

from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.pictures.drawings import Drawing
from gpuemb.report.figures.answers import answer_figures
from gpuemb.report.figures.depth import depth
from gpuemb.report.figures.heatmaps import heat_maps
from gpuemb.report.figures.models import alignment, frequency, spectra, stability
from gpuemb.report.figures.training import losses
from gpuemb.stability.result import ModelResult, StudyResult


def figures(model: ModelResult, vocabulary: Vocabulary) -> tuple[Drawing, ...]:
    """Draw one model: stability, frequency, overlap by depth, alignment, spectra, losses where it has any.

    Args:
        model: what the study found.
        vocabulary: its words and how often they occur.
    """
    drawn = (
        stability(model),
        frequency(model, vocabulary),
        depth(model),
        alignment(model),
        spectra(model),
        losses(model),
    )
    return tuple(one for one in drawn if one is not None)


def every_figure(result: StudyResult) -> dict[str, Drawing]:
    """Name every figure of a study that has something to draw, for files."""
    named = {}
    for model in result.models:
        maps = heat_maps(model.pairs, model.runs, model.config.name)
        for one in (*figures(model, result.vocabulary), *maps):
            named[f"{model.config.name}-{one.name}"] = one
    for answer in result.answers:
        for one in answer_figures(answer):
            named[f"{answer.question}-{one.name}"] = one
    return {name: one for name, one in named.items() if one.draw is not None}
