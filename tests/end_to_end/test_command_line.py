"""The command as people type it: in a new process, with its exit code and both of its outputs."""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from corpus.texts import random_text
from end_to_end.command import (
    COMMAND,
    ENVIRONMENT,
    FAILED,
    INTERRUPTED,
    PATIENCE,
    USAGE,
    Outcome,
    gpuemb,
    listen_to_interrupts,
)

from gpuemb.cli.study_flags import StudyFlags, study_config
from gpuemb.core.cuda.diagnosis import lack_of_cuda, missing_for_cuda
from gpuemb.core.errors import ConfigError
from gpuemb.training.recipes import RECIPES

SMALL = ("--min-count", "1", "--dim", "4", "--epochs", "2", "--seeds", "3", "--neighbors", "3")

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="needs gpuemb installed beside this interpreter")


def resume_line(output: str, beginning: str) -> list[str]:
    """The arguments of the printed command that resumes."""
    line = next(line for line in output.splitlines() if line.startswith(beginning))
    command, *arguments = shlex.split(line.removeprefix(beginning))
    assert command == "gpuemb"
    return arguments


def work_of(folder: Path) -> dict[str, int]:
    """When each finished piece of work was written."""
    return {
        path.parent.name + path.name: path.stat().st_mtime_ns for path in (folder / "work").glob("*/*.npy")
    }


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and the study of it that the tests below only look at."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "text.txt").write_text(random_text(120, 30))
    done = gpuemb(folder, "study", "text.txt", *SMALL, "--out", "runs/mine")
    assert done.code == 0, done.err
    (folder / "first.out").write_text(done.out)
    assert done.err == ""  # quiet where nobody looks at bars
    return folder


def test_a_study_ends_with_its_report_and_the_command_that_resumes_it(desk: Path) -> None:
    out = (desk / "first.out").read_text()
    assert "Report: runs/mine/report.html" in out.splitlines()
    assert "Resume: gpuemb study --config runs/mine/study.toml --out runs/mine" in out.splitlines()
    page = (desk / "runs" / "mine" / "report.html").read_text("utf-8")
    assert "<html" in page
    words = pyarrow.parquet.read_table(desk / "runs" / "mine" / "words.parquet")
    assert words.num_rows == len(
        (desk / "runs" / "mine" / "embeddings" / "words.txt").read_text().splitlines()
    )


def test_a_finished_study_answers_before_anything_large_is_loaded_and_finds_what_was_damaged(
    desk: Path, tmp_path: Path
) -> None:
    shutil.copytree(desk / "runs" / "mine", tmp_path / "runs" / "mine")
    command = ["study", "--config", "runs/mine/study.toml", "--out", "runs/mine"]
    first = gpuemb(tmp_path, *command)  # its files are new ones
    assert first.code == 0, first.err
    again = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, *command],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout == first.out
    for large in ("numpy", "numba", "scipy", "pyarrow", "typer"):
        assert re.search(rf"\| +{large}$", again.stderr, re.MULTILINE) is None, large
    assert gpuemb(tmp_path, *command).out == first.out
    vectors = next((tmp_path / "runs" / "mine" / "work").glob("vectors-*/vectors.npy"))
    content = bytearray(vectors.read_bytes())
    content[-1] ^= 1
    vectors.write_bytes(content)
    mended = gpuemb(tmp_path, *command)
    assert (mended.code, mended.out) == (0, first.out)
    assert "is damaged, and is done again" in mended.err


def test_a_study_names_its_worst_runs_and_says_that_few_show_little(desk: Path) -> None:
    out = (desk / "first.out").read_text()
    (line,) = [line for line in out.splitlines() if line.startswith("glove: ")]
    assert "Least alike by overlap: seed " in line
    assert line.endswith("agrees least with all others. 3 runs cannot show rare bad ones: 10 would.")
    summary = json.loads((desk / "runs" / "mine" / "summary.json").read_text("utf-8"))
    assert line == f"glove: {summary['models'][0]['caution']}"


def test_models_are_trained_for_everything_that_is_to_vary() -> None:
    blank = dict.fromkeys(field.name for field in fields(StudyFlags))
    flags = StudyFlags(
        **blank
        | {"corpus": ("a.txt",), "model": ("glove", "ppmi-svd"), "measure": (), "tables": (), "question": ()}
    )  # type: ignore[arg-type]
    both = study_config(replace(flags, vary=("bootstrap", "halves"), seeds="2"), None).models
    assert [(model.name, model.vary, len(model.runs)) for model in both] == [
        ("glove-bootstrap", "bootstrap", 2),
        ("glove-halves", "halves", 4),
        ("ppmi-svd-bootstrap", "bootstrap", 2),
        ("ppmi-svd-halves", "halves", 4),
    ]
    for vary, expected in (((), "seed"), (("halves",), "halves"), (("halves", "halves"), "halves")):
        models = study_config(replace(flags, vary=vary), None).models
        assert [(model.name, model.vary) for model in models] == [("glove", expected), ("ppmi-svd", expected)]


def test_finished_tables_are_typed_by_name_and_go_beside_every_model(tmp_path: Path) -> None:
    blank = dict.fromkeys(field.name for field in fields(StudyFlags))
    flags = StudyFlags(
        **blank | {"corpus": ("a.txt",), "model": (), "measure": (), "tables": (), "question": ()}
    )  # type: ignore[arg-type]
    files = [str(tmp_path / name) for name in ("a.vec", "b,c.vec", "d.vec")]
    (tmp_path / "b,c.vec").touch()
    typed = replace(
        flags, tables=(f"w={files[0]},{files[2]}", f"w={files[1]}"), vary=("seed", "init"), dim="5,6"
    )
    *trained, tables = study_config(typed, None).models
    assert [model.name for model in trained] == [
        f"glove-{vary}-d{dim}" for vary in ("seed", "init") for dim in (5, 6)
    ]
    assert (tables.name, list(tables.files)) == ("w", [files[0], files[2], files[1]])
    for wrong in ("w", "w=", "=a.vec,b.vec"):
        with pytest.raises(ConfigError, match="--tables"):
            study_config(replace(flags, tables=(wrong,), vary=()), None)
    with pytest.raises(ConfigError, match="gpuemb compare measures finished tables without a text"):
        study_config(replace(typed, corpus=()), None)


@pytest.mark.slow
def test_a_study_killed_again_and_again_ends_with_the_bits_of_one_that_was_not(desk: Path) -> None:
    embeddings = desk / "runs" / "mine" / "embeddings" / "glove"
    tables = f"other={embeddings}/seed-0.npy,{embeddings}/seed-1.npy"
    study = ("study", "text.txt", *SMALL[:-6], "--epochs", "40", "--seeds", "4", "--neighbors", "3")
    study = (*study, "--tables", tables, "--out")
    assert gpuemb(desk, *study, "runs/whole").code == 0
    whole, killed, deaths = desk / "runs" / "whole", desk / "runs" / "killed", 0
    for units in (2, 4, 7, 10, 13):
        running = subprocess.Popen(
            [COMMAND, *study, "runs/killed"], cwd=desk, env=ENVIRONMENT, stdout=subprocess.DEVNULL
        )
        try:
            while running.poll() is None and len([*killed.glob("work/[a-z]*")]) < units:
                time.sleep(0.001)
            running.kill()
            deaths += running.wait(PATIENCE) == -signal.SIGKILL
        finally:
            running.kill()
            running.wait()
        assert not (killed / "report.html").exists()
    assert deaths == 5
    resumed = gpuemb(desk, *study, "runs/killed")
    assert resumed.code == 0, resumed.err
    for name in ("words.parquet", "pairs.parquet", "training.parquet", "summary.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    names = sorted(path.relative_to(whole) for path in whole.glob("embeddings/**/*.*"))
    assert len(names) == 5
    for name in names:
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    units = [sorted(path.name for path in folder.glob("work/*/*")) for folder in (whole, killed)]
    assert units[0] == units[1]


@pytest.mark.slow
def test_a_second_run_and_the_resume_line_do_nothing_again(desk: Path) -> None:
    folder = desk / "runs" / "mine"
    before, summary = work_of(folder), (folder / "summary.json").read_bytes()
    again = gpuemb(desk, "study", "text.txt", *SMALL, "--out", "runs/mine")
    resumed = gpuemb(desk, *resume_line(again.out, "Resume: "))
    assert (again.code, resumed.code) == (0, 0)
    assert again.out == resumed.out == (desk / "first.out").read_text()
    assert work_of(folder) == before
    assert (folder / "summary.json").read_bytes() == summary


@pytest.mark.slow
def test_a_page_is_made_anew_of_what_the_folder_keeps(desk: Path) -> None:
    folder, before = desk / "runs" / "mine", work_of(desk / "runs" / "mine")
    page = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    done = gpuemb(desk, "report", "runs/mine")
    assert (done.code, done.out, done.err) == (0, "Report: runs/mine/report.html\n", "")
    assert (folder / "report.html").read_bytes() == page
    assert gpuemb(desk, "report", "runs/mine", "-o", "other.html").out == "Report: other.html\n"
    assert (desk / "other.html").read_bytes() == page
    drawn = gpuemb(desk, "report", "runs/mine", "--figures", "drawn")
    assert drawn.out.endswith(f"Figures: {len(list((desk / 'drawn').iterdir())) - 1} files in drawn\n")
    assert (desk / "drawn" / "captions.md").read_text().count("**glove-depth**") == 1
    assert work_of(folder) == before
    nothing = gpuemb(desk, "report", "runs")
    assert nothing.code == USAGE
    assert "runs holds no study" in nothing.err


@pytest.mark.slow
def test_json_is_the_summary_and_nothing_else(desk: Path) -> None:
    title = 'A [bold]title[/bold] :smile: \\[x] "&" <b> 中'
    done = gpuemb(desk, "study", "text.txt", *SMALL, "--out", "runs/json", "--title", title, "--json")
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert summary["title"] == title
    assert summary["models"][0]["model"] == "glove"
    assert done.out == (desk / "runs" / "json" / "summary.json").read_text("utf-8")


@pytest.mark.slow
def test_the_number_of_threads_changes_no_result(desk: Path) -> None:
    done = gpuemb(desk, "study", "text.txt", *SMALL, "--out", "runs/threads", "--threads", "2")
    assert done.code == 0, done.err
    for name in ("words.parquet", "pairs.parquet", "summary.json", "embeddings/glove/seed-1.npy"):
        assert (desk / "runs/threads" / name).read_bytes() == (desk / "runs/mine" / name).read_bytes()


@pytest.mark.slow
def test_standard_input_is_a_text(desk: Path) -> None:
    done = gpuemb(
        desk, "study", "-", *SMALL, "--out", "runs/piped text", typed=(desk / "text.txt").read_bytes()
    )
    assert done.code == 0, done.err
    assert (desk / "runs/piped text/words.parquet").read_bytes() == (
        desk / "runs/mine/words.parquet"
    ).read_bytes()
    assert gpuemb(desk, *resume_line(done.out, "Resume: ")).code == 0


@pytest.mark.slow
def test_folders_and_packed_files_are_texts(desk: Path) -> None:
    lines = (desk / "text.txt").read_text().splitlines(keepends=True)
    (desk / "texts").mkdir()
    (desk / "texts" / "a.txt").write_text("".join(lines[:50]))
    (desk / "texts" / "b.txt.gz").write_bytes(gzip.compress("".join(lines[50:]).encode()))
    done = gpuemb(desk, "study", "texts", *SMALL, "--out", "runs/texts")
    assert done.code == 0, done.err
    assert (desk / "runs/texts/words.parquet").read_bytes() == (desk / "runs/mine/words.parquet").read_bytes()


@pytest.mark.slow
def test_records_from_standard_input_are_cut_by_a_regular_expression(tmp_path: Path) -> None:
    lines = [json.dumps({"body": line.replace(" ", "_")}) for line in random_text(120, 30).splitlines()]
    asked = ("--field", "body", "--tokenizer", "regex:[^_]+", *SMALL)
    done = gpuemb(tmp_path, "study", "-", *asked, "--out", "r", typed="\n".join(lines).encode())
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "r" / "record.json").read_text())["tokenizer"] == "regex:[^_]+"
    assert "w00" in (tmp_path / "r" / "embeddings" / "words.txt").read_text().split()
    resumed = gpuemb(tmp_path, *resume_line(done.out, "Resume: "))
    assert resumed.code == 0, resumed.err


@pytest.mark.slow
def test_short_lines_are_noted_and_are_no_warning(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(random_text(1100, 30))
    done = gpuemb(tmp_path, "study", "text.txt", *SMALL, "--out", "lines")
    assert done.code == 0, done.err
    assert "lines are documents, and half of them have" in done.err
    asked = gpuemb(tmp_path, "study", "text.txt", *SMALL, "--documents", "blank line", "--out", "whole")
    assert (asked.code, asked.err) == (0, "")


@pytest.mark.slow
def test_a_study_can_be_asked_in_a_file_and_changed_by_flags(desk: Path) -> None:
    asked = 'corpus = ["text.txt"]\nneighbors = 3\n[text]\nmin_count = 1\n'
    asked += '[[models]]\nkind = "glove"\ndim = 4\nepochs = 2\nseeds = 3\n'
    asked += '[[models]]\nkind = "ppmi-svd"\ndim = 4\nvary = "bootstrap"\nseeds = [5, 9]\n'
    asked += '[[models]]\nkind = "skip-gram"\ndim = 4\nvary = "sampling"\nsample = 0\n'
    (desk / "study.toml").write_text(asked)
    done = gpuemb(desk, "study", "--config", "study.toml", "--seeds", "0,2", "--out", "runs/file")
    assert done.code == 0, done.err
    names = sorted(
        str(path.relative_to(desk / "runs/file/embeddings"))
        for path in (desk / "runs/file").glob("embeddings/*/*.npy")
    )
    assert names == [
        "glove/seed-0.npy",
        "glove/seed-2.npy",
        "ppmi-svd/bootstrap-0.npy",
        "ppmi-svd/bootstrap-2.npy",
        "skip-gram/seed-0.npy",
        "skip-gram/seed-2.npy",
    ]
    same = [np.load(desk / "runs" / run / "embeddings/glove/seed-2.npy") for run in ("mine", "file")]
    np.testing.assert_array_equal(*same)


@pytest.mark.slow
def test_another_configuration_needs_to_be_told_to_extend(desk: Path) -> None:
    more = (*SMALL[:-3], "4", *SMALL[-2:])  # four seeds
    first = gpuemb(desk, "study", "text.txt", *SMALL, "--out", "runs/extended")
    refused = gpuemb(desk, "study", "text.txt", *more, "--out", "runs/extended")
    before = work_of(desk / "runs/extended")
    extended = gpuemb(desk, "study", "text.txt", *more, "--out", "runs/extended", "--extend")
    assert (first.code, refused.code, extended.code) == (0, USAGE, 0)
    assert "models[0].seeds" in refused.err
    assert "--extend" in refused.err
    assert before.items() <= work_of(desk / "runs/extended").items()


@pytest.mark.slow
def test_without_a_folder_another_study_gets_a_new_one_and_the_same_finds_its_own(tmp_path: Path) -> None:
    (tmp_path / "my.txt").write_text(random_text(60, 12))
    first, second = ([*SMALL, "--title", title] for title in ("one", "two"))
    outcomes = [gpuemb(tmp_path, "study", "my.txt", *asked) for asked in (first, second, first, second)]
    assert [outcome.code for outcome in outcomes] == [0] * 4
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["my", "my-2"]
    assert [outcome.out for outcome in outcomes[2:]] == [outcome.out for outcome in outcomes[:2]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sedes", "3"), "--seeds"),
        (("--modle", "glove"), "--model"),
        (("--model", "glvoe"), "Did you mean glove?"),
        (("--weighting", "harmonical"), "Did you mean harmonic?"),
        (("--vary", "bootstap"), "Did you mean bootstrap?"),
        (("--model", "ppmi-svd", "--vary", "order"), "ppmi-svd can vary bootstrap"),
        (("--vary", "sampling"), "glove can vary seed, init, order"),
        (("--model", "skip-gram", "--epochs", "0"), "SkipGram: --epochs 0"),
        (("--seeds", "many"), "--seeds 5, or --seeds 0,7,42"),
        (("--seeds", "1"), "at least two different seeds"),
        (("--seeds", "1000000000000"), "From one to 10,000 runs"),
        (("--seeds", "9" * 5000), "at most 40 digits"),
        (("--dim", "0"), "--dim must be at least 1"),
        (("--dim", "ten"), "A whole number, or a list of them"),
        (("--window", "26"), "up to window 25"),
        (("--threads", "0"), "At least one thread"),
        (("--encoding-errors", "loose"), "strict, replace, ignore"),
        (("--dim", "999"), "--dim 999 but the vocabulary has 30 words"),
        (("--neighbors", "30"), "--neighbors must be at least 1 and at most 29"),
        (("--neighbors", "0"), "--neighbors must be at least 1"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error_that_says_what_can(
    desk: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    options = dict(zip(SMALL[::2], SMALL[1::2], strict=True)) | {"--device": "cpu"}
    options |= dict(zip(arguments[::2], arguments[1::2], strict=True))
    flags = [part for option in options.items() for part in option]
    done = gpuemb(tmp_path, "study", desk / "text.txt", *flags, "--out", "refused")
    assert done.code == USAGE, done.err
    assert said in " ".join(done.err.split())


def test_no_text_at_all_is_a_usage_error(tmp_path: Path) -> None:
    done = gpuemb(tmp_path, "study")
    assert done.code == USAGE
    assert "gpuemb study my.txt" in done.err


def test_an_unknown_key_of_a_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text('corpus = "a.txt"\nneighbours = 3\n')
    done = gpuemb(tmp_path, "study", "--config", "study.toml")
    assert done.code == USAGE
    assert "the key 'neighbours' is not known" in done.err
    assert "Did you mean neighbors?" in done.err


def test_a_file_that_is_not_toml_is_a_failure_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text("corpus = a.txt\n")
    done = gpuemb(tmp_path, "study", "--config", "study.toml")
    assert done.code == FAILED
    assert "line 1" in done.err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.txt", b"", "empty.txt holds no words"),
        ("image.bin", b"BM header\nand\nthen\0\0\xff\n", "not text: line 3 holds a zero byte"),
        ("latin.txt", b"caf\xc3\xa9 noir\ncaf\xe9 au lait\n", "line 2, byte 14: e9 20 61 75 is not UTF-8"),
        ("one.txt", b"word\n" * 20, "1 of 1 distinct words"),
        ("rare.txt", b"word other\n" * 9, "most frequent word occurs 9 times: lower --min-count"),
        ("cut.txt.gz", gzip.compress(b"word other\n" * 99)[:-9], "is not a whole gzip file"),
    ],
    ids=["empty", "binary", "not UTF-8", "one word", "rare words", "cut archive"],
)
def test_a_text_that_cannot_be_used_is_a_failure_that_says_why(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    done = gpuemb(tmp_path, "study", name, "--out", "refused")
    assert done.code == FAILED, done.err
    assert said in done.err


def test_a_missing_text_names_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "novels.txt").write_text("a b\n")
    done = gpuemb(tmp_path, "study", "novel.txt")
    assert done.code == FAILED
    assert "does not exist" in done.err
    assert "novels.txt" in done.err


@pytest.mark.slow
def test_a_failed_study_leaves_its_name_free(desk: Path, tmp_path: Path) -> None:
    assert gpuemb(tmp_path, "study", "none.txt", "--out", "study").code == FAILED
    assert gpuemb(tmp_path, "study", desk / "text.txt", *SMALL, "--out", "study").code == 0


@pytest.mark.slow
def test_invalid_bytes_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(random_text(60, 12).encode() + b"caf\xe9 w01 w02\n")
    done = gpuemb(tmp_path, "study", "text.txt", *SMALL, "--encoding-errors", "replace", "--out", "study")
    assert done.code == 0, done.err


def test_a_folder_that_cannot_be_written_is_a_failure(desk: Path) -> None:
    done = gpuemb(desk, "study", "text.txt", *SMALL, "--out", "text.txt/below")
    assert done.code == FAILED, done.err
    assert "text.txt" in done.err


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("precious")
    (tmp_path / "text.txt").write_text("a b\n")
    done = gpuemb(tmp_path, "study", "text.txt", "--out", "thesis")
    assert done.code == USAGE
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["thesis.tex"]


@pytest.mark.skipif(not missing_for_cuda(), reason="this machine can use CUDA")
def test_a_gpu_that_is_not_there_says_what_is_missing_and_which_extra_helps(desk: Path) -> None:
    done = gpuemb(desk, "study", "text.txt", *SMALL, "--device", "cuda", "--out", "runs/cuda")
    assert done.code == FAILED
    assert missing_for_cuda() in done.err
    assert lack_of_cuda().provided_by in done.err
    assert "--device cpu" in done.err


def test_a_device_nobody_knows_is_refused_with_those_that_are(desk: Path) -> None:
    done = gpuemb(desk, "study", "text.txt", *SMALL, "--device", "abacus", "--out", "runs/abacus")
    assert done.code in (FAILED, USAGE)
    assert "A device is 'auto', 'cpu', 'cuda' or 'cuda:n'" in done.err


def stop_in_the_middle(folder: Path, out: Path, how: signal.Signals) -> tuple[list[str], Outcome]:
    """Begin a longer study, send it a signal once a run is finished; return its arguments and its end."""
    (folder / "text.txt").write_text(random_text(800, 200, longest=40))
    arguments = ["study", "text.txt", "--dim", "50", "--epochs", "50", "--seeds", "6", "--out", str(out)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = subprocess.Popen(
        [COMMAND, *arguments], cwd=folder, env=ENVIRONMENT, preexec_fn=listen_to_interrupts, **pipes
    )
    try:
        given_up = time.monotonic() + PATIENCE
        while not list((out / "work").glob("vectors-*")):
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < given_up
            time.sleep(0.005)
        running.send_signal(how)
        printed, said = running.communicate(timeout=PATIENCE)
    finally:
        running.kill()
        running.wait()
    return arguments, Outcome(running.returncode, printed.decode(), said.decode())


def assert_resumes(folder: Path, out: Path, arguments: list[str]) -> None:
    """What was finished is not done again, and the rest is."""
    kept = work_of(out)
    assert 1 <= len([name for name in kept if name.startswith("vectors-")]) < 6
    resumed = gpuemb(folder, *arguments)
    assert resumed.code == 0, resumed.err
    assert kept.items() <= work_of(out).items()
    assert len(list((out / "embeddings" / "glove").glob("*.npy"))) == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_keeps_what_is_finished_and_prints_the_command_that_resumes(
    how: signal.Signals, code: int, tmp_path: Path
) -> None:
    out = tmp_path / "my runs" / "long"
    _, ended = stop_in_the_middle(tmp_path, out, how)
    assert ended.code == code, ended.err
    assert "Interrupted" in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    assert not list(out.rglob(".partial-*"))
    assert_resumes(tmp_path, out, resume_line(ended.err, "Resume with: "))


@pytest.mark.slow
def test_a_kill_keeps_what_is_finished_and_the_same_command_goes_on(tmp_path: Path) -> None:
    arguments, ended = stop_in_the_middle(tmp_path, tmp_path / "long", signal.SIGKILL)
    assert ended.code == -signal.SIGKILL
    assert_resumes(tmp_path, tmp_path / "long", arguments)


def test_help_shows_examples_and_every_option(tmp_path: Path) -> None:
    done = gpuemb(tmp_path, "study", "--help")
    assert done.code == 0
    assert "Examples" in done.out
    assert "gpuemb study my.txt --model glove --dim 100 --seeds 10 --out runs/mine" in done.out
    for option in (
        "--config",
        "--model",
        "--vary",
        "--encoding-errors",
        "--extend",
        "--device",
        "--threads",
        "--json",
        ", ".join(RECIPES),
    ):
        assert option in done.out


def test_the_command_alone_shows_what_it_can(tmp_path: Path) -> None:
    done = gpuemb(tmp_path, "--help")
    assert done.code == 0
    for command in ("study", "demo", "info"):
        assert command in done.out
    assert gpuemb(tmp_path).code in (0, USAGE)


def test_an_unknown_command_names_the_nearest(tmp_path: Path) -> None:
    done = gpuemb(tmp_path, "studdy")
    assert done.code == USAGE
    assert "study" in done.err


def test_info_says_what_this_machine_would_use(tmp_path: Path) -> None:
    done = gpuemb(tmp_path, "info")
    assert done.code == 0
    assert (done.err, list(tmp_path.iterdir())) == ("", [])
    for word in ("auto means", "CPU", "CUDA", "threads", "numpy", "cosine_topk", "cpu/"):
        assert word in done.out
    if missing_for_cuda():
        assert missing_for_cuda() in done.out


def test_info_for_programs_is_json(tmp_path: Path) -> None:
    done = gpuemb(tmp_path, "info", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["kernels"]["cosine_topk"]["cpu"]["file"] == "cpu/"


def test_a_reader_that_has_gone_is_no_traceback(tmp_path: Path) -> None:
    for arguments in (["info"], ["study", "--help"]):
        gone, output = os.pipe()
        os.close(gone)
        try:
            done = subprocess.run(
                [COMMAND, *arguments],
                cwd=tmp_path,
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
                env=ENVIRONMENT,
                timeout=PATIENCE,
            )
        finally:
            os.close(output)
        assert "Traceback" not in done.stderr, arguments
        assert "Error" not in done.stderr, arguments
