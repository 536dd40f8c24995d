"""The folder of a study: whose it is, and what is written into it."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.checks import differences
from gpuemb.core.errors import ConfigError, GpuembError
from gpuemb.core.files import replacing, writing
from gpuemb.core.files.partial import PARTIAL, sweep
from gpuemb.core.files.whole import is_pipe
from gpuemb.corpus.sources import STANDARD_INPUT
from gpuemb.stability.config import StudyConfig
from gpuemb.stability.given.tables import TABLE
from gpuemb.stability.kept.depths import depth_table, overlap_columns
from gpuemb.stability.kept.embeddings import EMBEDDINGS, export
from gpuemb.stability.kept.sources import KEPT, settle_sources
from gpuemb.stability.result import ModelResult, StudyResult
from gpuemb.stability.statistics import mean_of_known
from gpuemb.stability.sweeps.enough import projected_runs
from gpuemb.stability.toml import config_to, load_config
from gpuemb.stability.units.training import VECTORS

if TYPE_CHECKING:
    import pyarrow

CONFIG_FILE = "study.toml"
WORK_FOLDER = "work"
ANSWERS = "answers"  # folder of the tables of answers
WENDLANDT_NEIGHBORS = 10  # of Wendlandt (2018)


def default_folder(config: StudyConfig) -> Path:
    """The folder below ``runs/`` that holds the same study; else a new one, named after the first source."""
    *used, new = _folders(config.corpus[0])
    if not any(source == STANDARD_INPUT or is_pipe(source) for source in config.corpus):
        for folder in used:
            with suppress(GpuembError):  # a foreign folder
                if load_config(folder / CONFIG_FILE) == settle_sources(config, folder):
                    return folder
    return new


def new_folder(source: str) -> Path:
    """A new folder below ``runs/``, named after a source."""
    return _folders(source)[-1]


def _folders(source: str) -> list[Path]:
    """The folders named after a source, as they were made; behind them the next."""
    name = "standard-input" if source == "-" else source.removeprefix("dataset:")
    name = re.sub(r"[][*?]", "", Path(name).name.split(".")[0]) or "study"
    folders = [Path("runs") / name]
    while os.path.lexists(folders[-1]):
        folders.append(Path("runs") / f"{name}-{len(folders) + 1}")
    return folders


def claim(folder: Path, config: StudyConfig, *, extend: bool = False) -> None:
    """Make the folder this study's own.

    Raises:
        ConfigError: it belongs to another configuration (the differences are named) or holds
            something else.
    """
    path = folder / CONFIG_FILE
    if path.exists():
        before = load_config(path)
        if before == config:
            return
        if before.digest() != config.digest() and _has_results(folder) and not extend:
            found = "; ".join(differences(asdict(before), asdict(config)))
            raise ConfigError(
                f"study: {folder} belongs to another configuration",
                needed=f"It differs in {found}.",
                remedy="Use another --out, or --extend to let the new configuration take over "
                "and reuse what is unchanged.",
            )
    elif os.path.lexists(folder) and not folder.is_dir():
        raise ConfigError(
            f"study: {folder} is {'a link that leads nowhere' if folder.is_symlink() else 'a file'}",
            needed="--out is a folder.",
            remedy="Name a folder that is new or holds a study.",
        )
    elif folder.exists() and any(not _ours(entry.name) for entry in folder.iterdir()):
        raise ConfigError(
            f"study: {folder} holds files that are not a study's",
            needed=f"A study's folder is new, empty, or holds {CONFIG_FILE}.",
            remedy="Use another --out; nothing was changed.",
        )
    with replacing(path, "w") as file:
        file.write(config_to(config))


def sweep_study(folder: Path) -> None:
    """Remove what processes that are gone have left unfinished in a study's folder."""
    for place in (
        folder,
        folder / WORK_FOLDER,
        folder / ANSWERS,
        folder / EMBEDDINGS,
        *folder.glob(f"{EMBEDDINGS}/*/"),
    ):
        sweep(place, PARTIAL)


def _ours(name: str) -> bool:
    """Whether a study writes such a file before it writes its configuration."""
    return name.startswith(PARTIAL) or KEPT.fullmatch(name) is not None


def _has_results(folder: Path) -> bool:
    """Whether anything was trained or read; a study that failed before leaves its folder free."""
    return any(any((folder / WORK_FOLDER).glob(f"{kind}-*")) for kind in (VECTORS, TABLE))


def write_results(result: StudyResult) -> None:
    """Write the tables, the summary, the record and the embeddings."""
    folder = result.folder
    _write_table(word_table(result), folder / "words.parquet")
    _write_table(pair_table(result), folder / "pairs.parquet")
    _write_table(depth_table(result), folder / "neighbors.parquet")
    _write_table(training_table(result), folder / "training.parquet")
    _write_answers(result)
    _write_json(summary(result), folder / "summary.json")
    _write_json(result.record, folder / "record.json")
    export(result)


def word_table(result: StudyResult) -> pyarrow.Table:
    """One row a model and word: rank, count and everything measured."""
    import pyarrow

    words = len(result.vocabulary)
    parts = [
        pyarrow.table(
            {
                "model": pyarrow.array([model.config.name] * words, pyarrow.string()),
                "word": pyarrow.array(result.vocabulary.words, pyarrow.string()),
                "rank": np.arange(1, words + 1, dtype=np.int32),
                "count": result.vocabulary.counts,
                f"overlap_at_{result.config.neighbors}": np.asarray(model.words.overlap),
                f"lowest_overlap_at_{result.config.neighbors}": np.asarray(model.words.overlap_low),
                **overlap_columns(model, result.config.depths),
                "neighbors_in_all_runs": np.asarray(model.words.neighbors_in_all_runs),
                "joint_reliability": np.asarray(model.words.joint_reliability),
                "k_occurrence": np.asarray(model.words.k_occurrence),
                "aligned_cosine": np.asarray(model.words.aligned_cosine),
                "unaligned_cosine": np.asarray(model.words.unaligned_cosine),
                **{name: np.asarray(values) for name, values in model.words.more.items()},
            }
        )
        for model in result.models
    ]
    return pyarrow.concat_tables(parts)


def pair_table(result: StudyResult) -> pyarrow.Table:
    """One row a model, pair of runs and measure."""
    import pyarrow

    rows = [
        (
            model.config.name,
            model.runs[a],
            model.runs[b],
            pair.measure,
            pair.preparation,
            float(pair.values[a, b]),
        )
        for model in result.models
        for pair in model.pairs
        for a, b in pair.cells
    ]
    names = ("model", "run_a", "run_b", "measure", "preparation", "value")
    return pyarrow.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def training_table(result: StudyResult) -> pyarrow.Table:
    """One row a model, run and epoch: its loss, and that of what is held out, null where nothing is."""
    import pyarrow

    rows = [
        (model.config.name, run, epoch + 1, float(losses[epoch]), float(held[epoch]) if len(held) else None)
        for model in result.models
        for run, losses, held in zip(
            model.runs, model.histories.losses, model.histories.held_out, strict=True
        )
        for epoch in range(len(losses))
    ]
    kinds = {
        "model": pyarrow.string(),
        "run": pyarrow.string(),
        "epoch": pyarrow.int32(),
        "loss": pyarrow.float64(),
        "held_out": pyarrow.float64(),
    }
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in kinds]
    return pyarrow.table(columns, pyarrow.schema(list(kinds.items())))


def summary(result: StudyResult) -> dict[str, Any]:
    """Return what a person or program reads first; the same for equal studies."""
    return {
        "title": result.config.title,
        "configuration": result.config.digest(),
        "words": len(result.vocabulary),
        "tokens": result.tokens,
        "documents": result.documents,
        "neighbors": result.config.neighbors,
        "depths": list(result.config.depths),
        "models": [_model_summary(model) for model in result.models],
        "answers": [answer.as_mapping() for answer in result.answers],
    }


def _model_summary(model: ModelResult) -> dict[str, Any]:
    stability = np.asarray(model.words.overlap)
    return {
        "model": model.config.name,
        "vary": model.config.vary,
        "runs": list(model.runs),
        "words": len(model.stack.index_to_key),
        "measures": {
            pair.measure: {
                "preparation": pair.preparation,
                "mean": pair.estimate.value,
                "low": pair.estimate.low,
                "high": pair.estimate.high,
                "chance": pair.chance,
                "p_value": pair.p_value,
                "undefined_pairs": pair.estimate.undefined,
                "reason": pair.reason or pair.estimate.reason,
                "least_alike": [model.runs[run] for run in pair.least_alike or ()],
            }
            for pair in model.pairs
        },
        "runs_for_interval_width": {
            pair.measure: projected_runs(
                pair.estimate, len(model.config.compared) if pair.halves else len(model.runs)
            )
            for pair in model.pairs
            if pair.measure == "overlap"
        },
        "caution": model.caution,
        "occurrences_of_a_counted_pair": model.occurrences,
        "optimistic": model.optimistic,
        "joint_reliability": mean_of_known(np.asarray(model.words.joint_reliability)),
        "wendlandt_stability_percent": _wendlandt(model),
        "stability_against_hubness": {
            "correlation": model.stability_against_hubness.value,
            "low": model.stability_against_hubness.low,
            "high": model.stability_against_hubness.high,
            "reason": model.stability_against_hubness.reason,
        },
        "words_without_neighbors": int(np.isnan(stability).sum()),
        "participation_ratio": model.spectra.participation_ratio.tolist(),
        "effective_rank": model.spectra.effective_rank.tolist(),
        "pairs_recomputed_from_their_difference": model.recomputed_pairs,
    }


def _wendlandt(model: ModelResult) -> float | None:
    """Mean overlap in percent, which has this name with ten neighbors only."""
    if model.neighbor_ids.shape[2] != WENDLANDT_NEIGHBORS:
        return None
    return 100 * mean_of_known(np.asarray(model.words.overlap))


def _write_answers(result: StudyResult) -> None:
    """Write the tables of all answers, and remove those of questions that are no longer asked."""
    folder = result.folder / ANSWERS
    tables = {
        folder / f"{answer.question}-{name}.parquet": table
        for answer in result.answers
        for name, table in answer.tables.items()
    }
    with writing(folder):
        if tables:
            folder.mkdir(exist_ok=True)
        for path in {*folder.glob("*.parquet")} - {*tables}:
            path.unlink()
    for path, table in tables.items():
        _write_table(table, path)


def _write_table(table: pyarrow.Table, path: Path) -> None:
    import pyarrow.parquet

    with replacing(path) as file:
        pyarrow.parquet.write_table(table, file)


def _write_json(value: Any, path: Path) -> None:
    with replacing(path, "w") as file:
        file.write(json.dumps(_without_nan(value), indent=2, ensure_ascii=False) + "\n")


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: null."""
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
