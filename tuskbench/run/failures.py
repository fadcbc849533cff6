"""Failed records: how a failure is counted, written and kept with its traceback."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tuskbench.errors import DamagedRecordError
from tuskbench.store import Record, Status, write_atomically

if TYPE_CHECKING:
    from tuskbench.cell import Cell
    from tuskbench.store import Failure, Store

TRACEBACK = "traceback.txt"


def stored(store: Store, id: str) -> Record | None:
    """Return the cell's whole record, or None where there is none or it is damaged."""
    try:
        return store.verify(id)
    except DamagedRecordError:
        return None


def attempts(former: Record | None) -> int:
    """Return the number of this attempt, given the record of the one before."""
    return 1 + (former.failure["attempts"] if former and former.failure else 0)


def fail(
    store: Store, cell: Cell, failure: Failure, text: str, record: Record | None = None
) -> Record:
    """Write a failed record, and `text` as its traceback where there is any."""
    if text:
        path = store.folder(cell.id) / TRACEBACK
        write_atomically(path, lambda temporary: temporary.write_text(text))
        failure = {**failure, "traceback_file": TRACEBACK}
    base = record or Record(cell.id, Status.FAILED)
    return store.write(cell, replace(base, failure=failure))
