"""Errors name what was typed: the flags of the command, each once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from corpus.texts import random_text
from typer.testing import CliRunner

from gpuemb.cli import flags
from gpuemb.cli.app import app
from gpuemb.cli.flags import in_flags

FAILED, USAGE = 1, 2
STUDY = "study text.txt --min-count 1 --dim 4 --epochs 1 --seeds 2 --neighbors 3 --out study"
COMMANDS = (
    "bench",
    "compare",
    "convert",
    "count",
    "demo",
    "factorize",
    "info",
    "neighbors",
    "report",
    "similarity",
    "study",
    "train",
)
DRIFT = "study --question drift --group a text.txt --group b text.txt"
FLAGS = {"dim": "--dim", "device": "--device", "min_count": "--min-count", "k": "-k", "all": "--all"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text, a table, a broken table and a study as a file."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "text.txt").write_text(random_text(60, 12))
    np.save(folder / "t.npy", np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32))
    (folder / "t.words.txt").write_text("king\nQueen\nqueen\nthe\n")
    (folder / "bad.vec").write_text("3 2\na 1 2\nb 1\nc 1 2\n")
    (folder / "study.toml").write_text('corpus = "text.txt"\n[[models]]\nkind = "glove"\ndim = 0\n')
    return folder


def asked(folder: Path, typed: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Exit code and error of a command, its lines joined."""
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, typed.split(), env={"COLUMNS": "300", "NO_COLOR": "1"})
    assert done.stdout == "", typed
    return done.exit_code, " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (f"{STUDY} --vary x", "--vary x is not known --vary is one of seed, init, order, "),
        (f"{STUDY} --window 0", "--window 0 --window must be at least 1. Give --window 1 or more."),
        (f"{STUDY} --encoding-errors x", "--encoding-errors is one of strict, replace, ignore."),
        (f"{STUDY} --tokenizer regex:(", "--tokenizer 'regex:(' A tokenizer is"),
        (f"{STUDY} --measure x", "--measure x is not known --measure is one of"),
        (
            f"{STUDY} --model x",
            "--model x is not known --model is one of glove, ppmi-svd, skip-gram, tables.",
        ),
        (f"{STUDY} --device x", "--device: 'x' is not a device"),
        (f"{STUDY} --threads 0", "--threads 0 At least one thread is needed"),
        ("study text.txt --dim 0", "GloVe: --dim 0 --dim must be at least 1. Give --dim 1 or more."),
        ("study text.txt --seeds 1", "study: --seeds 1 Stability compares runs"),
        ("study text.txt --seeds 3,3", "--seeds 3,3"),
        ("study --config study.toml", "GloVe: dim = 0 dim must be at least 1. Give dim=1 or more."),
        ("study --config study.toml --epochs 3", "GloVe: dim = 0"),
        ("count text.txt --out c --memory x", "--memory: 'x' is not a size"),
        ("count text.txt --out c --field x", "Leave --field out"),
        ("count text.txt --out c --min-count 999", "lower --min-count, or bring more text"),
        ("neighbors t.npy king -k 9", "-k 9 neighbors were asked for among 3 candidates -k must be"),
        ("neighbors t.npy king --limit 0", "--limit 0 --limit must be at least 1. Give --limit 1"),
        ("study --question drift text.txt", "study: the question 'drift' without groups"),
        ("study --group a text.txt --group b text.txt", "study: groups without --question drift"),
        (f"{DRIFT} --vary seed", "study: --vary with --question drift"),
        (f"{DRIFT} --dim 5,10", "study: --dim 5,10 with --question drift One whole number"),
        (f"{DRIFT} --seeds 1,2", "study: --seeds 1,2 with --question drift"),
        ("compare --group old t.npy", "compare: 1 group: old Two groups"),
        ("compare t.npy --group a t.npy --group b t.npy", "compare: t.npy beside groups"),
        ("compare t.npy t.npy --require overlp>0", "Did you mean overlap"),
        ("compare --group a t.npy --group b t.npy --measure rsa", "one of overlap, second_order"),
        ("compare t.npy t.npy --case x", "--case x is not known --case is one of exact, lower."),
        ("convert t.npy o.txt --from x", "load: --from x is not known --from is one of glove,"),
        ("convert t.npy o.txt --format x", "--format x is not known --format is one of glove,"),
        ("convert t.npy o.txt --tensor x", "Omit --tensor: the file holds"),
        ("convert bad.vec o.txt", "--on-error skip leaves such lines out"),
        ("convert dataset:glove-6b-50d o.txt --from x", "--from x, but dataset:glove-6b-50d is a data set"),
        ("bench --size x", "--size x is not known --size is one of small, medium, large."),
    ],
)
def test_an_error_of_a_function_names_the_flag(
    desk: Path, typed: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, error = asked(desk, typed, monkeypatch)
    assert code in (FAILED, USAGE)
    assert said in error


@pytest.mark.parametrize(
    ("typed", "flag"),
    [
        ("study text.txt --dim 25 --dim 50", "'--dim'"),
        ("neighbors t.npy king -k 2 --k 3", "'-k' / '--k'"),
        ("neighbors t.npy king --json --json", "'--json'"),
        ("convert t.npy o.txt --limit 2 --limit=2", "'--limit'"),
        ("bench --compare a b --compare a b", "'--compare'"),
    ],
)
def test_a_flag_is_given_once(desk: Path, typed: str, flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code, error = asked(desk, typed, monkeypatch)
    assert code == USAGE
    assert f"Invalid value for {flag}: it was given twice." in error


def test_flags_that_repeat_are_given_as_often_as_wanted(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, error = asked(desk, "compare t.npy t.npy --measure rsa --measure x", monkeypatch)
    assert "--measure x is not known" in error


def test_a_word_in_other_letters_cases_is_suggested(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Did you mean king?" in asked(desk, "neighbors t.npy King", monkeypatch)[1]
    assert "Did you mean Queen or queen?" in asked(desk, "neighbors t.npy QUEEN", monkeypatch)[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_both_names_of_help(command: str) -> None:
    short, long = (CliRunner().invoke(app, [command, help]) for help in ("-h", "--help"))
    assert (short.exit_code, long.exit_code) == (0, 0)
    assert short.stdout == long.stdout
    assert "-h" in short.stdout


def test_the_version_is_told() -> None:
    from gpuemb import __version__

    for words in (["--version"], *([command, "--version"] for command in COMMANDS)):
        done = CliRunner().invoke(app, words)
        assert (done.exit_code, done.stdout, done.stderr) == (0, f"gpuemb {__version__}\n", ""), words


@pytest.mark.parametrize(
    ("python", "typed"),
    [
        ("GloVe: dim = 0", "GloVe: --dim 0"),
        ("Use dim=15, a lower min_count, or more.", "Use --dim 15, a lower --min-count, or more."),
        ("Use device='cpu' (or 'auto').", "Use --device cpu (or 'auto')."),
        ("device='my gpu' is none", "--device 'my gpu' is none"),
        ("the reader's table: dim = 3 or 'x'", "the reader's table: --dim 3 or 'x'"),
        ("device: 'x' is not a device\n  k must be 3.", "--device: 'x' is not a device\n  -k must be 3."),
        ("Give all=True.", "Give --all."),
        ("For example dim=[1, 2].", "For example --dim 1,2."),
    ],
)
def test_arguments_become_flags(python: str, typed: str) -> None:
    token = flags._flags.set(FLAGS)
    try:
        assert in_flags(python) == typed
    finally:
        flags._flags.reset(token)


@pytest.mark.parametrize(
    "text",
    [
        "text.min_count = 3 in study.toml",  # a key of a file
        "models[0].dim: it must be 3",
        "the words of all tables must be alike",
        "vdim = 3, dim_of = 3",
        "A device is 'auto' or 'cpu'.",
        "king 'dim = 3' queen",
        "line 3: the line is 'b dim = 3 4'",
    ],
)
def test_words_that_are_no_arguments_stay(text: str) -> None:
    token = flags._flags.set(FLAGS)
    try:
        assert in_flags(text) == text
    finally:
        flags._flags.reset(token)


def test_without_a_command_nothing_is_changed() -> None:
    import contextvars

    assert contextvars.Context().run(in_flags, "dim = 0; k must be 3") == "dim = 0; k must be 3"
