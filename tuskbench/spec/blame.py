"""Which key of a spec a component's complaint is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from tuskbench.errors import ConfigurationError, SpecError, SpecProblem

if TYPE_CHECKING:
    from tuskbench.cell import Cell
    from tuskbench.spec.model import Spec


def blame(
    spec: Spec, cells: Iterable[Cell], error: ConfigurationError
) -> ConfigurationError | SpecError:
    """Return the error with file, line and key of the setting that it is about.

    An image's size is blamed on the task's canvas. An error about something that no spec sets
    comes back as it is.
    """
    for cell in cells:
        if error.parameter == "image_size" and "canvas" in cell.task_settings:
            key = ("task", cell.task, "canvas")
            message = (
                f"{error.component} gets images of {error.value}, but expected {error.expected}"
            )
            return SpecError(spec.file, [SpecProblem(message, ".".join(key), spec.line(key))])
        found = _key(cell, error.component, error.parameter)
        if found:
            message = f"{error.value!r}, but expected {error.expected}"
            line = spec.line(found)
            return SpecError(spec.file, [SpecProblem(message, ".".join(found), line)])
    return error


def _key(cell: Cell, component: str, parameter: str) -> tuple[str, ...] | None:
    if component == cell.task and parameter in cell.task_settings:
        return ("task", component, parameter)
    if component == cell.system["name"] and parameter in cell.system:
        return ("system", parameter)
    for kind, choice in cell.system.items():
        if isinstance(choice, Mapping) and choice.get("name") == component and parameter in choice:
            return ("system", kind, parameter)
    return None
