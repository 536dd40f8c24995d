"""The command that installs an extra works where this installation came from."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gpuemb.core.system import installing


@pytest.mark.parametrize(
    ("told", "command"),
    [
        (
            '{"url": "file:///home/a%20b/gpuemb", "dir_info": {"editable": true}}',
            "pip install -e '/home/a b/gpuemb[demo]'",
        ),
        ('{"url": "file:///src/gpuemb", "dir_info": {}}', "pip install '/src/gpuemb[demo]'"),
        (
            '{"url": "https://host/gpuemb.git", "vcs_info": {"vcs": "git", "commit_id": "0"}}',
            "pip install 'gpuemb[demo] @ git+https://host/gpuemb.git'",
        ),
        (
            '{"url": "file:///w/gpuemb-0.1.0-py3-none-any.whl", "archive_info": {}}',
            "pip install 'gpuemb[demo] @ file:///w/gpuemb-0.1.0-py3-none-any.whl'",
        ),
        (None, "pip install 'gpuemb[demo]'"),
        ("{damaged", "pip install 'gpuemb[demo]'"),
    ],
)
def test_an_extra_comes_from_where_the_package_came(
    told: str | None, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SimpleNamespace(read_text=lambda _: told)
    monkeypatch.setattr(installing, "distribution", lambda _: found)
    installing._source.cache_clear()
    try:
        assert installing.install("demo") == command
    finally:
        installing._source.cache_clear()
