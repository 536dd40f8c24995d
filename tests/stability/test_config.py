"""A study's configuration: checked whole, written and read back unchanged."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core.errors import ConfigError, FileFormatError, StorageError
from gpuemb.kernels.neighbor_overlap import LARGEST_K, LARGEST_RUNS
from gpuemb.stability.config import CountsConfig, ModelConfig, StudyConfig, TextConfig
from gpuemb.stability.toml import LARGEST, config_from, config_to, load_config
from gpuemb.training.recipes import PPMISVD, GloVe, SkipGram

POSITIVE = st.floats(min_value=1e-3, max_value=1e3)
RECIPES = st.one_of(
    st.builds(GloVe, dim=st.integers(1, 999), epochs=st.integers(1, 99), x_max=POSITIVE, alpha=POSITIVE),
    st.builds(PPMISVD, dim=st.integers(1, 999), power=POSITIVE, shift=POSITIVE.map(lambda x: x + 1)),
    st.builds(SkipGram, dim=st.integers(1, 999), window=st.integers(1, 50), sample=st.floats(0, 1)),
)
SEEDS = st.lists(st.integers(0, 2**62), min_size=2, max_size=4, unique=True).map(tuple)


@st.composite
def models(draw: st.DrawFn) -> tuple[ModelConfig, ...]:
    """Up to three models of different names."""
    recipes = draw(st.lists(RECIPES, min_size=1, max_size=3))
    return tuple(
        ModelConfig(recipe, draw(SEEDS), draw(st.sampled_from(["seed", *recipe.varies])), f"model-{i}")
        for i, recipe in enumerate(recipes)
    )


STUDIES = st.builds(
    StudyConfig,
    corpus=st.lists(
        st.sampled_from(["/nowhere/a b.txt", "-", "dataset:conversations", "/nowhere/ä"]),
        min_size=1,
        max_size=3,
    ).map(tuple),
    text=st.builds(
        TextConfig,
        min_count=st.integers(1, 99),
        max_words=st.integers(0, 99),
        tokenizer=st.sampled_from(["default", "whitespace", r"regex:\w+", "/nowhere/tokenizer.json"]),
        documents=st.sampled_from(["line", "file", "blank line"]),
        field=st.sampled_from(["", "body"]),
    ),
    counts=st.builds(
        CountsConfig, window=st.integers(1, 25), weighting=st.sampled_from(["harmonic", "flat"])
    ),
    models=models(),
    neighbors=st.integers(1, 99),
    title=st.text(max_size=20),
)


ENDLESS = (
    "seeds = 1000000000000",
    "seeds = 1e12",
    "seeds = inf",
    "seeds = nan",
    "seeds = [true]",
    "seeds = [0, true]",
    "seeds = [0, 1e3]",
    "x_max = inf",
    "x_max = -inf",
    "alpha = inf",
    "alpha = nan",
    "learning_rate = inf",
    "dim = inf",
    "dim = 8.0",
    "epochs = nan",
    "epochs = true",
)


def read(tmp_path: Path, text: str) -> StudyConfig:
    path = tmp_path / "study.toml"
    path.write_text(text, "utf-8")
    return load_config(path)


@settings(deadline=None)
@given(config=STUDIES)
def test_what_was_written_is_read_back_equal(
    config: StudyConfig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    back = read(tmp_path_factory.mktemp("toml"), config_to(config))
    assert back == config
    assert back.digest() == config.digest()


def test_equal_configurations_have_equal_digests() -> None:
    whole, floating = (
        StudyConfig(("/nowhere/a",), models=(ModelConfig(GloVe(x_max=x), (0, 1)),)) for x in (10, 10.0)
    )
    assert whole == floating
    assert whole.digest() == floating.digest()


@settings(deadline=None)
@given(first=STUDIES, second=STUDIES)
def test_digests_differ_with_everything_but_the_title(first: StudyConfig, second: StudyConfig) -> None:
    assert (first == replace(second, title=first.title)) == (first.digest() == second.digest())
    assert replace(first, title="another").digest() == first.digest()


def test_relative_paths_are_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    config = read(tmp_path, 'corpus = ["texts/a.txt", "-", "dataset:conversations"]')
    assert config.corpus == (str((tmp_path / "texts/a.txt").resolve()), "-", "dataset:conversations")
    assert read(tmp_path, 'corpus = "a.txt"').corpus == (str((tmp_path / "a.txt").resolve()),)


def test_a_relative_tokenizer_file_is_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    for name, expected in (
        ("bpe.json", str((tmp_path / "bpe.json").resolve())),
        ("regex:.json", "regex:.json"),
    ):
        config = read(tmp_path, f'corpus = "a"\n[text]\ntokenizer = "{name}"')
        assert config.text.tokenizer == expected


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    config = read(tmp_path, 'corpus = "/nowhere/a"\n[[models]]\nkind = "ppmi-svd"')
    assert config == StudyConfig(("/nowhere/a",), models=(ModelConfig(PPMISVD()),))
    assert config.models[0].name == "ppmi-svd"


@pytest.mark.parametrize(("seeds", "expected"), [("3", (0, 1, 2)), ("[7, 0]", (7, 0))])
def test_seeds_are_a_number_or_a_list(tmp_path: Path, seeds: str, expected: tuple[int, ...]) -> None:
    config = read(tmp_path, f'corpus = "a"\n[[models]]\nkind = "glove"\nseeds = {seeds}')
    assert config.models[0].seeds == expected


def test_runs_are_named_by_what_varies() -> None:
    assert ModelConfig(GloVe(), (3, 5)).runs == ("seed 3", "seed 5")
    assert ModelConfig(GloVe(), (3, 5), "bootstrap").runs == ("bootstrap 3", "bootstrap 5")
    assert ModelConfig(GloVe(), (3, 5), "halves").runs == ("half 3a", "half 3b", "half 5a", "half 5b")


def test_halves_have_two_runs_a_seed_and_only_these_are_compared(tmp_path: Path) -> None:
    config = read(tmp_path, 'corpus = "a"\n[[models]]\nkind = "glove"\nvary = "halves"\nseeds = 1')
    assert config.models[0].runs == ("half 0a", "half 0b")
    assert ModelConfig(GloVe(), (0, 1), "halves").compared == ((0, 1), (2, 3))
    assert ModelConfig(GloVe(), (0, 1, 2)).compared == ((0, 1, 2),)
    assert len(ModelConfig(GloVe(), 50, "halves").runs) == LARGEST_RUNS  # type: ignore[arg-type]
    for seeds, message in (((1, 1), "two different seeds"), (tuple(range(51)), "51 seeds")):
        with pytest.raises(ConfigError, match=message):
            ModelConfig(GloVe(), seeds, "halves")


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ('corpos = "a"', "corpos", "corpus"),
        ('corpus = "a"\n[text]\nmincount = 3', "mincount", "min_count"),
        ('corpus = "a"\n[counts]\nwindows = 3', "windows", "window"),
        ('corpus = "a"\n[[models]]\nkind = "glove"\nepoch = 3', "epoch", "epochs"),
        ('corpus = "a"\n[[models]]\nkind = "ppmi-svd"\npowr = 3', "powr", "power"),
    ],
)
def test_an_unknown_key_names_the_nearest(tmp_path: Path, text: str, key: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"the key '{key}' is not known") as refusal:
        read(tmp_path, text)
    assert f"Did you mean {nearest}" in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "corpus = 3",
        "corpus = [3]",
        "corpus = []",
        'corpus = "a\\u0000b"',
        'corpus = "a"\n[text]\ntokenizer = "a\\u0000b.json"',
        "title = 'no corpus'",
        'corpus = "a"\nneighbors = "ten"',
        'corpus = "a"\nneighbors = true',
        'corpus = "a"\nneighbors = 0',
        'corpus = "a"\nneighbors = 257',
        'corpus = "a"\nneighbors = 2.5',
        'corpus = "a"\ntitle = 3',
        'corpus = "a"\ntext = 3',
        'corpus = "a"\nmodels = 3',
        'corpus = "a"\nmodels = ["glove"]',
        'corpus = "a"\nmodels = []',
        'corpus = "a"\n[models]\nkind = "glove"',
        'corpus = "a"\n[text]\nmin_count = 0',
        'corpus = "a"\n[text]\nencoding_errors = "loose"',
        'corpus = "a"\n[text]\ntokenizer = "defalt"',
        'corpus = "a"\n[text]\ntokenizer = "regex:("',
        'corpus = "a"\n[text]\ndocuments = "page"',
        'corpus = "a"\n[text]\nfield = 3',
        'corpus = "a"\n[counts]\nweighting = "harmonical"',
        'corpus = "a"\n[counts]\nwindow = 26',
        'corpus = "a"\n[[models]]\ndim = 3',
        'corpus = "a"\n[[models]]\nkind = "word2vec"',
        'corpus = "a"\n[[models]]\nkind = ["glove"]',
        'corpus = "a"\n[[models]]\nkind = "glove"\ndim = "3"',
        'corpus = "a"\n[[models]]\nkind = "glove"\ndim = 2.5',
        'corpus = "a"\n[[models]]\nkind = "glove"\nx_max = true',
        'corpus = "a"\n[[models]]\nkind = "glove"\nx_max = nan',
        'corpus = "a"\n[[models]]\nkind = "glove"\nname = 3',
        'corpus = "a"\n[[models]]\nkind = "glove"\nname = "a/b"',
        'corpus = "a"\n[[models]]\nkind = "glove"\nname = ".."',
        'corpus = "a"\n[[models]]\nkind = "glove"\nvary = "sed"',
        'corpus = "a"\n[[models]]\nkind = "ppmi-svd"\nvary = "order"',
        'corpus = "a"\n[[models]]\nkind = "glove"\nseeds = "five"',
        'corpus = "a"\n[[models]]\nkind = "glove"\nseeds = true',
        'corpus = "a"\n[[models]]\nkind = "glove"\nseeds = [0, 1.5]',
        'corpus = "a"\n[[models]]\nkind = "glove"\nseeds = 1',
        'corpus = "a"\n[[models]]\nkind = "glove"\nseeds = 101',
        'corpus = "a"\n[[models]]\nkind = "glove"\nseeds = -3',
        'corpus = "a"\n[[models]]\nkind = "glove"\nseeds = [0, 0, 1]',
        'corpus = "a"\n[[models]]\nkind = "glove"\nseeds = [0, -1]',
        'corpus = "a"\n[[models]]\nkind = "glove"\n[[models]]\nkind = "glove"',
        *(f'corpus = "a"\n[[models]]\nkind = "glove"\n{line}' for line in ENDLESS),
        'corpus = "a"\n[[models]]\nkind = "ppmi-svd"\npower = inf',
        'corpus = "a"\n[[models]]\nkind = "ppmi-svd"\nshift = inf',
        'corpus = "a"\nneighbors = inf',
        'corpus = "a"\nneighbors = nan',
        'corpus = "a"\n[counts]\nwindow = inf',
        'corpus = "a"\n[counts]\nwindow = 2.5',
        'corpus = "a"\n[text]\nmin_count = inf',
        'corpus = "a"\n[text]\nmax_words = 1e9',
    ],
)
def test_values_that_make_no_study_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        read(tmp_path, text)


def test_what_the_overlap_cannot_compare_is_refused_before_any_work() -> None:
    assert len(ModelConfig(GloVe(), seeds=tuple(range(LARGEST_RUNS))).runs) == LARGEST_RUNS
    with pytest.raises(ConfigError, match=f"101 seeds\n.*At most {LARGEST_RUNS} runs") as refusal:
        ModelConfig(GloVe(), seeds=tuple(range(LARGEST_RUNS + 1)))
    assert "two models" in refusal.value.remedy
    assert StudyConfig(("a",), neighbors=LARGEST_K).neighbors == LARGEST_K
    with pytest.raises(ConfigError, match=f"neighbors must be at most {LARGEST_K}"):
        StudyConfig(("a",), neighbors=LARGEST_K + 1)


def test_two_models_need_two_names() -> None:
    twice = (ModelConfig(GloVe(dim=3)), ModelConfig(GloVe(dim=4)))
    with pytest.raises(ConfigError, match="models are named glove, glove"):
        StudyConfig(("a",), models=twice)


def test_whole_numbers_stand_for_floating_ones(tmp_path: Path) -> None:
    config = read(tmp_path, 'corpus = "a"\n[[models]]\nkind = "glove"\nx_max = 10')
    assert config.models[0].recipe == GloVe(x_max=10.0)


@pytest.mark.parametrize("seeds", [10**12, 10**30, 1e12, range(10**12)], ids=repr)
def test_a_list_of_seeds_is_bounded_before_it_is_made(seeds: Any) -> None:
    with pytest.raises(ConfigError, match="seeds = "):
        ModelConfig(GloVe(), seeds=seeds)


@pytest.mark.parametrize("path", ["pipe.toml", "/dev/zero", "/dev/random", "folder.toml", "large.toml"])
def test_what_is_no_small_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.toml")
    Path("folder.toml").mkdir()
    with open("large.toml", "wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(StorageError, match="cannot be read") as refusal:
        load_config(path)
    assert "at most a megabyte" in refusal.value.needed


@pytest.mark.parametrize(
    "text", ["seeds = " + "9" * 5000, "a = " + "[" * 100_000, 'a = "\xff"', "a = 1e", "\0"], ids=range(5)
)
def test_what_cannot_be_toml_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "study.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(FileFormatError, match="is not TOML"):
        load_config(tmp_path / "study.toml")


def test_a_file_that_is_not_toml_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="line 2"):
        read(tmp_path, 'corpus = "a"\ntitle = no quotes')


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_bytes(b'corpus = "\xff"')
    with pytest.raises(FileFormatError, match="is not TOML"):
        load_config(tmp_path / "study.toml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none\.toml cannot be read"):
        load_config(tmp_path / "none.toml")


@pytest.mark.parametrize("options", [{"neighbors": 0}, {"corpus": ()}, {"models": ()}])
def test_a_study_made_in_python_is_checked_too(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        StudyConfig(**{"corpus": ("a",), **options})


def test_a_mapping_makes_the_same_study_as_its_file(tmp_path: Path) -> None:
    mapping = {"corpus": "a", "models": [{"kind": "glove", "seeds": 2}]}
    text = 'corpus = "a"\n[[models]]\nkind = "glove"\nseeds = 2'
    assert config_from(mapping, tmp_path) == read(tmp_path, text)
