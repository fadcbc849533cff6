"""The local executor computes each cell in a process of its own, several at a time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt

from tuskbench.errors import CellTimeoutError, StoreError
from tuskbench.run.device import DevicePool, environment, resolve
from tuskbench.run.events import LogTail
from tuskbench.run.executors.contract import Executor
from tuskbench.run.interrupt import (
    EXIT_INTERRUPTED,
    EXIT_STORE,
    EXIT_TIMEOUT,
    Interrupted,
    grace,
)
from tuskbench.run.launch import Launch, start_worker
from tuskbench.store import Record, Status, Store

if TYPE_CHECKING:
    from pathlib import Path

    from tuskbench.cell import Cell, Training

_STDERR_BYTES = 16_384
# Time between two looks at whether a worker that was asked to stop has to be killed, and what it
# has beyond its own grace period.
_POLL_SECONDS, _PATIENCE_SECONDS = 1.0, 10.0


class LocalExecutor(Executor):
    """A process a cell, so that one that is killed for its memory is one failed record.

    Args:
        root: the results folder.
        jobs: cells at a time; None for one a core on CPU (each with one thread), or one a GPU.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        cell_timeout: seconds after which a cell fails; None for no limit.
    """

    def __init__(
        self,
        root: Path,
        *,
        jobs: Annotated[int, Ge(1)] | None = None,
        device: str = "auto",
        cell_timeout: Annotated[float, Gt(0)] | None = None,
    ) -> None:
        self._store, self._timeout, self._grace = Store(root), cell_timeout, grace()
        self._launch = Launch.here()
        self._devices = DevicePool(resolve(device), jobs)
        self.slots = self._devices.jobs
        self._pool = ThreadPoolExecutor(self.slots, thread_name_prefix="cell")
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._signal: signal.Signals | None = None
        self._patience = float("inf")

    def check(self, training: Training) -> None:
        """Raise `ConfigurationError` where a cell wants more devices than there are."""
        self._devices.check(training)

    def submit(self, cell: Cell) -> Future[Record]:
        """Compute a cell as soon as its devices are free."""
        return self._pool.submit(self._run, cell)

    def stop(self) -> None:
        """Let the processes checkpoint and end."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the processes at once."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Wait for the processes that run."""
        self._pool.shutdown(cancel_futures=True)

    def _end(self, number: signal.Signals) -> None:
        self._signal = number
        self._patience = time.monotonic() + self._grace + _PATIENCE_SECONDS
        # A copy, because the pool's threads add and remove at any time.
        for process in tuple(self._processes):
            _send(process, number)

    def _run(self, cell: Cell) -> Record:
        devices = self._devices.acquire(cell.training.devices)
        try:
            if self._signal is not None:
                raise Interrupted
            self._store.write_cell(cell)
            self._launch.write(self._store.root)
            with tempfile.TemporaryFile() as errors:
                return self._outcome(cell, *self._process(cell, devices, errors))
        finally:
            self._devices.release(devices)

    def _process(self, cell: Cell, devices: list[str], errors: IO[bytes]) -> tuple[int, str, str]:
        """Run the worker; return its exit code, the phase it ended in and its last words."""
        log = LogTail(self._store.folder(cell.id) / "log.jsonl")
        on_cpu = self._devices.on_cpu
        indices = ",".join(name.partition(":")[2] for name in devices)
        process = start_worker(
            self._store.root,
            cell.id,
            "cpu" if on_cpu else f"cuda:{indices}",
            self._launch,
            timeout=self._timeout,
            environment=environment(on_cpu),
            output=errors,
        )
        self._processes.add(process)
        if self._signal is not None:
            _send(process, self._signal)
        try:
            code = self._wait(process)
        finally:
            self._processes.discard(process)
            assert process.stdin is not None
            process.stdin.close()
            # The other processes of a cell on several devices must not outlive the first.
            _send_group(process.pid, signal.SIGKILL)
        phases = [event["phase"] for event in log if "phase" in event]
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - _STDERR_BYTES))
        return code, phases[-1] if phases else "build", errors.read().decode(errors="replace")

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        """Return the exit code of a worker, killed where it is asked to stop and does not."""
        while True:
            try:
                return process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if time.monotonic() > self._patience:
                    _send_group(process.pid, signal.SIGKILL)

    def _outcome(self, cell: Cell, code: int, phase: str, text: str) -> Record:
        if code == EXIT_INTERRUPTED or (self._signal is not None and code < 0):
            raise Interrupted
        if code == EXIT_STORE:
            path, problem = (text.splitlines() or ["", ""])[-2:]
            raise StoreError(path, problem)
        record = self._store.read(cell.id) if code == 0 else None
        return record or self._died(cell, code, phase, text)

    def _died(self, cell: Cell, code: int, phase: str, text: str) -> Record:
        """Write the record of a worker that could not write it itself."""
        from tuskbench.run.worker import attempts, fail, stored

        name, message = "WorkerExit", f"the worker ended with exit code {code} and no record"
        if code == EXIT_TIMEOUT and self._timeout is not None:
            name, message = "CellTimeoutError", str(CellTimeoutError(self._timeout))
        if code < 0:
            name = signal.Signals(-code).name
            message = f"the worker was killed by signal {-code} ({name})"
            if name == "SIGKILL":
                message += ", as the system does to a process that takes too much memory"
        # Another process may have taken the cell up since the worker died.
        with self._store.lock(cell.id):
            former = stored(self._store, cell.id)
            if former is not None and former.status is Status.DONE:
                return former
            phase = "build" if phase == "waiting" else phase
            return fail(
                self._store,
                cell,
                {
                    "phase": phase,
                    "exception": name,
                    "message": message,
                    "traceback_file": None,
                    "attempts": attempts(former),
                },
                text,
            )


def _send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if number == signal.SIGKILL:
        _send_group(process.pid, number)
    elif process.poll() is None:
        process.send_signal(number)


def _send_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
