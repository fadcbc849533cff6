"""The inline executor computes cells in this process, one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

from annotated_types import Ge, Gt

from tuskbench.errors import ConfigurationError
from tuskbench.run.device import resolve
from tuskbench.run.executors.contract import Executor
from tuskbench.run.interrupt import StopFlag

if TYPE_CHECKING:
    from pathlib import Path

    from tuskbench.cell import Cell, Training
    from tuskbench.store import Record


@contextmanager
def _staying() -> Iterator[None]:
    """Make a failure of the cell of an `os._exit` that would end the sweep as if all were done."""
    leave, here = os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        # Processes that the cell starts may end that way.
        if os.getpid() != here:
            leave(status)
        raise SystemExit(f"os._exit({status}) was called")

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = leave


class InlineExecutor(Executor):
    """For debuggers and notebooks: no process is started.

    Args:
        root: the results folder.
        jobs: only one cell at a time can run here; other numbers are refused.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        cell_timeout: seconds after which a cell fails, once its current step is over; None for
            no limit.
    """

    slots = 1

    def __init__(
        self,
        root: Path,
        *,
        jobs: Annotated[int, Ge(1)] | None = None,
        device: str = "auto",
        cell_timeout: Annotated[float, Gt(0)] | None = None,
    ) -> None:
        if jobs not in (None, 1):
            raise ConfigurationError("executor inline", "jobs", jobs, "1; use executor local")
        self._root, self._device = root, resolve(device)[0]
        self._stop, self._timeout = StopFlag(), cell_timeout

    def check(self, training: Training) -> None:
        """Raise `ConfigurationError` for a cell on several devices."""
        if training.devices > 1:
            expected = "1 with executor inline; use executor local"
            raise ConfigurationError("training", "devices", training.devices, expected)

    def submit(self, cell: Cell) -> Future[Record]:
        """Compute a cell now; the future is done when this returns."""
        from tuskbench.run.worker import run_cell

        future: Future[Record] = Future()
        try:
            self._stop.check()
            with _staying():
                record = run_cell(
                    cell, self._root, self._device, stop=self._stop, timeout=self._timeout
                )
            future.set_result(record)
        except Exception as error:
            future.set_exception(error)
        return future

    def stop(self) -> None:
        """Let the cell that runs checkpoint and stop."""
        self._stop.raise_()

    def kill(self) -> None:
        """Leave the cell that runs at once.

        Raises:
            KeyboardInterrupt: always; the cell runs in the caller's process.
        """
        raise KeyboardInterrupt

    def close(self) -> None:
        """Nothing is held."""
