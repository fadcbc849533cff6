"""Names of the published tables and of their rows."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable


def folder() -> Traversable:
    """Return the folder of packaged files of published numbers."""
    return files("tuskbench.report") / "published"


@cache
def published_tables() -> Mapping[str, frozenset[str]]:
    """Return the row keys of every published table, by `file.table`."""
    found: dict[str, frozenset[str]] = {}
    place = folder()
    if not place.is_dir():
        return found
    for file in place.iterdir():
        if not file.name.endswith(".toml"):
            continue
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        for table in content.get("table", []):
            rows = frozenset(row["key"] for row in table.get("row", []))
            found[f"{file.name.removesuffix('.toml')}.{table['name']}"] = rows
    return found
