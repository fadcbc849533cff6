"""Components registered for the life of this process."""

from __future__ import annotations

import hashlib
import inspect
from typing import TYPE_CHECKING, Self

from tuskbench.errors import ConflictError
from tuskbench.registry.entry import THIS_PROCESS, Entry, check_kind
from tuskbench.registry.installed import installed

if TYPE_CHECKING:
    from collections.abc import Callable

registered: dict[tuple[str, str], tuple[Entry, type]] = {}
"""Entry and class of what this process registered, by kind and name."""


class Registration:
    """What `register` returns: call it, or leave its `with` block, to undo."""

    def __init__(self, undo: Callable[[], None]) -> None:
        """Take what undoes the registration."""
        self._undo = undo

    def __call__(self) -> None:
        """Undo the registration."""
        self._undo()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._undo()


def register(kind: str, name: str, cls: type) -> Registration:
    """Add a component for the life of this process, for notebooks and tests.

    A name registered before in this process is replaced.

    Raises:
        UnknownComponentError: if there is no such kind.
        ConflictError: if an installed package has the name.
    """
    check_kind(kind)
    rivals = [e for e in installed() if (e.kind, e.name) == (kind, name)]
    if rivals:
        raise ConflictError(kind, name, [THIS_PROCESS, *(e.distribution for e in rivals)])
    target = f"{cls.__module__}:{cls.__qualname__}"
    entry = Entry(kind, name, target, THIS_PROCESS, _source_version(cls), (THIS_PROCESS,))
    before = registered.get((kind, name))
    registered[kind, name] = (entry, cls)

    def undo() -> None:
        if before is None:
            registered.pop((kind, name), None)
        else:
            registered[kind, name] = before

    return Registration(undo)


def _source_version(cls: type) -> str:
    # An edited notebook class must not find the records of its former self.
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        return str(getattr(cls, "version", "0"))
    return hashlib.sha256(source.encode()).hexdigest()[:12]
