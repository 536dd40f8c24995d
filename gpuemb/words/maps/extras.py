"""The libraries of the extra ``map``, imported when a map asks for one."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from gpuemb.core.errors import ConfigError
from gpuemb.core.system.installing import install

PACKAGES = {"openTSNE": "openTSNE", "umap": "umap-learn"}


def imported(where: str, name: str) -> Any:
    """Return a library of the extra ``map``.

    Raises:
        ConfigError: it cannot be imported.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what libraries lack that nobody asks for
            return importlib.import_module(name)
    except ImportError as error:
        package = PACKAGES[name]
        raise ConfigError(
            f"{where}: {package} cannot be imported: {error}",
            needed=f"The layout is made by {package}, which the extra `map` brings.",
            remedy=f"{install('map')}, or pip install {package}",
        ) from error
