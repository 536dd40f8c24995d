"""Limits of control groups, read from trees as Docker, systemd and Kubernetes make them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpuemb.core.memory import available_host_bytes
from gpuemb.core.system.containers import cpu_quotas, free_bytes, groups

GB = 10**9
UNLIMITED = "9223372036854771712\n"  # of version 1
V2 = "31 23 0:28 {shown} /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate"
V1 = """31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 {shown} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 {shown} /sys/fs/cgroup/memory rw,relatime master:2 - cgroup cgroup rw,memory"""


def tree(root: Path, own: str, mounts: str, files: dict[str, str]) -> Path:
    """A folder with the part of ``proc`` and ``sys`` that is read."""
    written = {"proc/self/cgroup": own, "proc/self/mountinfo": mounts, "proc/meminfo": meminfo(64 * GB)}
    for name, text in (written | {f"sys/fs/cgroup/{name}": text for name, text in files.items()}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def meminfo(free: int) -> str:
    return f"MemTotal:       99999999 kB\nMemFree:          1234 kB\nMemAvailable:   {free // 1024} kB\n"


def stat(**amounts: int) -> str:
    return "".join(f"{name} {amount}\n" for name, amount in amounts.items())


def test_the_file_cache_is_not_used_memory(tmp_path: Path) -> None:
    # docker run --memory 4g after 3 GB of files were read: the kernel gives their pages back.
    root = tree(
        tmp_path,
        "0::/\n",
        V2.format(shown="/"),
        {
            "memory.max": f"{4 * GB}\n",
            "memory.high": "max\n",
            "memory.current": f"{3 * GB + 500}\n",
            "memory.stat": stat(anon=400, inactive_file=2 * GB, active_file=GB, slab_reclaimable=100),
        },
    )
    assert free_bytes(root) == [4 * GB - 400]
    assert available_host_bytes(root) == 4 * GB - 400


def test_a_shared_memory_file_is_used_memory(tmp_path: Path) -> None:
    files = {"memory.max": str(4 * GB), "memory.current": str(GB), "memory.stat": stat(file=GB, shmem=GB)}
    assert free_bytes(tree(tmp_path, "0::/\n", V2.format(shown="/"), files)) == [3 * GB]


def test_every_group_that_holds_this_one_limits_it(tmp_path: Path) -> None:
    own = "0::/user.slice/job.scope/worker\n"
    files = {
        "user.slice/memory.max": f"{2 * GB}\n",
        "user.slice/memory.current": f"{GB}\n",
        "user.slice/job.scope/memory.max": "max\n",
        "user.slice/job.scope/memory.current": f"{GB}\n",
        "user.slice/job.scope/worker/memory.max": f"{8 * GB}\n",
        "user.slice/job.scope/worker/memory.current": "1000\n",
        "user.slice/cpu.max": "max 100000\n",
        "user.slice/job.scope/cpu.max": "150000 100000\n",
        "user.slice/job.scope/worker/cpu.max": "400000 100000\n",
    }
    root = tree(tmp_path, own, V2.format(shown="/"), files)
    assert free_bytes(root) == [8 * GB - 1000, GB]
    assert available_host_bytes(root) == GB
    assert cpu_quotas(root) == [4, 2]


def test_a_limit_above_which_the_kernel_slows_a_group_is_one(tmp_path: Path) -> None:
    files = {"memory.max": str(4 * GB), "memory.high": str(GB), "memory.current": "0"}
    assert free_bytes(tree(tmp_path, "0::/\n", V2.format(shown="/"), files)) == [GB]


def test_a_group_beyond_its_limit_has_nothing_left(tmp_path: Path) -> None:
    files = {"memory.max": str(GB), "memory.current": str(2 * GB), "memory.stat": stat(anon=2 * GB)}
    assert free_bytes(tree(tmp_path, "0::/\n", V2.format(shown="/"), files)) == [0]


def test_version_1_is_read_where_its_controllers_are_mounted(tmp_path: Path) -> None:
    own = "9:name=systemd:/\n4:memory:/pods/one\n2:cpu,cpuacct:/pods/one\n0::/\n"
    cached = stat(inactive_file=1, total_inactive_file=3 * GB, total_active_file=GB, total_cache=9 * GB)
    files = {
        "memory/memory.limit_in_bytes": UNLIMITED,
        "memory/memory.usage_in_bytes": f"{20 * GB}\n",
        "memory/pods/memory.limit_in_bytes": f"{6 * GB}\n",
        "memory/pods/memory.usage_in_bytes": f"{5 * GB}\n",
        "memory/pods/memory.stat": cached,
        "memory/pods/one/memory.limit_in_bytes": UNLIMITED,
        "memory/pods/one/memory.usage_in_bytes": f"{4 * GB}\n",
        "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/pods/cpu.cfs_quota_us": "50000\n",
        "cpu,cpuacct/pods/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/pods/one/cpu.cfs_quota_us": "250000\n",
        "cpu,cpuacct/pods/one/cpu.cfs_period_us": "100000\n",
    }
    root = tree(tmp_path, own, V1.format(shown="/"), files)
    assert min(free_bytes(root)) == available_host_bytes(root) == 5 * GB
    assert cpu_quotas(root) == [3, 1]


@pytest.mark.parametrize(
    ("own", "shown", "inner"),
    [
        ("/docker/abc", "/docker/abc", ""),  # the container's own group is its root
        ("/docker/abc/job", "/docker/abc", "job/"),
        ("/", "/", ""),  # with a name space of its own
        ("/../other", "/", ""),  # a process that was moved here from outside
        ("/docker/abc", "/docker/xyz", ""),
    ],
)
def test_a_container_shows_the_hierarchy_from_its_own_group_on(
    tmp_path: Path, own: str, shown: str, inner: str
) -> None:
    files = {
        "memory/memory.limit_in_bytes": str(2 * GB),
        "memory/memory.usage_in_bytes": str(GB),
        "memory/job/memory.limit_in_bytes": str(GB),
        "memory/job/memory.usage_in_bytes": str(GB - 7),
    }
    root = tree(tmp_path, f"4:memory:{own}\n", V1.format(shown=shown), files)
    assert free_bytes(root) == ([7] if inner else []) + [GB]


@pytest.mark.parametrize("name", ["my groups", os.fsdecode(b"caf\xe9")])
def test_a_mount_point_may_have_any_name(tmp_path: Path, name: str) -> None:
    root = tree(tmp_path, "0::/\n", "", {f"{name}/cpu.max": "100000 100000"})
    mount = V2.format(shown="/").replace("/sys/fs/cgroup", f"/sys/fs/cgroup/{name}".replace(" ", "\\040"))
    (root / "proc/self/mountinfo").write_bytes(os.fsencode(mount))
    assert cpu_quotas(root) == [1]


def test_a_machine_without_groups_has_no_limits(tmp_path: Path) -> None:
    assert (free_bytes(tmp_path), cpu_quotas(tmp_path), groups("cpu", tmp_path)) == ([], [], ())
    assert available_host_bytes(tree(tmp_path, "", "", {})) == 64 * GB // 1024 * 1024
