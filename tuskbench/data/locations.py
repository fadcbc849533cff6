"""Where data is looked for and where generated data is kept."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

DATA_VARIABLE = "TUSKBENCH_DATA"
CACHE_VARIABLE = "TUSKBENCH_CACHE"


def data_root() -> Path:
    """Return the folder of the original data sets: `$TUSKBENCH_DATA` or the user's cache."""
    given = os.environ.get(DATA_VARIABLE)
    return Path(given).expanduser() if given else user_cache_path("tuskbench") / "data"


def cache_root() -> Path:
    """Return the folder of generated data: `$TUSKBENCH_CACHE` or the user's cache."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given).expanduser() if given else user_cache_path("tuskbench") / "generated"
