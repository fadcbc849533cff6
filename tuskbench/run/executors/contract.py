"""What an executor has to do, and how it notes where a cell is.

An executor hands cells to workers and gathers their records; neither knows the other.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

from tuskbench.store import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    from tuskbench.cell import Cell, Training
    from tuskbench.store import Record, Store


class Executor(ABC):
    """Made as `Executor(root, jobs=..., device=..., **settings)`; does not know what a cell does.

    Keyword-only parameters of `__init__` are settings, checked before it is called; `jobs` and
    `device` among them are what `--jobs` and `--device` set.

    Attributes:
        slots: cells that it takes at a time.
        queues: whether cells may wait in it; they are shown as running once `Future.running()`.
        detaches: whether its cells can go on without this process; see `detach`.
    """

    slots: int
    queues: ClassVar[bool] = False
    detaches: ClassVar[bool] = False

    def check(self, training: Training) -> None:  # noqa: B027 - an executor may take every cell
        """Raise `ConfigurationError` where a cell cannot run here."""

    @abstractmethod
    def submit(self, cell: Cell) -> Future[Record]:
        """Compute a cell some time.

        The future's exception is `Interrupted` for a cell that was asked to stop, and
        `StoreError` where results cannot be written.
        """

    def submit_all(
        self, cells: Sequence[Cell], seconds: Mapping[str, float]
    ) -> list[Future[Record]]:
        """Submit cells, all at once where that is cheaper.

        Args:
            cells: what to compute.
            seconds: expected cost by id, of the cells of which it is known.
        """
        return [self.submit(cell) for cell in cells]

    @abstractmethod
    def stop(self) -> None:
        """Ask the cells that run to checkpoint and stop; start no more."""

    @abstractmethod
    def kill(self) -> None:
        """End the cells that run at once."""

    def detach(self) -> str:
        """Leave the cells to go on alone; return a sentence on where they are.

        Only where `detaches`; a later executor on the same folder takes them up in `submit_all`.
        """
        raise NotImplementedError

    @abstractmethod
    def close(self) -> None:
        """Free what the executor holds, after its last cell."""


PLACE = "place.json"
"""File in a cell's folder that says where it waits or runs; see `Place`."""


@dataclass(frozen=True)
class Place:
    """Where a cell is that was handed to another system.

    Attributes:
        executor: registered name of the executor.
        job: what that system calls it.
        submitted: ISO 8601 time in UTC.
        log: file, relative to the results folder, in which its output is found; or "".
    """

    executor: str
    job: str
    submitted: str
    log: str = ""


def write_place(store: Store, id: str, place: Place) -> None:
    """Note where a cell is."""
    text = json.dumps(asdict(place), indent=1)
    write_atomically(store.folder(id) / PLACE, lambda path: path.write_text(text))


def read_place(store: Store, id: str) -> Place | None:
    """Return where a cell was said to be, or None where nothing readable says so."""
    try:
        return Place(**json.loads((store.folder(id) / PLACE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def clear_place(store: Store, id: str) -> None:
    """Forget where a cell was, once its outcome is known."""
    (store.folder(id) / PLACE).unlink(missing_ok=True)
