"""Drives the cells of a plan through an executor and gathers their records."""

from __future__ import annotations

import signal
import threading
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuskbench.errors import DamagedRecordError
from tuskbench.run.interrupt import Interrupted
from tuskbench.store import Record, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import FrameType

    from tuskbench.cell import Cell
    from tuskbench.plan import PlannedCell
    from tuskbench.run.executors.contract import Executor
    from tuskbench.run.progress import Progress
    from tuskbench.store import Store

STOPPING = "stopping after the current step; press Ctrl-C again to stop at once"

# Time between two looks at signals while cells run.
_POLL_SECONDS = 0.2


@dataclass
class Outcome:
    """What became of a sweep.

    Attributes:
        records: of the cells that ended.
        interrupted: whether it was stopped before its end.
    """

    records: list[Record] = field(default_factory=list)
    interrupted: bool = False

    @property
    def failed(self) -> int:
        """Return the number of failed cells."""
        return sum(record.status is Status.FAILED for record in self.records)


def to_run(
    planned: Iterable[PlannedCell], store: Store, warn: Callable[[str], object]
) -> list[Cell]:
    """Return the cells to compute, each id once, those that take longest first.

    A cached cell whose files are damaged is computed again, after a sentence to `warn`.
    """
    chosen: dict[str, PlannedCell] = {}
    for one in planned:
        if one.state in ("skipped", "broken") or one.cell.id in chosen:
            continue
        if one.state != "cached" or _damaged(one.cell, store, warn):
            chosen[one.cell.id] = one
    # Those of unknown length first too: any of them may be the longest.
    longest = sorted(chosen.values(), key=lambda one: -(one.estimate_seconds or float("inf")))
    return [one.cell for one in longest]


def sweep(
    cells: Sequence[Cell],
    executor: Executor,
    progress: Progress,
    seconds: Mapping[str, float] | None = None,
) -> Outcome:
    """Compute cells; return when all have ended or the user's interrupt has stopped them.

    Args:
        cells: in the order of submission.
        executor: closed at the end.
        progress: told of every cell.
        seconds: expected cost by id, of the cells of which it is known.

    Raises:
        StoreError: if results cannot be written; the cells that run are stopped first.
    """
    state = _Sweep(executor, progress, seconds or {})
    try:
        with _signals(state.interrupt):
            state.run(deque(cells))
    except KeyboardInterrupt:
        state.outcome.interrupted = True
    finally:
        executor.close()
    if state.error is not None:
        raise state.error
    return state.outcome


class _Sweep:
    """The state of a sweep between the driver's loop and the signal handler."""

    def __init__(
        self, executor: Executor, progress: Progress, seconds: Mapping[str, float]
    ) -> None:
        self.executor, self.progress, self._seconds = executor, progress, seconds
        self.outcome = Outcome()
        self.error: Exception | None = None
        self._running: dict[Future[Record], Cell] = {}
        self._waiting: set[Future[Record]] = set()

    def interrupt(self) -> None:
        """Stop in good order at the first call, at once at the second."""
        if self.outcome.interrupted:
            self.executor.kill()
            return
        self.outcome.interrupted = True
        self.progress.say(STOPPING)
        self.executor.stop()

    def run(self, pending: deque[Cell]) -> None:
        """Keep every slot busy until nothing is left."""
        while True:
            self._submit(pending)
            if not self._running:
                return
            done, _ = wait(self._running, _POLL_SECONDS, FIRST_COMPLETED)
            for future in done:
                self._collect(future)
            for future in [one for one in self._waiting if one.running()]:
                self._waiting.discard(future)
                self.progress.started(self._running[future])

    def _submit(self, pending: deque[Cell]) -> None:
        """Hand over as many cells as the executor takes."""
        while pending and self._going_on():
            free = self.executor.slots - len(self._running)
            if free <= 0:
                return
            cells = [pending.popleft() for _ in range(min(free, len(pending)))]
            queues = self.executor.queues
            if not queues:
                for cell in cells:
                    self.progress.started(cell)
            futures = self.executor.submit_all(cells, self._seconds)
            self._running.update(zip(futures, cells, strict=True))
            if queues:
                self._waiting.update(futures)

    def _going_on(self) -> bool:
        return self.error is None and not self.outcome.interrupted

    def _collect(self, future: Future[Record]) -> None:
        cell = self._running.pop(future)
        self._waiting.discard(future)
        try:
            record = future.result()
        except Interrupted:
            self.progress.interrupted(cell)
            # A worker stops by itself only where someone else has asked it to.
            if self.error is None:
                self.outcome.interrupted = True
        except Exception as error:
            # Failures of a cell are records; what arrives here stops the sweep.
            self.progress.interrupted(cell)
            if self.error is None:
                self.error = error
                self.executor.stop()
        else:
            self.outcome.records.append(record)
            self.progress.finished(cell, record)


@contextmanager
def _signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` on SIGINT and SIGTERM while in the context."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        interrupt()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _damaged(cell: Cell, store: Store, warn: Callable[[str], object]) -> bool:
    try:
        return store.verify(cell.id) is None
    except DamagedRecordError as error:
        warn(f"{error}; the cell is computed again")
        return True
