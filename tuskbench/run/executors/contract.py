"""All that the author of an executor needs: what it must do, and what does it for them.

An executor hands cells to workers and gathers their records. A worker is a process that computes
one cell; it does not know which executor started it. For each cell an executor

1. calls `Store.write_cell` and `Launch.write`, from which the worker knows what to do, what to
   import, and of which source the launcher planned;
2. starts `worker_command` with `worker_environment` on any machine that sees the results folder;
   `start_worker` does so on this one, where the worker ends when the launcher does;
3. stops it by SIGTERM or SIGINT: it checkpoints and ends, after a second one at once;
4. makes a record of how it ended with `outcome`: 0 with a record, `EXIT_INTERRUPTED`,
   `EXIT_STORE` (its last two lines of output are the path and the problem), `EXIT_TIMEOUT`, or
   any other way, of which `record_death` writes the record that the worker could not.

`LocalExecutor` does all this for the machine that it is on; an executor for many machines may run
one on each. Where a cell is, beyond the life of the process that submitted it, `write_place` keeps.
"""

from __future__ import annotations

import json
import signal
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from tuskbench.errors import CellTimeoutError, StoreError
from tuskbench.run.device import environment
from tuskbench.run.events import LogTail
from tuskbench.run.failures import attempts, fail, stored
from tuskbench.run.interrupt import EXIT_INTERRUPTED, EXIT_STORE, EXIT_TIMEOUT, Interrupted
from tuskbench.run.launch import Launch, start_worker, worker_command
from tuskbench.store import Status, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    from tuskbench.cell import Cell, Training
    from tuskbench.store import Record, Store

__all__ = [
    "EXIT_INTERRUPTED",
    "EXIT_STORE",
    "EXIT_TIMEOUT",
    "Ending",
    "Executor",
    "Interrupted",
    "Launch",
    "Place",
    "clear_place",
    "last_phase",
    "outcome",
    "read_place",
    "record_death",
    "record_since",
    "start_worker",
    "worker_command",
    "worker_environment",
    "write_place",
]


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


def worker_environment(device: str) -> dict[str, str]:
    """Return the environment of a worker on a device: one thread on `cpu`."""
    return environment(device == "cpu")


@dataclass(frozen=True)
class Ending:
    """How a worker's process ended.

    Attributes:
        code: its exit code; minus the signal's number where a signal ended it.
        output: the end of what it wrote to stdout and stderr.
        phase: the last phase that its log tells of; see `last_phase`.
        stopped: whether the executor had asked it to stop, or had killed it.
        timeout: seconds that it was given, or None.
    """

    code: int
    output: str = ""
    phase: str = "build"
    stopped: bool = False
    timeout: float | None = None


def last_phase(log: LogTail) -> str:
    """Return the phase in which a worker ended, from its log followed since before its start."""
    phases = [event["phase"] for event in log if event.get("phase") not in (None, "waiting")]
    return phases[-1] if phases else "build"


def outcome(store: Store, cell: Cell, ending: Ending) -> Record:
    """Return the record of a worker that has ended, written by it or here.

    Raises:
        Interrupted: if it was asked to stop.
        StoreError: if it could not write.
    """
    if ending.code == EXIT_INTERRUPTED or (ending.stopped and ending.code < 0):
        raise Interrupted
    if ending.code == EXIT_STORE:
        path, problem = (ending.output.splitlines() or ["", ""])[-2:]
        raise StoreError(path, problem)
    record = store.read(cell.id) if ending.code == 0 else None
    if record is not None:
        return record
    name, message = "WorkerExit", f"the worker ended with exit code {ending.code} and no record"
    if ending.code == EXIT_TIMEOUT and ending.timeout is not None:
        name, message = "CellTimeoutError", str(CellTimeoutError(ending.timeout))
    if ending.code < 0:
        name = signal.Signals(-ending.code).name
        message = f"the worker was killed by signal {-ending.code} ({name})"
        if name == "SIGKILL":
            message += ", as the system does to a process that takes too much memory"
    return record_death(store, cell, name, message, ending.phase, ending.output)


def record_death(
    store: Store, cell: Cell, exception: str, message: str, phase: str = "build", output: str = ""
) -> Record:
    """Write the failed record that a worker could not write itself, and return it.

    Args:
        store: of the results folder.
        cell: the worker's cell.
        exception: name of what ended it, such as `SIGKILL`.
        message: one sentence.
        phase: the phase that it was in.
        output: what it left, kept as its traceback.
    """
    # Another process may have taken the cell up since the worker died.
    with store.lock(cell.id):
        former = stored(store, cell.id)
        if former is not None and former.status is Status.DONE:
            return former
        failure = {
            "phase": phase,
            "exception": exception,
            "message": message,
            "traceback_file": None,
            "attempts": attempts(former),
        }
        return fail(store, cell, failure, output)  # type: ignore[arg-type]


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
        failures: how often the cell had failed before, so that a new failure can be told.
    """

    executor: str
    job: str
    submitted: str
    log: str = ""
    failures: int = 0


def write_place(store: Store, id: str, executor: str, job: str, log: str = "") -> Place:
    """Note where a cell is, from now on; see `Place`."""
    submitted = datetime.now(UTC).isoformat(timespec="seconds")
    place = Place(executor, job, submitted, log, attempts(stored(store, id)) - 1)
    text = json.dumps(asdict(place), indent=1)
    write_atomically(store.folder(id) / PLACE, lambda path: path.write_text(text))
    return place


def read_place(store: Store, id: str) -> Place | None:
    """Return where a cell was said to be, or None where nothing readable says so."""
    try:
        return Place(**json.loads((store.folder(id) / PLACE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def record_since(store: Store, id: str, place: Place) -> Record | None:
    """Return the record that a cell has got since it was put there, or None where it has none."""
    record = stored(store, id)
    if record is None or record.status is Status.DONE:
        return record
    return record if attempts(record) - 1 > place.failures else None


def clear_place(store: Store, id: str) -> None:
    """Forget where a cell was, once its outcome is known."""
    (store.folder(id) / PLACE).unlink(missing_ok=True)
