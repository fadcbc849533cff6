"""The source code that a number comes from: a digest of every file, as this process sees it."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

from tuskbench import registry
from tuskbench.errors import SourceMismatchError, TuskbenchError
from tuskbench.registry import static

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuskbench.cell import Cell

Sources = dict[str, dict[str, str]]
"""Digest of every file, by package and by path within it."""

OWN = "tuskbench"
SUFFIXES = (*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES)


def sources() -> Sources:
    """Return the digests of this package and of every package that registers a component."""
    found: Sources = {}
    for module in (OWN, *(entry.module for entry in registry.entries())):
        package = package_of(module)
        if package and package not in found:
            found[package] = _digests(package)
    return found


def check_sources(cell: Cell, expected: Mapping[str, Mapping[str, str]]) -> None:
    """Compare what a cell's numbers come from with what the launcher saw.

    Args:
        cell: of which the packages of its components are compared, and this one.
        expected: what `sources` returned in the launcher.

    Raises:
        SourceMismatchError: if a file differs, naming the first.
    """
    for package in sorted({OWN, *(package_of(module) for module in _modules(cell))} - {""}):
        here, there = _digests(package), expected.get(package, {})
        for file in sorted({*here, *there}):
            if here.get(file) != there.get(file):
                what = "differs" if file in here and file in there else "is not in both"
                raise SourceMismatchError(package, str(_folder(package) / file), what)


def package_of(module: str) -> str:
    """Return the outermost package with a file of its own, or the module alone; "" for none.

    Folders that are shared by several distributions (namespace packages) are passed over.
    """
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        spec = static.find_module(name)
        if spec is None:
            return ""
        if spec.has_location and spec.origin:
            return name
    return ""


def _modules(cell: Cell) -> set[str]:
    named = {tuple(key.split(" ", 1)) for key in cell.versions}
    found = set()
    for kind, name in {*named, ("task", cell.task), ("system", str(cell.system["name"]))}:
        try:
            entry = registry.find(kind, name)
        except TuskbenchError:
            # Building the component tells what is wrong with it.
            continue
        found.add(entry.module)
    return found


def _folder(package: str) -> Path:
    spec = static.find_module(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _digests(package: str) -> dict[str, str]:
    spec = static.find_module(package)
    if spec is None or spec.origin is None:
        return {}
    folder = Path(spec.origin).parent
    files = [Path(spec.origin)]
    if spec.submodule_search_locations is not None:
        files = [path for path in sorted(folder.rglob("*")) if path.name.endswith(SUFFIXES)]
    found = {}
    for path in files:
        try:
            state = path.stat()
            digest = _digest(str(path), state.st_size, state.st_mtime_ns, state.st_ino)
        except OSError:
            # What cannot be read cannot be imported either.
            continue
        found[path.relative_to(folder).as_posix()] = digest
    return found


@cache
def _digest(path: str, size: int, changed: int, inode: int) -> str:
    """Return the digest of a file, read again only after a change that its state shows.

    Raises:
        OSError: if it cannot be read.
    """
    return hashlib.blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()
