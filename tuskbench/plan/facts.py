"""What a plan asks tasks, each made once."""

from __future__ import annotations

import json
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tuskbench
from tuskbench import registry
from tuskbench.contracts import Task
from tuskbench.errors import TuskbenchError

if TYPE_CHECKING:
    from collections.abc import Mapping

QUESTIONS = ("make", "source_key", "data", "metrics")
"""What may be asked."""


class Facts:
    """Tasks made from settings, each once; answers are JSON values."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}

    def ask(self, what: str, name: str, settings: Mapping[str, Any]) -> Any:
        """Return the answer to one of `QUESTIONS`.

        Raises:
            TypeError: if the task, or what it answers, is against the contract.
            Exception: whatever the task raises.
        """
        if what == "metrics":
            metrics = _class(name).metrics
            return {str(metric): asdict(info) for metric, info in metrics.items()}
        task = self._made(name, settings)
        if what == "source_key":
            key = getattr(task, "source_key", None)
            return None if key is None else str(key())
        if what == "data":
            return [_text(task, method) for method in ("fingerprint", "data_source", "rules")]
        return True

    def _made(self, name: str, settings: Mapping[str, Any]) -> Task:
        key = json.dumps([name, settings], sort_keys=True)
        if key not in self._tasks:
            _class(name)
            self._tasks[key] = registry.build("task", {"name": name, **settings})
        return self._tasks[key]


def _class(name: str) -> type[Task]:
    found = registry.load("task", name)
    if not issubclass(found, Task):
        raise TypeError(f"{found.__name__} is no subclass of tuskbench.contracts.Task")
    return found


def _text(task: Task, method: str) -> str:
    found = getattr(task, method)()
    if not isinstance(found, str):
        raise TypeError(f"{method}() returns {found!r:.60}, but expected text")
    return found


def described(error: BaseException, kind: str, name: str) -> str:
    """Return an exception in one line, with the file and line where a component raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = str(Path(tuskbench.__file__).parent)
    theirs = [f"{f.filename}, line {f.lineno}" for f in frames if not f.filename.startswith(own)]
    where = theirs[-1] if theirs else ""
    if not where:
        try:
            file, _, line = registry.signature(kind, name).source.rpartition(":")
            where = f"{file}, line {line}"
        except TuskbenchError:
            where = "its import"
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text} ({where})"
