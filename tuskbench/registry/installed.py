"""Components in the entry points of installed packages, found without importing any."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions

from tuskbench.registry import static
from tuskbench.registry.entry import GROUPS, Entry

_TARGET = re.compile(r"[\w.]+:[\w.]+")


def installed() -> tuple[Entry, ...]:
    """Return every component of the packages on the import path as it is now."""
    return _installed(static.path_key())


def forget() -> None:
    """Drop what is remembered of installed packages, for those that install while running."""
    _installed.cache_clear()


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@lru_cache(maxsize=8)
def _installed(key: tuple[str, ...]) -> tuple[Entry, ...]:
    found: dict[tuple[str, str, str], Entry] = {}
    for distribution in distributions():
        try:
            text = distribution.read_text("entry_points.txt") or ""
        except (OSError, UnicodeDecodeError):
            continue
        if "tuskbench." not in text:
            continue
        for entry in _of_distribution(distribution, text):
            # A distribution seen twice on the path is the one that Python would import.
            found.setdefault((entry.kind, entry.name, _normalized(entry.distribution)), entry)
    owners: dict[tuple[str, str], list[str]] = {}
    for entry in found.values():
        owners.setdefault((entry.kind, entry.name), []).append(entry.distribution)
    return tuple(
        replace(entry, packages=tuple(sorted(owners[entry.kind, entry.name])))
        for entry in found.values()
    )


def _of_distribution(distribution: Distribution, text: str) -> list[Entry]:
    owner, version = _identity(distribution)
    kinds = {group: kind for kind, group in GROUPS.items()}
    try:
        points = list(distribution.entry_points)
    except Exception as error:
        # Parsing is the standard library's, and fails in many ways on a damaged file.
        reason = f"its entry_points.txt cannot be parsed ({type(error).__name__})"
        broken = [kind for group, kind in kinds.items() if f"[{group}]" in text]
        return [Entry(kind, "?", "", owner, version, problem=reason) for kind in broken]
    return [
        _entry(kinds[point.group], point, owner, version)
        for point in points
        if point.group in kinds
    ]


def _entry(kind: str, point: EntryPoint, owner: str, version: str) -> Entry:
    value = re.sub(r"\s*\[.*\]\s*$", "", point.value).replace(" ", "")
    problem = ""
    if not _TARGET.fullmatch(value):
        problem = f"entry point {point.value!r} is not of the form module:attribute"
    return Entry(kind, point.name, value, owner, version, problem=problem)


def _identity(distribution: Distribution) -> tuple[str, str]:
    try:
        metadata = distribution.metadata
        return str(metadata["Name"] or "unknown"), str(metadata["Version"] or "unknown")
    except Exception:
        return "unknown", "unknown"
