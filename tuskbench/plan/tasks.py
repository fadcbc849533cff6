"""The tasks of a plan, each made once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuskbench import registry
from tuskbench.errors import ConfigurationError, DataMissingError

if TYPE_CHECKING:
    from tuskbench.contracts import Task
    from tuskbench.spec import locate
    from tuskbench.spec.resolve import Findings


class TaskPool:
    """Tasks made from settings, each once, with what asking them costs."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.tasks: dict[str, Task] = {}
        self.facts: dict[str, tuple[str, str, str]] = {}
        self.missing: set[str] = set()

    def get(self, name: str, settings: Mapping[str, Any]) -> Task | None:
        """Return the task, or None where its settings do not go together."""
        key = json.dumps([name, settings], sort_keys=True)
        if key not in self.tasks:
            try:
                self.tasks[key] = registry.build("task", {"name": name, **settings})
            except ConfigurationError as error:
                place: locate.Path = ("task", name)
                wanted = f"expected {error.expected}, not {error.value!r}"
                if error.parameter.partition(".")[0] in settings:
                    place = (*place, *error.parameter.split("."))
                else:
                    wanted = f"{error.parameter}: {wanted}"
                self.findings.add(None, wanted, place)
                return None
        return self.tasks[key]

    def source_key(self, name: str, task: Task) -> str | None:
        """Return the key of the data in use, or None where there is none or it is missing."""
        try:
            key = getattr(task, "source_key", None)
            return None if key is None else str(key())
        except DataMissingError as error:
            if str(error) not in self.missing:
                self.missing.add(str(error))
                self.findings.add(None, str(error), ("task", name, "source"))
            return None

    def data(self, name: str, settings: Mapping[str, Any]) -> tuple[str, str, str]:
        """Return the fingerprint and the name of a task's data, and the task's rules."""
        key = json.dumps([name, settings], sort_keys=True)
        if key not in self.facts:
            task = self.tasks[key]
            self.facts[key] = (task.fingerprint(), task.data_source(), task.rules())
        return self.facts[key]
