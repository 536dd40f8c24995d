"""Drift between two corpora, beyond training and the choice of documents: their parts are trained apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core import threads as workers
from gpuemb.core.arithmetic import arithmetic
from gpuemb.core.arrays import Float32
from gpuemb.core.checks import check_at_least, check_at_most, differences
from gpuemb.core.device import Device, DeviceName, choose
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.core.files import replacing
from gpuemb.core.files.alone import alone_in
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.record import versions
from gpuemb.core.results import result, shown
from gpuemb.corpus.sources import expand, fingerprint
from gpuemb.corpus.tokens import Tokens, read_corpus
from gpuemb.embeddings.model import EmbeddingStack
from gpuemb.stability.config import CountsConfig, TextConfig, digest_of
from gpuemb.stability.questions.drift.parts import Parts, parts_of
from gpuemb.stability.questions.drift.question import PERMUTATIONS, drift, kinds_of_measures
from gpuemb.stability.questions.drift.result import Drift
from gpuemb.stability.running.warmup import STUDY_KERNELS
from gpuemb.stability.store import Store
from gpuemb.training.checkpoints import REVISIONS
from gpuemb.training.recipes import Recipe, SkipGram
from gpuemb.training.seeds import train

WHERE = "corpus_drift"
CONFIG_FILE, WORK_FOLDER = "drift.json", "work"
MOST_PARTS = 50


@result
class CorpusDrift(Drift):
    """The drift between two corpora, whose parts were trained apart.

    Attributes:
        corpus_tokens: of each corpus.
        part_tokens: tokens of a part, about: both corpora have parts of one length.
        left_out: words of both corpora that some part has too seldom.
    """

    corpus_tokens: tuple[int, int]
    part_tokens: int
    left_out: int


@door
def corpus_drift(
    groups: Any,
    recipe: Recipe,
    *,
    parts: int = 5,
    text: TextConfig | None = None,
    counts: CountsConfig | None = None,
    measures: Any = "all",
    k: int = 10,
    rate: float = 0.05,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    out: str | Path | None = None,
    extend: bool = False,
    device: DeviceName = "auto",
    threads: int | None = None,
    progress: Progress = SILENT,
) -> CorpusDrift:
    """Test which words are used differently in two corpora, beyond training and the choice of documents.

    Each corpus is cut into ``parts`` of equal length that share no document; each part is trained with a seed
    of its own. So the differences within a corpus hold both the noise of training and that of the documents,
    and where both corpora come from one source, all parts are alike: assignments of parts to corpora are the
    right null. Bootstrap samples of a corpus would not do: they share its documents, so that two corpora of
    one source differ more than they do.

    A part has a share of the text alone: words that differ little need a large corpus to be found. Five parts
    have 126 assignments, four 35; three, 10, which is too few for a rate of 0.05.

    Args:
        groups: a mapping from two names to a corpus each: files, folders, patterns or data sets, one or
            several, or :class:`Tokens`.
        recipe: what is trained: :class:`GloVe`, :class:`PPMISVD` or :class:`SkipGram`.
        parts: of each corpus, from two to 50.
        text: how text becomes tokens; ``min_count`` is of a word in every part. Of Tokens, that alone counts.
        counts: how tokens become counts.
        measures: as :func:`drift`.
        k: as :func:`drift`.
        rate: as :func:`drift`.
        permutations: as :func:`drift`.
        seed: of the parts and of training.
        out: a folder that keeps every trained part: a call after a kill goes on, and a second one with other
            measures trains nothing.
        extend: let another configuration take over the folder; what is unchanged is reused.
        device: see :class:`gpuemb.Device`.
        threads: cores to use; the results do not depend on it.
        progress: told of every phase.

    Returns:
        As :func:`drift`, with what was read.

    Raises:
        ShapeError: not two corpora.
        ConfigError: fewer documents than parts, or a folder of another configuration.
        VocabularyError: fewer than two words are in all parts.
        StorageError, FileFormatError, MemoryBudgetError: as :func:`read_corpus` and :func:`train`.

    Cost: one pass over both corpora to train, then that of :func:`drift`.
    Source: Definitions §5.

    Example:
        >>> slow = ["the cat sat on the mat", "a dog lay on the rug"] * 30  # documents
        >>> fast = ["the cat ran on the mat", "a dog lay on the rug"] * 30
        >>> corpora = {name: ge.read_corpus([text.split() for text in lines])
        ...            for name, lines in (("slow", slow), ("fast", fast))}
        >>> found = ge.corpus_drift(
        ...     corpora, ge.PPMISVD(dim=3), parts=4, text=ge.TextConfig(min_count=1), k=2
        ... )
        >>> found.labelings, found.vocabulary[:2], [len(runs) for runs in found.runs]
        (35, ['the', 'on'], [4, 4])
    """
    check_at_least(WHERE, "parts", parts, 2)
    check_at_most(WHERE, "parts", parts, MOST_PARTS)
    check_at_least(WHERE, "seed", seed, 0)
    kinds_of_measures(measures)  # before hours of training
    design = Design(recipe, text or TextConfig(), counts or CountsConfig(), parts, seed)
    sources = _two_corpora(groups)
    testing = {"measures": measures, "k": k, "rate": rate, "permutations": permutations}
    with workers.limit(threads), nullcontext() if out is None else alone_in(WHERE, Path(out)):
        chosen = choose(device, STUDY_KERNELS)
        corpora, asked = design.read(sources, progress)
        store = None if out is None else _claimed(Path(out), asked, extend=extend, progress=progress)
        return design.tested(corpora, asked, testing, store, chosen, progress)


@dataclass(frozen=True)
class Design:
    """How two corpora are cut and trained.

    Attributes:
        recipe: what is trained.
        text: how text becomes tokens.
        counts: how tokens become counts.
        parts: of each corpus.
        seed: of the parts and of training.
    """

    recipe: Recipe
    text: TextConfig
    counts: CountsConfig
    parts: int
    seed: int = 0

    def read(
        self, sources: Mapping[str, Any], progress: Progress = SILENT
    ) -> tuple[dict[str, Tokens], dict[str, Any]]:
        """Return the text of both corpora, and all that trained parts depend on, as JSON spells it."""
        corpora, keys = {}, []
        for name, source in sources.items():
            corpora[name], key = _read(source, self.text, progress)
            keys.append(key)
        asked = {
            "groups": dict(zip(sources, keys, strict=True)),
            "recipe": {"kind": self.recipe.kind, **asdict(self.recipe)},
            "counts": {} if isinstance(self.recipe, SkipGram) else asdict(self.counts),
            "text": asdict(self.text),
            "parts": self.parts,
            "seed": self.seed,
        }
        return corpora, asked

    def tested(
        self,
        corpora: Mapping[str, Tokens],
        asked: dict[str, Any],
        testing: Mapping[str, Any],
        store: Store | None,
        device: Device,
        progress: Progress = SILENT,
    ) -> CorpusDrift:
        """Train the parts of both corpora, or take them from a store, and test every word.

        Args:
            corpora: two, by name.
            asked: as :meth:`read` returns it.
            testing: arguments of :func:`drift`.
            store: keeps trained parts.
            device: where they are trained.
            progress: told of every phase.
        """
        cut = parts_of(
            corpora,
            self.parts,
            min_count=self.text.min_count,
            max_words=self.text.max_words,
            seed=self.seed,
        )
        tables = _trained(cut, self.recipe, self.counts, asked, self.seed, store, device, progress)
        runs = [f"{name} part {part}" for name in corpora for part in range(self.parts)]
        stack = EmbeddingStack(tuple(tables), cut.words, cut.counts, tuple(runs))
        both = {
            name: _some(stack, range(group * self.parts, group * self.parts + self.parts))
            for group, name in enumerate(corpora)
        }
        found = drift(both, seed=self.seed, progress=progress, **testing)
        first, second = (len(tokens) for tokens in corpora.values())
        whole = {one.name: getattr(found, one.name) for one in fields(Drift)}
        whole["runs"] = tuple(runs[: self.parts]), tuple(runs[self.parts :])
        return CorpusDrift(
            **whole, corpus_tokens=(first, second), part_tokens=cut.part_tokens, left_out=cut.left_out
        )


def _some(stack: EmbeddingStack, runs: range) -> EmbeddingStack:
    tables = stack.tables()
    return EmbeddingStack(
        tuple(tables[run] for run in runs),
        stack.index_to_key,
        stack.counts,
        tuple(stack.runs[run] for run in runs),
    )


def _two_corpora(groups: Any) -> dict[str, Any]:
    if not isinstance(groups, Mapping) or len(groups) != 2:
        raise ShapeError(
            f"{WHERE}: {shown(groups)} was given",
            needed="Two corpora are compared: a mapping from two names to their files.",
            remedy='corpus_drift({"old": "old.txt", "new": "new.txt"}, GloVe())',
        )
    return {str(name): source for name, source in groups.items()}


def _read(source: Any, text: TextConfig, progress: Progress) -> tuple[Tokens, Any]:
    """Return a corpus, and what names it in digests."""
    if isinstance(source, Tokens):
        named = hashlib.blake2b(source.ids.tobytes() + source.starts.tobytes(), digest_size=16)
        return source, [named.hexdigest(), digest_of(source.vocabulary.words)]
    files = expand(source if isinstance(source, (list, tuple)) else [source])
    tokens = read_corpus(
        files,
        tokenizer=text.tokenizer,
        documents=text.documents,
        field=text.field or None,
        min_count=text.min_count,
        encoding_errors=text.encoding_errors,
        progress=progress,
    )
    return tokens, [fingerprint(file) for file in files]


def _claimed(folder: Path, asked: dict[str, Any], *, extend: bool, progress: Progress) -> Store:
    """Return the store of a folder, which is new, empty, or of the same configuration.

    Raises:
        ConfigError: it is of another one, or holds something else.
    """
    path = folder / CONFIG_FILE
    before = json.loads(path.read_text("utf-8")) if path.is_file() else None
    now = json.loads(json.dumps(asked))
    if before is not None and before != now and not extend:
        raise ConfigError(
            f"{WHERE}: {folder} belongs to another configuration",
            needed=f"It differs in {'; '.join(differences(before, now))}.",
            remedy="Use another out, or extend=True to let the new configuration take over.",
        )
    if before is None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{WHERE}: {folder} holds files that are not a drift's",
            needed=f"Its folder is new, empty, or holds {CONFIG_FILE}.",
            remedy="Use another out; nothing was changed.",
        )
    with replacing(path, "w") as file:
        file.write(json.dumps(asked, indent=1, ensure_ascii=False) + "\n")
    return Store(folder / WORK_FOLDER, progress)


def _trained(
    cut: Parts,
    recipe: Recipe,
    counts: CountsConfig,
    asked: dict[str, Any],
    seed: int,
    store: Store | None,
    device: Device,
    progress: Progress,
) -> list[Float32]:
    """Train every part with a seed of its own, or take it from the store."""
    counting = {} if isinstance(recipe, SkipGram) else asdict(counts)
    tables = []
    with progress.phase("training parts", len(cut.tokens)) as task:
        for number, tokens in enumerate(cut.tokens):
            own = seed * len(cut.tokens) + number

            def compute(tokens: Tokens = tokens, own: int = own) -> dict[str, Any]:
                runs = train(tokens, recipe, seeds=[own], device=str(device), **counting)
                return {"vectors": np.asarray(runs.vectors[0])}

            if store is None:
                tables.append(compute()["vectors"])
            else:
                key = digest_of(
                    versions(), arithmetic(), device.kind, REVISIONS[recipe.kind], asked, cut.words, number
                )
                tables.append(store.unit("part", key, compute)["vectors"])
            task.advance()
    return tables
