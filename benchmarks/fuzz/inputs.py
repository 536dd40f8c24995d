"""One damaged input a seed, and what becomes of it."""

from __future__ import annotations

import shutil
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.fuzz.damage import damaged
from benchmarks.fuzz.formats import reformatted
from benchmarks.fuzz.readers import Reader
from benchmarks.fuzz.samples import HERE, Files
from gpuemb.core.errors import GpuembError

MOST_BYTES = 1 << 20  # of a damaged file
PACKAGE = "/gpuemb/"
LONGEST_MESSAGE, LINES = 10_000, 3  # characters of an error; what was given, what is needed, what to do


@dataclass(frozen=True)
class Input:
    """A damaged input, which its seed makes again."""

    seed: int
    reader: str
    sample: str
    damage: tuple[str, ...]
    files: Files
    chance: Random


@dataclass(frozen=True)
class Outcome:
    """What became of an input: ``read``, ``refused`` or ``failed``, and why."""

    seed: int
    reader: str
    how: str
    why: str = ""
    trace: str = ""


def input_of(seed: int, known: dict[str, Reader]) -> Input:
    """Make the input of a seed."""
    chance = Random(seed)
    name = chance.choices([*known], [reader.weight for reader in known.values()])[0]
    sample = chance.choice([*known[name].samples])
    files, ways = dict(known[name].samples[sample]), list[str]()
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        ways.append(_damage(files, chance, known[name]))
    return Input(seed, name, sample, tuple(ways), files, chance)


def _damage(files: Files, chance: Random, reader: Reader) -> str:
    """Damage one file of a folder, or the folder; say how."""
    name = chance.choice([*files]) if files else ""
    if not name or (len(files) > 1 and chance.random() < 0.12):
        return _damage_folder(files, name, chance, reader)
    inner = reformatted(name, files[name], chance) if chance.random() < 0.5 else None
    if inner is not None:
        files[name] = inner[:MOST_BYTES]
        return f"{name}: within its format"
    data, how = damaged(files[name], chance)
    files[name] = data[:MOST_BYTES]
    return f"{name}: {how}"


def _damage_folder(files: Files, name: str, chance: Random, reader: Reader) -> str:
    other = chance.choice([*files]) if files else ""
    how = chance.choice(("remove", "swap", "copy", "add", "folder"))
    if not files or how == "add":
        files[f"{Path(name).parent / chance.choice(('words.txt', 'x.npy', 'vocab.json', 'new'))}"] = (
            b"cat 1\ndog 2\n"
        )
    elif how == "remove":
        del files[name]
    elif how == "swap":
        files[name], files[other] = files[other], files[name]
    elif how == "copy":
        files[name] = files[other]
    else:
        files[f"{name}/inside"] = files.pop(name)
    return f"{name}: {how} {other}"


def write(files: Files, folder: Path) -> None:
    """Write an input's files to a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    here = str(folder.resolve()).encode()
    for name, data in sorted(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_dir():
            path.write_bytes(data.replace(HERE.encode(), here) if HERE.encode() in data else data)


def path_of(made: Input, reader: Reader, folder: Path) -> Path:
    """Return what is read of an input."""
    return folder / (reader.path or next(iter(reader.samples[made.sample])))


def attempt(made: Input, reader: Reader, folder: Path) -> Outcome:
    """Read an input that lies in ``folder``."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UserWarning)  # DroppedWarning, ShortDocumentsWarning
        try:
            reader.read(path_of(made, reader, folder), made.chance)
        except GpuembError as error:
            return _refused(made, error)
        except Exception as error:
            return Outcome(made.seed, made.reader, "failed", _signature(error), traceback.format_exc())
    return Outcome(made.seed, made.reader, "read")


def _refused(made: Input, error: GpuembError) -> Outcome:
    text = str(error)
    if len(text) > LONGEST_MESSAGE or len(text.splitlines()) < LINES:
        why = f"a message that nobody reads: {len(text)} characters: {text[:100]}"
        return Outcome(made.seed, made.reader, "failed", why, text)
    return Outcome(made.seed, made.reader, "refused", type(error).__name__, text)


def _signature(error: BaseException) -> str:
    """Name an error by its class and the last line of gpuemb it passed."""
    places = [f for f in traceback.extract_tb(error.__traceback__) if PACKAGE in f.filename]
    last = f"{places[-1].filename.rpartition(PACKAGE)[2]}:{places[-1].lineno}" if places else ""
    return f"{type(error).__name__} {last}: {str(error)[:120]}".replace("\n", " ")


def check_samples(known: dict[str, Reader], folder: Path) -> None:
    """Read every sample as it is: none may be refused; and compile what reading needs."""
    for name, reader in known.items():
        for sample, files in reader.samples.items():
            whole = Input(0, name, sample, (), files, _Usual())
            write(files, folder)
            outcome = attempt(whole, reader, folder)
            if outcome.how != "read" and "needs the library tokenizers" not in outcome.trace:  # an extra
                raise AssertionError(f"{name}, {sample}: {outcome.how}: {outcome.why}\n{outcome.trace}")


class _Usual(Random):
    """Chooses the first of several: options as they are by default."""

    def choice(self, options: Any) -> Any:
        return options[0]

    def random(self) -> float:
        return 0.4
