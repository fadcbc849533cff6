"""Executors: the shape of `concurrent.futures`, handing cells to workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tuskbench.cell import Cell, Training
    from tuskbench.store import Record


class Executor(Protocol):
    """Made as `Executor(root, jobs=..., device=...)`; does not know what a cell does.

    Attributes:
        slots: cells at a time.
    """

    slots: int

    def check(self, training: Training) -> None:
        """Raise `ConfigurationError` where a cell cannot run here."""
        ...

    def submit(self, cell: Cell) -> Future[Record]:
        """Compute a cell some time.

        The future's exception is `Interrupted` for a cell that was asked to stop, and
        `StoreError` where results cannot be written.
        """
        ...

    def stop(self) -> None:
        """Ask the cells that run to checkpoint and stop; start no more."""
        ...

    def kill(self) -> None:
        """End the cells that run at once."""
        ...

    def close(self) -> None:
        """Free what the executor holds, after its last cell."""
        ...
