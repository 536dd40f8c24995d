"""What people try first works, and means what they mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from public_calls import CONFIG, MODEL, TEXT, WORDS, DLPackAlone, table
from tolerances import assert_same_bits

import gpuemb as ge
from gpuemb.core.errors import ConfigError, DTypeError, ShapeError, StorageError, VocabularyError

LINES = TEXT.splitlines()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(TEXT)
    return tmp_path


class Frame:
    """A data frame of pandas, as far as an Embedding asks it."""

    def __init__(self, numbers: Any, index: Any) -> None:
        self.numbers, self.index, self.columns = numbers, index, ["x", "y", "z"]

    def to_numpy(self) -> Any:
        return self.numbers


def pandas_frame(numbers: Any, index: Any) -> Any:
    return pytest.importorskip("pandas").DataFrame(numbers, index=index)


FRAMES = pytest.mark.parametrize("frame", [Frame, pandas_frame])


@FRAMES
def test_a_data_frame_brings_its_index_as_words(frame: Callable[..., Any]) -> None:
    named = ge.Embedding(frame(table(), WORDS))
    assert list(named.index_to_key) == WORDS
    assert_same_bits(np.ascontiguousarray(named.vectors), table())
    assert list(ge.Embedding(frame(table(), range(6))).index_to_key) == [*"012345"]
    assert list(ge.Embedding(frame(table(), WORDS), [*"abcdef"]).index_to_key) == [*"abcdef"]
    with pytest.raises(ConfigError, match="index_to_key is a list of words"):
        ge.Embedding(frame(table(), [("the", 1), *WORDS[1:]]))


ORDER = [3, 0, 5, 1, 4, 2]


@FRAMES
def test_data_frames_bring_their_words_to_every_function_of_tables(frame: Callable[..., Any]) -> None:
    x, y = table(), table(1)
    named, other = ge.Embedding(x, WORDS), ge.Embedding(y, WORDS)
    one, same = frame(x, WORDS), frame(y, WORDS)
    shuffled = frame(y[ORDER], [WORDS[row] for row in ORDER])
    for measure in (ge.rsa, ge.cka, ge.procrustes, ge.pip_loss):
        assert float(measure(one, same)) == float(measure(named, other))
        with pytest.raises(VocabularyError, match="row 0 is 'the' in X but 'sat' in Y"):
            measure(one, shuffled)
        with pytest.raises(VocabularyError, match="row 0 is 'the'"):
            measure(named, shuffled)
    with pytest.raises(VocabularyError, match="row 0 is 'the'"):
        ge.compare([one, shuffled], k=2)
    with pytest.raises(VocabularyError, match="row 0 is 'the'"):
        ge.EmbeddingStack([one, shuffled])
    for both in (ge.stack([one, shuffled]), ge.stack([named, shuffled]), ge.EmbeddingStack([one, same])):
        assert list(both.index_to_key) == WORDS
        assert_same_bits(np.ascontiguousarray(both.tables()[1]), y)
    for found in (
        ge.nearest_neighbors(one, 2, queries=["cat"]),
        ge.CosineIndex(one).search(["cat"], 2),
    ):
        assert found.named(0) == ge.nearest_neighbors(named, 2, queries=["cat"]).named(0)
    assert ge.cosine_matrix(one, words=["cat", "far"]).words == ["cat", "far"]
    pairs = [("the", "cat", 1.0), ("dog", "sat", 2.0)]
    assert ge.similarity_correlation(one, pairs).cosines.tolist() == (
        ge.similarity_correlation(named, pairs).cosines.tolist()
    )
    assert float(ge.rsa(one, shuffled, words=WORDS[:4])) == float(ge.rsa(named, other, words=WORDS[:4]))
    ge.save(shuffled, "shuffled.npz")
    assert list(ge.load("shuffled.npz").index_to_key) == [WORDS[row] for row in ORDER]


@FRAMES
def test_data_frames_that_count_their_rows_are_arrays(frame: Callable[..., Any]) -> None:
    named, counted = ge.Embedding(table(), WORDS), frame(table(1), range(6))
    assert float(ge.rsa(named, counted)) == float(ge.rsa(table(), table(1)))
    assert list(ge.stack([counted, table()]).index_to_key) == [*"012345"]


@FRAMES
def test_data_frames_with_words_in_a_column_say_how_to_make_them_the_index(frame: Callable[..., Any]) -> None:
    columns = np.array([[word, 1.0, 2.0] for word in WORDS], object)
    for take in (
        ge.Embedding,
        lambda x: ge.rsa(x, x),
        lambda x: ge.stack([x, x]),
        lambda x: ge.save(x, "a.npz"),
    ):
        with pytest.raises(DTypeError, match=r"columns that are not numbers[\s\S]*set_index"):
            take(frame(columns, range(6)))


def test_a_frame_without_an_index_asks_for_words() -> None:
    without = Frame(table(), None)
    del without.index
    with pytest.raises(DTypeError, match="without words"):
        ge.Embedding(without)
    assert ge.Embedding(without, WORDS).row("cat") == 1


@pytest.mark.parametrize("make", [tuple, np.array, lambda words: dict.fromkeys(words).keys(), iter])
def test_words_of_any_sequence_name_the_rows(make: Callable[..., Any]) -> None:
    assert ge.Embedding(table(), make(WORDS)).row("ran") == 4
    assert ge.EmbeddingStack((table(), table(1)), make(WORDS))[1].row("ran") == 4


def test_rows_without_words_are_named_by_their_numbers() -> None:
    assert list(ge.Embedding(table()).index_to_key) == [*"012345"]
    assert list(ge.EmbeddingStack(np.stack([table(), table(1)])).index_to_key) == [*"012345"]
    with pytest.raises(ShapeError, match="6 vectors but 0 words"):
        ge.Embedding(table(), [])


def test_arrays_are_stacked_by_their_rows() -> None:
    x, y = table(), table(1)
    numbered, named = ge.stack([x, y]), ge.stack([x, y], words=WORDS)
    assert_same_bits(np.asarray(numbered.vectors), np.stack([x, y]))
    assert (list(numbered.index_to_key), list(named.index_to_key)) == ([*"012345"], WORDS)
    assert list(numbered.runs) == ["run 0", "run 1"]
    assert list(ge.stack(np.stack([x, y])).index_to_key) == [*"012345"]
    with pytest.raises(ShapeError, match="table 0 has 6 rows but table 1 has 5"):
        ge.stack([x, y[:5]])
    with pytest.raises(DTypeError, match="1 of 2 tables have words of their own"):
        ge.stack([ge.Embedding(x, WORDS), y])


def test_a_vector_is_asked_for_its_neighbors() -> None:
    e = ge.Embedding(table(), WORDS)
    found = e.most_similar(e["cat"], 6)
    assert found[0][0] == "cat"
    assert found[1:] == e.most_similar("cat", 5)
    assert e.most_similar(e["cat"].tolist(), 6) == found
    assert e.most_similar(DLPackAlone(e["cat"]), 6) == found
    with pytest.raises(ShapeError, match=r"one vector \(3,\), is needed"):
        e.most_similar(table())


def test_pairs_are_judged_from_a_list() -> None:
    e = ge.Embedding(table(), WORDS)
    listed = [("the", "cat", 1.0), ("dog", "sat", 2), ("ran", "nowhere", 3.5)]
    found = ge.similarity_correlation(e, listed)
    pairs = ge.datasets.WordPairs("p", tuple((a, b) for a, b, _ in listed), np.array([1.0, 2, 3.5]))
    expected = ge.similarity_correlation(e, pairs)
    assert (found.value, found.covered) == (expected.value, 2)
    with pytest.raises(ConfigError, match=r"a pair is \('the', 'cat'\)"):
        ge.similarity_correlation(e, [("the", "cat")])


def same_tokens(one: ge.Tokens, other: ge.Tokens) -> None:
    assert_same_bits(one.ids, other.ids)
    assert_same_bits(one.starts, other.starts)
    assert one.vocabulary.words == other.vocabulary.words
    assert_same_bits(one.vocabulary.counts, other.vocabulary.counts)


@pytest.mark.parametrize(
    "documents",
    [
        lambda: LINES,
        lambda: tuple(LINES),
        lambda: np.array(LINES),
        lambda: (line for line in LINES),
        lambda: [line.split() for line in LINES],
        lambda: (tuple(line.split()) for line in LINES),
    ],
    ids=["list", "tuple", "array", "generator", "tokens", "generator of tokens"],
)
def test_documents_in_memory_are_read_as_from_a_file(documents: Callable[[], Any]) -> None:
    same_tokens(ge.read_corpus(documents()), ge.read_corpus("text.txt"))


def test_documents_of_any_number_are_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpuemb.corpus.in_memory.CHUNK_BYTES", 20)
    monkeypatch.setattr("gpuemb.corpus.in_memory.PEEKED", 1)
    for documents in (LINES, [line.split() for line in LINES]):
        same_tokens(ge.read_corpus(iter(documents)), ge.read_corpus("text.txt"))


def test_a_line_end_within_a_document_does_not_end_it() -> None:
    assert ge.read_corpus([TEXT, "the end"]).documents == 2


def test_paths_stay_paths() -> None:
    Path("two words.txt").write_text(TEXT)
    Path("three words").write_text(TEXT)
    for paths in (["text.txt"], [Path("text.txt")], iter(["text.txt"]), ["two words.txt"], ["three words"]):
        same_tokens(ge.read_corpus(paths), ge.read_corpus("text.txt"))
    for missing in (["nowhere.txt"], ["no such.txt"], ["text.txt", "the cat sat"], ["a", "b"]):
        with pytest.raises(StorageError, match="does not exist"):
            ge.read_corpus(missing)


@pytest.mark.parametrize("text", ["the cat sat on the mat", "what? a cat", "the cat " * 1000])
def test_one_text_is_told_from_a_path(text: str) -> None:
    told_apart = r"Documents in memory are a list: read_corpus\(\[text\]\)"
    with pytest.raises(StorageError, match=told_apart):
        ge.read_corpus(text)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (["the cat", 3], ConfigError, "3 was given"),
        ([["the", "cat"], "the cat"], ConfigError, "document 2 = 'the cat'"),
        ([["the", 3]], ConfigError, r"document 1 = \['the', 3\]"),
        ([["the\ncat", "a"]], ConfigError, "A token is a non-empty str"),
        ([], ConfigError, "A corpus is paths; or documents in memory"),
        ({"a": 1}, ConfigError, "source = "),
        (["half \ud800"], Exception, "half of a surrogate pair"),
        ([["half", "\ud800"]], Exception, "half of a surrogate pair"),
        (["! ?", ". ."], VocabularyError, "documents in memory holds no words"),
    ],
)
def test_what_is_no_corpus_is_refused(source: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        ge.read_corpus(source)
    assert isinstance(caught.value, ge.GpuembError)


def test_lists_of_tokens_take_no_tokenizer() -> None:
    assert ge.read_corpus([["A", "b"], ["b"]]).vocabulary.words == ("b", "A")
    with pytest.raises(ConfigError, match="for lists of tokens"):
        ge.read_corpus([["a", "b"]], tokenizer="whitespace")


def test_seeds_may_be_their_number() -> None:
    tokens, recipe = ge.read_corpus(LINES), ge.PPMISVD(dim=2)
    runs = ge.train(tokens, recipe, seeds=np.int8(3), window=2)
    assert list(runs.runs) == ["seed 0", "seed 1", "seed 2"]
    assert_same_bits(runs.vectors, ge.train(tokens, recipe, seeds=(0, 1, 2), window=2).vectors)
    assert ge.ModelConfig(recipe, seeds=3).seeds == (0, 1, 2)


@pytest.mark.parametrize("seeds", [True, 0, -1, 2.5, 10**12, range(10**12), [0, True], [-1], [0.5], iter([])])
def test_seeds_that_are_none_are_refused_before_any_is_trained(seeds: Any) -> None:
    with pytest.raises(ConfigError, match="seed"):
        ge.train(ge.read_corpus(LINES), ge.GloVe(dim=2), seeds=seeds)


def test_more_runs_than_the_memory_holds_are_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = ge.read_corpus(LINES)
    monkeypatch.setattr("gpuemb.core.memory.available_host_bytes", lambda: 1000)
    with pytest.raises(ge.MemoryBudgetError, match="train: 100 runs"):
        ge.train(tokens, ge.GloVe(dim=3), seeds=100)


@pytest.mark.parametrize(
    "config",
    [
        lambda: {**CONFIG, "models": [MODEL]},
        lambda: {"corpus": Path("text.txt"), **{k: v for k, v in CONFIG.items() if k != "corpus"},
                 "models": (ge.ModelConfig(ge.GloVe(dim=2, epochs=1), 2),)},
        lambda: "study.toml",
        lambda: Path("study.toml"),
    ],
    ids=["mapping", "mapping of objects", "TOML", "path of TOML"],
)  # fmt: skip
def test_a_study_is_asked_for_in_any_form(config: Callable[[], Any]) -> None:
    Path("study.toml").write_text(
        'corpus = ["text.txt"]\nneighbors = 2\n[text]\nmin_count = 1\n[counts]\nwindow = 2\n'
        '[[models]]\nkind = "glove"\ndim = 2\nepochs = 1\nseeds = 2\n'
    )
    result = ge.study(config(), out="study")
    assert [Path(path).name for path in result.config.corpus] == ["text.txt"]
    assert result.config.models == (ge.ModelConfig(ge.GloVe(dim=2, epochs=1), (0, 1)),)
    assert ge.plan(config(), words=10, nonzeros=20).disk_bytes > 0


@pytest.mark.parametrize("corpus", ["text.txt", ["text.txt", "more.txt"], Path("text.txt")])
def test_a_study_of_a_text_has_all_else_by_default(corpus: Any) -> None:
    Path("more.txt").write_text("the\n")
    with pytest.raises(VocabularyError, match="at least 10 times"):  # which min_count is by default
        ge.study(corpus)
    assert ge.StudyConfig(corpus).corpus[0] == "text.txt"


def test_arrays_that_speak_dlpack_alone_enter_everywhere() -> None:
    x, alone = table(), DLPackAlone(table())
    assert_same_bits(ge.nearest_neighbors(alone, 2).scores, ge.nearest_neighbors(x, 2).scores)
    assert_same_bits(
        ge.CosineIndex(alone).search([0], 2).scores, ge.nearest_neighbors(x, 2, queries=[0]).scores
    )
    assert_same_bits(
        ge.nearest_neighbors(x, 2, queries=alone).scores, ge.nearest_neighbors(x, 2, queries=x).scores
    )
    assert_same_bits(ge.cosine_matrix(alone, alone).scores, ge.cosine_matrix(x).scores)
    assert_same_bits(np.asarray(ge.stack([alone, alone]).vectors), np.stack([x, x]))
    assert_same_bits(ge.Embedding(alone, WORDS)["cat"], x[1])
    assert_same_bits(np.asarray(ge.EmbeddingStack(DLPackAlone(x[None])).vectors), x[None])
    ids = ge.nearest_neighbors(x, 2).ids
    assert ge.neighbor_overlap(DLPackAlone(ids), ids).value == 1
    ge.save(alone, "alone.npy")
    assert_same_bits(np.load("alone.npy"), x)
    p_values = np.array([0.01, 0.5])
    found = ge.benjamini_hochberg(DLPackAlone(p_values), "two")
    assert_same_bits(found.adjusted, ge.benjamini_hochberg(p_values, "two").adjusted)


@pytest.mark.parametrize(
    "enters",
    [
        lambda x: ge.Embedding(x, WORDS),
        lambda x: ge.EmbeddingStack([x, x], WORDS),
        lambda x: ge.stack([x, x]),
        lambda x: ge.save(x, "masked.npy"),
        lambda x: ge.nearest_neighbors(x, 2),
        lambda x: ge.nearest_neighbors(table(), 2, queries=x),
        lambda x: ge.CosineIndex(x),
        lambda x: ge.cosine_matrix(table(), x),
        lambda x: ge.neighbor_overlap(x, x),
        lambda x: ge.benjamini_hochberg(x[0], "some"),
    ],
)
def test_a_masked_array_is_refused_everywhere(enters: Callable[[Any], Any]) -> None:
    masked = np.ma.MaskedArray(table(), mask=np.eye(6, 3, dtype=bool))
    with pytest.raises(DTypeError, match="a masked array was given"):
        enters(masked)


@pytest.mark.parametrize("device", [None, "auto", "cpu", ge.Device("cpu")])
def test_every_function_takes_one_rule_for_its_device(device: Any) -> None:
    tokens = ge.read_corpus(LINES)
    ge.nearest_neighbors(table(), 2, device=device)
    ge.CosineIndex(table(), device=device)
    ge.cosine_matrix(table(), device=device)
    next(ge.cosine_tiles(table(), device=device))
    ge.count_cooccurrences(tokens, 2, device=device)
    ge.train(tokens, ge.PPMISVD(dim=2), window=2, seeds=1, device=device)


@pytest.mark.parametrize("device", ["gpu", "cuda:-1", "cuda:x", 0, True, [], ge.Embedding])
def test_what_is_no_device_is_refused(device: Any) -> None:
    with pytest.raises(ConfigError, match="device"):
        ge.nearest_neighbors(table(), 2, device=device)
    with pytest.raises(ConfigError, match="device"):
        ge.count_cooccurrences(ge.read_corpus(LINES), 2, device=device)
