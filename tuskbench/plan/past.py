"""What a results folder says of cells to come: what is there, what differs, what it took."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuskbench.errors import NewerRecordError
from tuskbench.store import Record, Status, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuskbench.cell import Cell
    from tuskbench.errors import StoreError


class Past:
    """What the results folder holds, by id, by address and by kind of work."""

    def __init__(self, out: Path, warnings: list[str]) -> None:
        self.by_id: dict[str, Record] = {}
        self.by_address: dict[tuple[object, ...], tuple[str, Cell]] = {}
        self.step_seconds: dict[tuple[object, ...], list[float]] = {}

        self.newer: dict[str, str] = {}

        def warn(error: StoreError) -> None:
            warnings.append(str(error))
            if isinstance(error, NewerRecordError):
                self.newer[Path(error.path).parent.name] = error.problem

        for cell, record in Store(out).records(warn):
            self._add(cell, record)

    def _add(self, cell: Cell, record: Record) -> None:
        # The folder's name is the address of a record: an id of another version of this
        # program cannot be recomputed.
        self.by_id[record.id] = record
        if record.status is not Status.DONE:
            return
        finished = str(record.provenance.get("finished", ""))
        where = address(cell)
        if where not in self.by_address or self.by_address[where][0] <= finished:
            self.by_address[where] = (finished, cell)
        seconds = record.cost.get("step_seconds")
        if seconds:
            self.step_seconds.setdefault(work(cell), []).append(seconds)

    def estimate(self, cell: Cell) -> float | None:
        """Return the expected training time in seconds, from cells like this one."""
        seconds = self.step_seconds.get(work(cell))
        return statistics.median(seconds) * cell.training.steps if seconds else None


def address(cell: Cell) -> tuple[object, ...]:
    """Return what a cell is called, whatever its settings."""
    return cell.task, cell.variant, cell.seed, cell.budget


def work(cell: Cell) -> tuple[object, ...]:
    """Return what cells of about the same cost a step have in common."""
    return cell.task, cell.system["name"], cell.budget


def changes(before: Cell, after: Cell) -> dict[str, tuple[object, object]]:
    """Return both values of every part of the identity in which two cells differ."""
    return dict(differences(_plain(before), _plain(after)))


def _plain(cell: Cell) -> dict[str, Any]:
    # A cell that was read back has lists where a new one may have tuples.
    plain: dict[str, Any] = json.loads(json.dumps(cell.identity()))
    return plain


def differences(
    before: Any, after: Any, path: str = ""
) -> Iterator[tuple[str, tuple[object, object]]]:
    """Yield the dotted path and both values of everything in which two tables differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            inner = f"{path}.{key}" if path else key
            yield from differences(before.get(key), after.get(key), inner)
    elif before != after:
        yield path, (before, after)
