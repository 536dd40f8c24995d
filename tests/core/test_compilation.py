"""Steps that compile, shared with helpers: each is done whatever happens to a helper."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from core import shared_steps
from core.shared_steps import compile_first, interrupted, load_first, second, third

from gpuemb.core import threads
from gpuemb.core.compilation import Step, run_steps
from gpuemb.core.device import CPU, Device

posix = pytest.mark.skipif(os.name != "posix", reason="children are counted by their process ids")

LOADED_FROM_A_HELPER = """
from core.shared_steps import compile_doubled, compile_halved, doubled, halved
from gpuemb.core import threads
from gpuemb.core.compilation import run_steps
from gpuemb.core.device import CPU
class Task:
    def advance(self, amount=1): pass
with threads.limit(2):
    run_steps([compile_doubled, compile_halved], CPU, Task())
assert not halved.stats.cache_misses, "it was compiled here"
assert halved(8) == 4
assert list(halved.stats.cache_hits.values()) == [1], "it was not loaded"
"""


class Told:
    """A task that counts."""

    def __init__(self) -> None:
        self.steps = 0

    def advance(self, amount: int = 1) -> None:
        self.steps += amount


Share = Callable[..., list[tuple[str, int]]]


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Share:
    """Run steps, return the process of each; check that the task advances once for each."""
    monkeypatch.setenv(shared_steps.FOLDER, str(tmp_path))
    monkeypatch.setenv(shared_steps.OWNER, str(os.getpid()))

    def run(
        steps: list[Step], failing: str = "", cores: int = 2, device: Device = CPU
    ) -> list[tuple[str, int]]:
        monkeypatch.setenv(shared_steps.FAILING, failing)
        task = Told()
        with threads.limit(cores):
            run_steps(steps, device, task)
        assert task.steps == len(steps)
        return shared_steps.noted()

    return run


def children() -> set[str]:
    """Processes that this one has started and not yet waited for; those of other tests may be among them."""
    threads = Path("/proc/self/task").iterdir()
    return {child for thread in threads for child in (thread / "children").read_text().split()}


with_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are listed by /proc")


def test_a_compilation_calls_helpers_and_every_step_is_done_once(share: Share) -> None:
    found = share([compile_first, second, third])
    assert Counter(name for name, _ in found) == {"compile_first": 1, "second": 1, "third": 1}
    assert len({process for _, process in found}) == 2


def test_no_helper_starts_where_nothing_is_compiled(share: Share) -> None:
    assert {process for _, process in share([load_first, second, third])} == {os.getpid()}


@pytest.mark.parametrize(("cores", "device"), [(1, CPU), (2, Device("cuda"))])
def test_no_helper_starts_on_one_core_or_for_a_gpu(share: Share, cores: int, device: Device) -> None:
    found = share([compile_first, second, third], "nobody comes", cores, device)
    assert {process for _, process in found} == {os.getpid()}


def test_a_process_that_cannot_be_started_again_works_alone(
    share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    found = share([compile_first, second], "nobody comes")
    assert {process for _, process in found} == {os.getpid()}


def test_a_machine_that_starts_no_other_process_works_alone(
    share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(Path(sys.executable).parent / "absent"))
    found = share([compile_first, second], "nobody comes")
    assert {process for _, process in found} == {os.getpid()}


@pytest.mark.parametrize("failing", ["killed", "helper"])
def test_what_a_lost_helper_left_is_done_here(share: Share, failing: str) -> None:
    found = share([compile_first, second, third], failing)
    assert ("second", os.getpid()) in found
    assert ("third", os.getpid()) in found


def test_an_error_of_a_step_is_told(share: Share) -> None:
    with pytest.raises(ValueError, match="everywhere"):
        share([compile_first, second, third], "everywhere")


@posix
@with_proc
def test_helpers_end_with_an_interruption(share: Share) -> None:
    before = children()
    with pytest.raises(KeyboardInterrupt):
        share([interrupted, second], "endless")
    assert children() == before


@posix
@with_proc
def test_helpers_end_with_the_steps(share: Share) -> None:
    before = children()
    share([compile_first, second])
    assert children() == before


def test_garbage_is_collected_as_before(share: Share) -> None:
    before = gc.get_threshold()
    share([load_first])
    assert gc.get_threshold() == before


def test_what_a_helper_compiled_is_loaded(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(sys.path),
        shared_steps.FOLDER: str(tmp_path),
    }
    subprocess.run([sys.executable, "-c", LOADED_FROM_A_HELPER], env=environment, check=True)
