"""Training run by run into a folder, and what is printed of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuemb.cli.printing import say, say_json, shown
from gpuemb.cli.terminal import TerminalProgress, noting
from gpuemb.core.errors import ConfigError

if TYPE_CHECKING:
    from gpuemb.cli.training.folder import RunFolder
    from gpuemb.corpus.tokens import Tokens
    from gpuemb.counts.cooccurrence import Cooccurrence
    from gpuemb.embeddings.model import Embedding
    from gpuemb.training.recipes import Recipe, Vary

FEWEST = 10  # occurrences of a word that is kept
COUNTS_RECORD = "counts.json"  # of a folder that gpuemb count wrote
READING = {  # of a text, where nothing was typed
    "min_count": FEWEST,
    "max_words": None,
    "encoding_errors": "strict",
    "tokenizer": "default",
    "documents": "line",
    "field": None,
}


@dataclass(frozen=True)
class Training:
    """What was asked.

    Attributes:
        recipe: what to train.
        seeds: of the runs.
        vary: what they change.
        counting: window and weighting as typed, of a text that is counted.
        snapshots: epochs after which the vectors are kept too.
        device: where to train.
        start: vectors that every run begins with.
    """

    recipe: Recipe
    seeds: tuple[int, ...]
    vary: Vary
    counting: Mapping[str, Any]
    snapshots: tuple[int, ...]
    device: str
    start: Embedding | None


def counting_of(recipe: Recipe, window: int | None, weighting: str | None) -> dict[str, Any]:
    """Return how a text is to be counted, as typed.

    Raises:
        ConfigError: a weighting for a skip-gram, which counts nothing.
    """
    from gpuemb.training.recipes import SkipGram

    typed = {"window": window, "weighting": weighting}
    if isinstance(recipe, SkipGram):
        if weighting is not None:
            raise ConfigError(
                f"train: weighting={weighting!r} of skip-gram",
                needed="It says how a text is counted; a skip-gram is trained from the text itself.",
                remedy="Leave weighting out.",
            )
        return {}
    return {name: value for name, value in typed.items() if value is not None}


def opened_source(
    given: Sequence[str], reading: Mapping[str, Any], counting: Mapping[str, Any]
) -> Tokens | Cooccurrence:
    """Read the text, or open the folder of counts.

    Raises:
        ConfigError: counts with flags of reading or counting, or beside a text.
        StorageError: a file or folder cannot be read.
    """
    import gpuemb

    typed = {name: value for name, value in reading.items() if value is not None}
    counted = [path for path in given if Path(path, COUNTS_RECORD).is_file()]
    if not counted:
        progress = TerminalProgress()
        with noting(gpuemb.CorpusWarning, progress):
            return gpuemb.read_corpus(list(given), progress=progress, **{**READING, **typed})
    if len(given) > 1:
        raise ConfigError(
            f"train: {counted[0]} holds counts, and {len(given) - 1} more sources were given",
            needed="Runs are trained from texts, or from one folder of counts.",
            remedy=f"gpuemb train {counted[0]} --out DIR",
        )
    for name, value in {**typed, **counting}.items():
        raise ConfigError(
            f"train: {name}={value!r} with counts as the source",
            needed="It says how a text is read and counted; these counts are counted.",
            remedy=f"Leave {name} out, or name the text.",
        )
    return gpuemb.Cooccurrence.load(counted[0])


def train_into(folder: RunFolder, training: Training, source: Tokens | Cooccurrence) -> list[dict[str, Any]]:
    """Train what the folder does not hold, and write each run once it is finished; return all runs.

    Raises:
        ConfigError: the folder holds other runs, or as :func:`gpuemb.train`.
    """
    from gpuemb.core.arrays import to_host
    from gpuemb.core.files import discard
    from gpuemb.counts.cooccurrence import Cooccurrence
    from gpuemb.training.checkpoints import digest_of, facts_of
    from gpuemb.training.recipes import OF_DOCUMENTS, SkipGram, name_of, runs_of

    vary, start = training.vary, training.start
    counted, from_text = isinstance(source, Cooccurrence), isinstance(training.recipe, SkipGram)
    if counted and (from_text or vary in OF_DOCUMENTS):
        raise ConfigError(
            f"train: vary={vary!r} of {training.recipe.kind} with counts as the source",
            needed="A skip-gram is trained from the text, and documents vary only where there is a text.",
            remedy="Name the text that was counted.",
        )
    asked = facts_of(
        source,
        training.recipe,
        vary=vary,
        counting=dict(training.counting),
        snapshots=list(training.snapshots),
        start=None if start is None else digest_of("\n".join(start.index_to_key), to_host(start.vectors)),
        format=folder.format,
    )
    folder.claim(asked)
    names = {seed: [name_of(run, vary) for run in runs_of([seed], vary)] for seed in training.seeds}
    left = [seed for seed in training.seeds if None in map(folder.finished, names[seed])]
    options = dict(training.counting)
    if left and not (counted or from_text or vary in OF_DOCUMENTS):
        source, options = _counted(source, options, training.device), {}
    for seed in left:
        _train_seed(folder, training, source, seed, options)
        discard(folder.checkpoints)
    found = [folder.finished(name) for name in chain.from_iterable(names.values())]
    return [known for known in found if known is not None]


def _counted(source: Any, counting: Mapping[str, Any], device: str) -> Cooccurrence:
    import gpuemb

    return gpuemb.count_cooccurrences(source, device=device, progress=TerminalProgress(), **counting)


def _train_seed(
    folder: RunFolder,
    training: Training,
    source: Tokens | Cooccurrence,
    seed: int,
    counting: Mapping[str, Any],
) -> None:
    import gpuemb

    progress = TerminalProgress()
    with noting(UserWarning, progress):
        runs = gpuemb.train(
            source,
            training.recipe,
            seeds=[seed],
            vary=training.vary,
            start=training.start,
            snapshots=training.snapshots,
            checkpoint=folder.checkpoints,
            device=training.device,
            progress=progress,
            **counting,
        )
    with progress.phase(f"writing {', '.join(runs.runs)}"):
        for model in runs.models:
            folder.write(model, source.vocabulary.counts)


def say_runs(folder: RunFolder, found: Sequence[Mapping[str, Any]], *, json: bool) -> None:
    """Print what every run reached and where it is."""
    if json:
        say_json({"folder": shown(folder.path), "runs": found})
        return
    for known in found:
        said = [f"{known['run']}: {shown(folder.path / next(iter(known['files'])))}"]
        if known["losses"]:
            said.append(f"loss {known['losses'][-1]:.6g} in epoch {known['epochs']}")
        if known["held_out"]:
            said.append(f"{known['held_out'][-1]:.6g} held out")
        if known["residual"] is not None:
            said.append(f"singular triplets to {known['residual']:.1e} of the largest value")
        say(", ".join(said))
    if len(found) > 1:
        tables = " ".join(shown(folder.path / next(iter(known["files"]))) for known in found)
        say(f"What they agree on: gpuemb compare {tables}")
