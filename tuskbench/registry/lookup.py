"""Components by kind and name, loaded on use."""

from __future__ import annotations

import importlib
from typing import Any

from tuskbench.errors import BrokenComponentError, ConflictError, UnknownComponentError
from tuskbench.registry.entry import KINDS, THIS_PROCESS, Entry, check_kind
from tuskbench.registry.installed import installed
from tuskbench.registry.session import registered


def entries(kind: str | None = None) -> list[Entry]:
    """Return every registered component, by kind and name, importing none.

    Raises:
        UnknownComponentError: if there is no such kind.
    """
    if kind is not None:
        check_kind(kind)
    found = [*installed(), *(entry for entry, _ in registered.values())]
    chosen = [entry for entry in found if kind in (None, entry.kind)]
    return sorted(chosen, key=lambda e: (KINDS.index(e.kind), e.name, e.distribution))


def find(kind: str, name: str) -> Entry:
    """Return the entry of that kind and name.

    Raises:
        UnknownComponentError: if there is none.
        ConflictError: if two packages register it.
    """
    of_kind = entries(kind)
    found = [entry for entry in of_kind if entry.name == name]
    if not found:
        raise UnknownComponentError(kind, name, {entry.name for entry in of_kind})
    if len(found) > 1:
        raise ConflictError(kind, name, [entry.distribution for entry in found])
    return found[0]


def load(kind: str, name: str) -> type[Any]:
    """Import a component and return its class.

    Raises:
        UnknownComponentError: if there is none.
        ConflictError: if two packages register it.
        BrokenComponentError: if it cannot be imported.
    """
    entry = find(kind, name)
    return load_entry(entry)


def load_entry(entry: Entry) -> type[Any]:
    """Import what an entry names; see `load`."""
    if entry.distribution == THIS_PROCESS:
        return registered[entry.kind, entry.name][1]
    try:
        if entry.problem:
            raise ImportError(entry.problem)
        found: Any = importlib.import_module(entry.module)
        for part in entry.attribute.split("."):
            found = getattr(found, part)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        reason = " ".join(str(error).split()) or "no message"
        text = f"{type(error).__name__}: {reason}"
        raise BrokenComponentError(entry.kind, entry.name, entry.distribution, text) from error
    if not isinstance(found, type):
        text = f"{entry.target} is not a class"
        raise BrokenComponentError(entry.kind, entry.name, entry.distribution, text)
    return found
