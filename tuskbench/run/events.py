"""What a worker tells while it works: JSON lines appended to the cell's log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tuskbench.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

Events = Callable[[Mapping[str, Any]], None]
"""Takes one event: `phase`, or `step`, `total`, `losses` and `seconds`."""


class LogFile:
    """Appends events to a file, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Append one event.

        Raises:
            StoreError: if the file cannot be written.
        """
        line = json.dumps(event) + "\n"
        try:
            with self._path.open("a") as stream:
                stream.write(line)
        except OSError as error:
            problem = f"cannot be written: {error.strerror or error}"
            raise StoreError(self._path, problem) from error


class Throttle:
    """Says at most once an interval that it is time.

    Args:
        seconds: the interval.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._last = seconds, time.monotonic()

    def __call__(self) -> bool:
        """Return whether an interval has passed since this last returned True."""
        due = time.monotonic() - self._last >= self._seconds
        if due:
            self._last = time.monotonic()
        return due


class LogTail:
    """Reads what is appended to a log from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the whole lines written since the last time."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                content = stream.read()
        except OSError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event
