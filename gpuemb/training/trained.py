"""What training a model gives: word and context vectors, biases, and the loss of every epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gpuemb.core.arrays import Float32, Float64
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.results import result
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.embeddings.model import EmbeddingStack
from gpuemb.training.recipes import GloVe, Recipe


@dataclass(frozen=True, eq=False)
class Tables:
    """What a run has learned; word ``i`` is row ``i`` of each.

    Attributes:
        vectors: ``(V, d)``, what the recipe returns.
        words: ``(V, d)`` word (input) vectors.
        contexts: ``(V, d)`` context (output) vectors.
        word_biases: ``(V,)``, of GloVe alone.
        context_biases: ``(V,)``, of GloVe alone.
    """

    vectors: Float32
    words: Float32
    contexts: Float32
    word_biases: Float32 | None = None
    context_biases: Float32 | None = None


@result(eq=True)
class TrainedModel:
    """One trained run with everything that it has learned; row ``i`` is word ``i`` of the vocabulary.

    Attributes:
        recipe: what was trained.
        run: its name.
        index_to_key: the ``V`` words.
        vectors: ``(V, d)`` float32, what the recipe returns: ``w + w̃`` of GloVe, ``v`` of skip-gram,
            ``U Σ^power`` of PPMI-SVD.
        words: ``(V, d)`` float32, word (input) vectors ``w``.
        contexts: ``(V, d)`` float32, context (output) vectors ``w̃``; of PPMI-SVD ``V Σ^(1 − power)``.
        word_biases: ``(V,)`` float32 ``b``, of GloVe alone.
        context_biases: ``(V,)`` float32 ``b̃``, of GloVe alone.
        losses: ``(E,)`` loss of every epoch, taken while its steps change the vectors: the mean over
            nonzeros of ``f(X)·error²``, or the mean of a pair and its negatives; empty for PPMI-SVD.
        held_out: ``(E,)`` the same after every epoch for what was not trained on; None where all was.
        snapshots: vectors after chosen epochs, counted from 1; of a run that stopped earlier, its last.
        residual: of PPMI-SVD alone, ``max ‖Aᵀu − σv‖ / σ_1`` over its triplets: how exact they are.

    Example:
        >>> counts = ge.count_cooccurrences(ge.read_corpus("pets.txt"))
        >>> model = ge.train(counts, ge.GloVe(dim=4, epochs=300, x_max=1), seeds=[0]).models[0]
        >>> row, column = model.index_to_key.index("cat"), model.index_to_key.index("sat")
        >>> found = model.words[row] @ model.contexts[column]
        >>> found = found + model.word_biases[row] + model.context_biases[column]
        >>> expected = np.log(counts.units("cat", "sat") * float(counts.unit))
        >>> bool(abs(found - expected) < 0.1)
        True
    """

    recipe: Recipe
    run: str
    index_to_key: Sequence[str]
    vectors: Float32
    words: Float32
    contexts: Float32
    word_biases: Float32 | None
    context_biases: Float32 | None
    losses: Float64
    held_out: Float64 | None = None
    snapshots: Mapping[int, Float32] = field(default_factory=dict)
    residual: float | None = None

    @property
    def epochs(self) -> int:
        """Epochs that were trained: fewer than the recipe's where it stopped early."""
        return len(self.losses)

    @property
    def stopped_early(self) -> bool:
        """Whether the recipe's patience ended before its epochs."""
        return self.epochs < getattr(self.recipe, "epochs", 0)


@dataclass(frozen=True, eq=False, repr=False)
class TrainedStack(EmbeddingStack):
    """Runs of :func:`gpuemb.train`: a stack of their vectors, with everything else that they learned.

    Attributes:
        models: of each run, its word and context vectors, biases and losses.

    Example:
        >>> runs = ge.train(ge.read_corpus("pets.txt"), ge.GloVe(dim=2, epochs=5), seeds=2)
        >>> model = runs.models[1]
        >>> model.run, model.contexts.shape, model.word_biases.shape, model.losses.shape
        ('seed 1', (10, 2), (10,), (5,))
        >>> np.array_equal(model.words + model.contexts, runs[1].vectors)
        True
    """

    models: Sequence[TrainedModel] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._default("models", tuple(self.models))


@dataclass(frozen=True, eq=False)
class History:
    """What was noted of a run while it was trained: losses of every epoch, vectors after chosen ones."""

    losses: Sequence[float] = ()
    held_out: Sequence[float] = ()
    snapshots: Mapping[int, Float32] = field(default_factory=dict)


def model_of(
    recipe: Recipe, run: str, vocabulary: Vocabulary, tables: Tables, history: History
) -> TrainedModel:
    """Return a trained run."""
    return TrainedModel(
        recipe,
        run,
        vocabulary.words,
        tables.vectors,
        tables.words,
        tables.contexts,
        tables.word_biases,
        tables.context_biases,
        np.array(history.losses, np.float64),
        np.array(history.held_out, np.float64) if len(history.held_out) else None,
        dict(history.snapshots),
    )


def kept_bytes(recipe: Recipe, words: int, snapshots: int = 0) -> dict[str, int]:
    """Name the bytes that a trained run keeps."""
    table = buffer((words, min(recipe.dim, words)), np.float32)
    kept = {"vectors": table, "context vectors": table, "snapshots": snapshots * table}
    if isinstance(recipe, GloVe):
        kept |= {"word vectors": table, "biases": buffer((2, words), np.float32)}
    return kept


def with_snapshots(plan: MemoryPlan, recipe: Recipe, words: int, snapshots: int) -> MemoryPlan:
    """Add the snapshots of a run to what training it holds."""
    kept = snapshots * buffer((words, recipe.dim), np.float32)
    return MemoryPlan(plan.purpose, {**plan.buffers, "snapshots": kept}) if snapshots else plan
