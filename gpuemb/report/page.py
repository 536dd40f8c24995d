"""The report: one page that opens anywhere, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.core.files import replacing
from gpuemb.core.memory import readable
from gpuemb.pictures.style import Plot
from gpuemb.report import numbers
from gpuemb.report.answers import answer_section
from gpuemb.report.claims import claims, telling_numbers
from gpuemb.report.compared import page as compared
from gpuemb.report.figures.heatmaps import heat_maps
from gpuemb.report.figures.study import figures
from gpuemb.report.house import GENERATOR, house, today
from gpuemb.report.measure_rows import MeasureRow, measure_row
from gpuemb.report.overlaps import VARIED, Claim
from gpuemb.report.tables import Listing, columns, word_table
from gpuemb.stability.compare import Comparison
from gpuemb.stability.config import ModelConfig
from gpuemb.stability.given.config import TablesConfig
from gpuemb.stability.questions.drift.result import Drift
from gpuemb.stability.result import ModelResult, StudyResult
from gpuemb.stability.statistics import ENOUGH_RUNS, LEAST_OCCURRENCES

MATCHED = {"exact": "letter by letter", "lower": "in lower case"}
LISTED_SOURCES = 3  # in the line under the title; the configuration has all of them


@dataclass(frozen=True)
class ModelSection:
    """One model's part of the page."""

    config: ModelConfig | TablesConfig
    anchor: str
    varied: str
    claims: tuple[Claim, ...]
    plots: tuple[Plot, ...]
    heat_maps: tuple[Plot, ...]
    measures: tuple[MeasureRow, ...]
    runs: int
    wordless: int
    absent: int
    caution: str
    optimistic: str
    halves: bool


@door
def write_report(result: StudyResult | Comparison | Drift, path: str | Path | None = None) -> Path:
    """Write the page of a finished study, a comparison or a drift, and return where it is.

    The page holds everything it shows and asks nothing of a network. A page that stood there is
    replaced in one step, when the new one is complete.

    Args:
        result: the study; or what :func:`compare`, :func:`drift` or :func:`corpus_drift` returned.
        path: the file; by default ``result.report`` of a study.

    Raises:
        ConfigError: no path for the page of a comparison.
        StorageError: the file cannot be written.

    Cost: about 2 s and 2.5 MB for two models of five runs over 10,000 words.

    Example:
        >>> model = ge.ModelConfig(ge.PPMISVD(dim=2), seeds=(0, 1), vary="bootstrap")
        >>> config = ge.StudyConfig(("pets.txt",), ge.TextConfig(min_count=1), models=(model,), neighbors=2)
        >>> page = ge.write_report(ge.study(config, out="pets"))
        >>> page.name, page.stat().st_size > 100_000
        ('report.html', True)
    """
    if not isinstance(result, StudyResult):
        if path is None:
            raise ConfigError(
                f"write_report: a {type(result).__name__} without a path",
                needed="A comparison has no folder of its own: its page needs a file.",
                remedy='write_report(found, "report.html")',
            )
        return compared.write(result, Path(path))
    target = result.report if path is None else Path(path)
    page = render(result).encode("utf-8", "replace")
    with replacing(target) as file:
        file.write(page)
    return target


def up_to_date(result: StudyResult) -> bool:
    """Whether the page in the study's folder is of this version and not older than the study's record."""
    try:
        page, record = result.report, result.folder / "record.json"
        with page.open("rb") as file:
            beginning = file.read(1_000)
        return (
            f'content="{GENERATOR}"'.encode() in beginning
            and page.stat().st_mtime_ns >= record.stat().st_mtime_ns
        )
    except OSError:
        return False


def render(result: StudyResult) -> str:
    """Return the page of a finished study as HTML."""
    told, found = telling_numbers(result), claims(result)
    table = word_table(result)
    return (
        house()
        .get_template("report.html.j2")
        .render(
            result=result,
            title=result.config.title,
            told=[*told, *(c for c in found if not c.model and c not in told)],
            sections=[
                _section(result, model, [c for c in found if c not in told]) for model in result.models
            ],
            answers=[answer_section(answer) for answer in result.answers],
            table=table,
            listing=_listing(result),
            sources=_sources(result),
            definitions=_definitions(result),
            enough_runs=ENOUGH_RUNS,
            least_occurrences=LEAST_OCCURRENCES,
            varied={model.config.vary for model in result.models},
            recipes=[_recipe(model.config) for model in result.models],
            recomputed=sum(model.recomputed_pairs for model in result.models),
            seconds=list(_mapping(result.record, "seconds").items()),
            machine=_machine(result.record),
            versions=list(_mapping(result.record, "versions").items()),
            written=today(),
        )
    )


def _section(result: StudyResult, model: ModelResult, found: Sequence[Claim]) -> ModelSection:
    name, absent = model.config.name, len(result.vocabulary) - len(model.stack.index_to_key)
    return ModelSection(
        config=model.config,
        anchor=f"model-{name}",
        varied=VARIED[model.config.vary],
        claims=tuple(c for c in found if c.model == name),
        plots=tuple(one.on_page() for one in figures(model, result.vocabulary)),
        heat_maps=tuple(one.on_page() for one in heat_maps(model.pairs, model.runs, name)),
        measures=tuple(measure_row(measure, model.runs) for measure in model.pairs),
        runs=len(model.runs),
        wordless=int(np.count_nonzero(~np.isfinite(model.words.overlap))) - absent,
        absent=absent,
        caution=model.caution,
        optimistic=model.optimistic,
        halves=model.config.vary == "halves",
    )


def _definitions(result: StudyResult) -> list[tuple[str, str, str]]:
    first_of = {pair.measure: pair for model in reversed(result.models) for pair in model.pairs}
    order = dict.fromkeys(pair.measure for model in result.models for pair in model.pairs)
    return [(first_of[name].title, first_of[name].preparation, first_of[name].meaning) for name in order]


def _listing(result: StudyResult) -> Listing:
    names = tuple(model.config.name for model in result.models)
    return Listing(len(result.vocabulary), "of the study", names, columns(result.config.neighbors))


def _recipe(config: ModelConfig | TablesConfig) -> tuple[str, str]:
    if isinstance(config, TablesConfig):
        files = numbers.enumerated([Path(file).name for file in config.files])
        return config.name, f"finished tables {files}; words compared {MATCHED[config.case]}"
    settings = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in asdict(config.recipe).items())
    seeds = numbers.enumerated([str(seed) for seed in config.seeds])
    return config.name, f"{config.recipe.kind}: {settings}; varied: {config.vary}; seeds {seeds}"


def _sources(result: StudyResult) -> str:
    shown = [
        source if ":" in source or source == "-" else Path(source).name for source in result.config.corpus
    ]
    more = len(shown) - LISTED_SOURCES
    return numbers.enumerated(shown[:LISTED_SOURCES] + ([f"{more} more"] if more > 0 else []))


def _machine(record: dict[str, Any]) -> list[tuple[str, Any]]:
    facts = {**_mapping(record, "machine")}
    for name, key in (("device", "device"), ("peak_memory_bytes", "peak_bytes")):
        if key in record:
            facts[name] = record[key]
    return [
        (name.removesuffix("_bytes").replace("_", " "), readable(fact) if name.endswith("_bytes") else fact)
        for name, fact in facts.items()
    ]


def _mapping(record: dict[str, Any], name: str) -> dict[str, Any]:
    """Return one part of a record; a record of another version may lack it."""
    found = record.get(name)
    return found if isinstance(found, dict) else {}
