"""Which key of a spec a component's complaint is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tuskbench.errors import ConfigurationError, SpecError, SpecProblem

if TYPE_CHECKING:
    from tuskbench.plan import PlannedCell
    from tuskbench.spec.model import Spec


def blame(
    spec: Spec, cells: Iterable[PlannedCell], error: ConfigurationError
) -> ConfigurationError | SpecError:
    """Return the error with file, line and key of the setting that it is about.

    The component that raised it is looked for first, then one that its words name, then any
    with a setting of that name. An image's size is blamed on the task's canvas. Where no
    setting is found, the key is that of the component; an error about something that no spec
    names comes back as it is.
    """
    for planned in sorted(cells, key=lambda one: one.cell.id != error.cell):
        key, message = _found(planned, error)
        if key:
            return SpecError(spec.file, [_problem(spec, planned, key, message)])
    return error


def _found(planned: PlannedCell, error: ConfigurationError) -> tuple[tuple[str, ...], str]:
    cell = planned.cell
    but = f"{error.value!r}, but expected {error.expected}"
    if error.parameter == "image_size" and "canvas" in cell.task_settings:
        message = f"{error.component} gets images of {error.value}, but expected {error.expected}"
        return ("task", cell.task, "canvas"), message
    parts = [*_components(("task", cell.task), "task", cell.task, cell.task_settings)]
    parts += _components(("system",), "system", cell.system["name"], cell.system)
    # Stable: the order above, of those that fit as well.
    parts.sort(key=lambda part: _distance(error, *part[1:3]))
    for place, _, _, settings in parts:
        if keys := _setting(error.parameter, settings):
            return (*place, *keys), but
    place, kind, name, _ = parts[0]
    if _distance(error, kind, name) < 2:
        return place, f"{error.parameter} = {but}"
    return (), ""


def _components(
    place: tuple[str, ...], kind: str, name: str, settings: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], str, str, Mapping[str, Any]]]:
    """Yield place, kind, name and settings of a component and of those in it."""
    yield place, kind, name, settings
    for key, choice in settings.items():
        if isinstance(choice, Mapping) and isinstance(choice.get("name"), str):
            yield from _components((*place, key), key, choice["name"], choice)


def _distance(error: ConfigurationError, kind: str, name: str) -> int:
    """Return 0 for the component that raised an error, 1 for one that it names, else 2."""
    if error.owner is not None and error.owner[1] == name:
        return 0
    return 1 if _plain(name) in _plain(error.component) else 2


def _setting(parameter: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of the setting that a parameter's words mean, or () where there is none."""
    parts = parameter.split(".")
    for start in range(len(parts)):
        if parts[start] in settings:
            return tuple(parts[start:])
    known = {_plain(key): key for key in settings}
    found = known.get(_plain(parameter))
    return (found,) if found else ()


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()


def _problem(spec: Spec, planned: PlannedCell, key: tuple[str, ...], message: str) -> SpecProblem:
    """Return the problem, at the line that gave the setting, in a rule or the spec."""
    shown = ".".join(key)
    origin = planned.origins.get(".".join((key[0], *key[2:])) if key[0] == "task" else shown)
    if origin is None:
        return SpecProblem(message, shown, spec.line(key))
    file, _, line = origin.text.rpartition(":")
    if file == str(spec.file) and line.isdigit():
        return SpecProblem(message, shown, int(line))
    return SpecProblem(f"{message} (set by {origin.text})", shown)
