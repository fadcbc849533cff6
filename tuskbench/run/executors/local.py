"""The local executor computes each cell in a process of its own, several at a time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt

from tuskbench.run.device import DevicePool, joined, resolve
from tuskbench.run.events import LogTail
from tuskbench.run.executors.contract import (
    Ending,
    Executor,
    Launch,
    last_phase,
    outcome,
    start_worker,
    worker_command,
    worker_environment,
)
from tuskbench.run.executors.warm import AVAILABLE, WarmWorker, Zygote
from tuskbench.run.interrupt import Interrupted, grace
from tuskbench.run.launch import PYTHON
from tuskbench.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from tuskbench.cell import Cell, Training
    from tuskbench.store import Record

_OUTPUT_BYTES = 16_384
# The name of torch's exception.
_OUT_OF_MEMORY = "OutOfMemoryError"
# Time between two looks at whether a worker that was asked to stop has to be killed, and what it
# has beyond its own grace period.
_POLL_SECONDS, _PATIENCE_SECONDS = 1.0, 10.0


class LocalExecutor(Executor):
    """A process a cell, so that one that is killed for its memory is one failed record.

    Args:
        root: the results folder.
        launch: what workers are told; None for what this process would tell.
        jobs: cells at a time; None for one a core on CPU (each with one thread), or
            `jobs_per_gpu` a GPU.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        jobs_per_gpu: cells at a time on one GPU. One that runs out of the memory that it shares
            runs again with a GPU of its own.
        cell_timeout: seconds after which a cell fails; None for no limit.
        warm: whether to fork workers from a process that has imported torch, in place of an
            interpreter that begins anew for each.
    """

    def __init__(
        self,
        root: Path,
        launch: Launch | None = None,
        *,
        jobs: Annotated[int, Ge(1)] | None = None,
        device: str = "auto",
        jobs_per_gpu: Annotated[int, Ge(1)] = 1,
        cell_timeout: Annotated[float, Gt(0)] | None = None,
        warm: bool = True,
    ) -> None:
        self._store, self._timeout, self._grace = Store(root), cell_timeout, grace()
        self._launch = launch or Launch.here()
        self._devices = DevicePool(resolve(device), jobs, jobs_per_gpu)
        self.slots = self._devices.jobs
        self._pool = ThreadPoolExecutor(self.slots, thread_name_prefix="cell")
        self._workers: set[_Worker] = set()
        self._signal: signal.Signals | None = None
        self._patience = float("inf")
        self._warm = warm and AVAILABLE
        self._zygote: Zygote | None = None
        self._zygote_lock = threading.Lock()

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
        with self._zygote_lock:
            if self._zygote is not None:
                self._zygote.close()
                self._zygote = None

    def _end(self, number: signal.Signals) -> None:
        self._signal = number
        self._patience = time.monotonic() + self._grace + _PATIENCE_SECONDS
        # A copy, because the pool's threads add and remove at any time.
        for worker in tuple(self._workers):
            worker.send(number)

    def _run(self, cell: Cell) -> Record:
        count = cell.training.devices
        devices = self._devices.acquire(count)
        try:
            shared = self._devices.shares
            record = self._compute(cell, devices)
        finally:
            self._devices.release(devices)
        if not shared or record.failure is None or record.failure["exception"] != _OUT_OF_MEMORY:
            return record
        devices = self._devices.acquire(count, alone=True)
        try:
            return self._compute(cell, devices)
        finally:
            self._devices.release(devices)

    def _compute(self, cell: Cell, devices: list[str]) -> Record:
        if self._signal is not None:
            raise Interrupted
        self._store.write_cell(cell)
        self._launch.write(self._store.root)
        with tempfile.NamedTemporaryFile() as output:
            return outcome(self._store, cell, self._process(cell, joined(devices), output))

    def _process(self, cell: Cell, device: str, output: IO[bytes]) -> Ending:
        """Run the worker to its end."""
        log = LogTail(self._store.folder(cell.id) / "log.jsonl")
        worker = self._start(cell, device, output)
        self._workers.add(worker)
        if self._signal is not None:
            worker.send(self._signal)
        try:
            code = self._wait(worker)
        finally:
            self._workers.discard(worker)
            worker.close()
        output.seek(max(0, output.seek(0, os.SEEK_END) - _OUTPUT_BYTES))
        text = output.read().decode(errors="replace")
        stopped = self._signal is not None
        return Ending(code, text, last_phase(log), stopped, self._timeout)

    def _wait(self, worker: _Worker) -> int:
        """Return the exit code of a worker, killed where it is asked to stop and does not."""
        while True:
            try:
                return worker.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if time.monotonic() > self._patience:
                    worker.send(signal.SIGKILL)

    def _start(self, cell: Cell, device: str, output: IO[bytes]) -> _Worker:
        root, launch, environment = self._store.root, self._launch, worker_environment(device)
        # The other processes of a cell on several devices are started by the first's command line.
        if self._warm and cell.training.devices == 1:
            command = worker_command(
                root, cell.id, device, launch, timeout=self._timeout, attached=True
            )
            arguments = command[len(PYTHON) :]
            forked = self._zygote_for(environment).fork(arguments, environment, output.name, cell)
            if forked is not None:
                return forked
        return _ColdWorker(
            start_worker(
                root,
                cell.id,
                device,
                launch,
                timeout=self._timeout,
                environment=environment,
                output=output,
            )
        )

    def _zygote_for(self, environment: dict[str, str]) -> Zygote:
        with self._zygote_lock:
            if self._zygote is not None and not self._zygote.alive:
                self._zygote.close()
                self._zygote = None
            if self._zygote is None:
                kind = "cpu" if self._devices.on_cpu else "cuda"
                self._zygote = Zygote(self._store.root, self._launch, kind, environment)
            return self._zygote


class _ColdWorker:
    """A worker in an interpreter of its own; see `WarmWorker`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.wait = process.wait

    def send(self, number: signal.Signals) -> None:
        """Send a signal, with SIGKILL to all processes that it started."""
        if number == signal.SIGKILL:
            self._kill_group()
        elif self._process.poll() is None:
            self._process.send_signal(number)

    def close(self) -> None:
        """End what it leaves behind."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        # The other processes of a cell on several devices must not outlive the first.
        self._kill_group()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


_Worker = _ColdWorker | WarmWorker
