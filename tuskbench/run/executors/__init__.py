"""Executors, which hand cells to workers; `contract` says what one has to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuskbench import registry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuskbench.run.executors.contract import Executor


def make_executor(
    name: str, root: Path, settings: Mapping[str, Any] | None = None, **given: Any
) -> Executor:
    """Make an executor.

    Args:
        name: registered name.
        root: the results folder.
        settings: its settings, as a profile gives them.
        given: settings that win over these, such as `jobs`; None for one that is not given.

    Raises:
        ConfigurationError: if a setting is unknown, missing or of the wrong type.
        UnknownComponentError, ConflictError, BrokenComponentError: as `registry.load`.
    """
    chosen = {key: value for key, value in given.items() if value is not None}
    made: Executor = registry.build("executor", {**(settings or {}), **chosen, "name": name}, root)
    return made
