"""The tasks of a plan: what they say, what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuskbench import registry
from tuskbench.contracts import MetricInfo
from tuskbench.errors import (
    BrokenComponentError,
    ConfigurationError,
    DataMissingError,
    TuskbenchError,
)
from tuskbench.plan.facts import Facts, described
from tuskbench.registry.apart import Apart, is_foreign

if TYPE_CHECKING:
    from tuskbench.spec import locate
    from tuskbench.spec.resolve import Findings


class TaskPool:
    """Asks tasks: those of this package here, those of others in a process apart.

    Args:
        findings: where problems of the spec go.
        apart: that process.
    """

    def __init__(self, findings: Findings, apart: Apart) -> None:
        self.findings = findings
        self._apart, self._here = apart, Facts()
        self._answers: dict[str, Any] = {}
        self._broken: dict[str, str] = {}
        self._missing: set[str] = set()

    def make(self, name: str, settings: Mapping[str, Any]) -> bool:
        """Return whether the settings go together; if not, that is noted."""
        try:
            return self._ask("make", name, settings) is not None
        except ConfigurationError as error:
            place: locate.Path = ("task", name)
            wanted = f"expected {error.expected}, not {error.value!r}"
            if error.parameter.partition(".")[0] in settings:
                place = (*place, *error.parameter.split("."))
            else:
                wanted = f"{error.parameter}: {wanted}"
            self.findings.add(None, wanted, place)
            return False

    def source_key(self, name: str, settings: Mapping[str, Any]) -> str | None:
        """Return the key of the data in use, or None where there is none or it is missing."""
        try:
            key: str | None = self._ask("source_key", name, settings)
            return key
        except DataMissingError as error:
            if str(error) not in self._missing:
                self._missing.add(str(error))
                self.findings.add(None, str(error), ("task", name, "source"))
            return None

    def data(self, name: str, settings: Mapping[str, Any]) -> tuple[str, str, str]:
        """Return the fingerprint and the name of a task's data, and the task's rules."""
        fingerprint, source, rules = self._ask("data", name, settings) or ("", "", "")
        return fingerprint, source, rules

    def metrics(self, name: str) -> dict[str, MetricInfo]:
        """Return the task's metrics; none where it is broken."""
        found = self._ask("metrics", name, {}) or {}
        return {metric: MetricInfo(**info) for metric, info in found.items()}

    def broken(self, name: str, settings: Mapping[str, Any]) -> str:
        """Return what a task that was asked did wrong, or ""."""
        return self._broken.get(_key(name, settings)) or self._broken.get(_key(name, {}), "")

    def _ask(self, what: str, name: str, settings: Mapping[str, Any]) -> Any:
        """Return the answer, each asked for once; None of a task that is broken."""
        if self.broken(name, settings):
            return None
        key = json.dumps([what, name, settings], sort_keys=True)
        if key not in self._answers:
            try:
                self._answers[key] = self._asked(what, name, settings)
            except BrokenComponentError as error:
                self._broken[_key(name, settings)] = str(error)
                return None
        return self._answers[key]

    def _asked(self, what: str, name: str, settings: Mapping[str, Any]) -> Any:
        entry = registry.find("task", name)
        if is_foreign(entry):
            return self._apart.ask(what, "task", name, settings=settings)
        try:
            return self._here.ask(what, name, settings)
        except TuskbenchError:
            raise
        except Exception as error:
            text = described(error, "task", name)
            raise BrokenComponentError("task", name, entry.distribution, text) from error


def _key(name: str, settings: Mapping[str, Any]) -> str:
    return json.dumps([name, settings], sort_keys=True)
