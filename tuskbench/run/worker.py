"""The worker computes one cell; it does not know which executor runs it."""

from __future__ import annotations

import sys
import time
import traceback
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import BaseFileLock, Timeout

from tuskbench import registry
from tuskbench.errors import (
    CellTimeoutError,
    StoreError,
    TuskbenchError,
)
from tuskbench.run import seeding
from tuskbench.run.cost import cost
from tuskbench.run.device import make_fabric, process_rank
from tuskbench.run.evaluation import evaluate, predictor, undefined_scores
from tuskbench.run.events import Events, LogFile
from tuskbench.run.failures import TRACEBACK, attempts, fail, stored
from tuskbench.run.inspection import Inspector
from tuskbench.run.interrupt import (
    EXIT_INTERRUPTED,
    EXIT_STORE,
    Interrupted,
    StopFlag,
    WorkerStop,
    seconds_from,
)
from tuskbench.run.launch import Launch
from tuskbench.run.loop import TrainingLoop
from tuskbench.run.provenance import now, provenance
from tuskbench.sources import check_sources
from tuskbench.store import Failure, Record, Status, Store

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from tuskbench.cell import Cell
    from tuskbench.contracts import Split

CHECKPOINT_SECONDS = 60.0
"""Time between two checkpoints, unless $TUSKBENCH_CHECKPOINT_SECONDS says otherwise."""

# Time between two looks at whether to stop while another process has the cell.
LOCK_SECONDS = 1.0


def run_cell(
    cell: Cell,
    root: Path,
    device: str,
    *,
    events: Events | None = None,
    stop: StopFlag | None = None,
    launch: Launch | None = None,
    timeout: float | None = None,
) -> Record:
    """Compute a cell, unless another process has by the time its lock is free.

    Args:
        cell: the cell.
        root: the results folder.
        device: `cpu`, `cuda:0`, or `cuda:0,1` for a cell on two GPUs.
        events: takes the progress; by default the cell's `log.jsonl`.
        stop: says when to checkpoint and stop.
        launch: what the launcher tells, whose sources have to be this process's; None for a
            cell that is computed by its launcher.
        timeout: seconds after which the cell fails, waiting for its lock not counted.

    Returns:
        The record, also written to the store; a failure is a record too.

    Raises:
        Interrupted: if asked to stop; what is done is in the checkpoint.
        StoreError: if the results folder cannot be written.
    """
    store, stop = Store(root), stop or StopFlag()
    if process_rank(cell.training):
        # The first process holds the lock and writes for all.
        with _denormals_flushed():
            _Attempt(cell, store, device, lambda event: None, stop, 1, launch).train()
        return Record(cell.id, Status.RUNNING)
    events = events or LogFile(store.folder(cell.id) / "log.jsonl")
    with _locked(store.lock(cell.id), events, stop), _denormals_flushed():
        former = stored(store, cell.id)
        if former is not None and former.status is Status.DONE:
            return former
        store.tidy(cell.id)
        if timeout is not None:
            stop.limit(timeout)
        attempt = _Attempt(cell, store, device, events, stop, attempts(former), launch)
        return attempt.run(timeout)


@contextmanager
def _locked(lock: BaseFileLock, events: Events, stop: StopFlag) -> Iterator[None]:
    """Wait for the lock, but not longer than until asked to stop."""
    while True:
        try:
            lock.acquire(timeout=LOCK_SECONDS)
            break
        except Timeout:
            stop.check()
            events({"phase": "waiting"})
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _denormals_flushed() -> Iterator[None]:
    """Take numbers too small to matter for zero: CPUs are slow at them, and Gaussians make them."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        # What the process had before cannot be asked for; off is the default.
        torch.set_flush_denormal(False)


def _checkpoint_seconds() -> float:
    return seconds_from("TUSKBENCH_CHECKPOINT_SECONDS", CHECKPOINT_SECONDS)


def _notes(system: torch.nn.Module) -> list[str]:
    """Return what parts of a system have to say in every table that shows it."""
    notes = (getattr(module, "note", "") for module in system.modules())
    return list(dict.fromkeys(note for note in notes if note))


class _Attempt:
    """One attempt at a cell, which knows the phase it is in."""

    def __init__(
        self,
        cell: Cell,
        store: Store,
        device: str,
        events: Events,
        stop: StopFlag,
        number: int,
        launch: Launch | None,
    ) -> None:
        self._cell, self._store, self._device, self._launch = cell, store, device, launch
        self._events, self._stop, self._number = events, stop, number
        self._started, self._phase = now(), "build"
        self._path = store.folder(cell.id) / "checkpoint.safetensors"

    def run(self, timeout: float | None) -> Record:
        """Return the cell's record, written."""
        try:
            return self._compute()
        except StoreError:
            raise
        except Interrupted:
            if timeout is None or not self._stop.expired:
                raise
            return self._failed(CellTimeoutError(timeout))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            # Whatever a component does wrong becomes a record, and the sweep goes on.
            return self._failed(error)

    def train(self) -> None:
        """Build, load and train."""
        cell = self._cell
        self._enter("build")
        if self._launch is not None:
            check_sources(cell, self._launch.sources)
        self._fabric = make_fabric(self._device, cell.training)
        self._task = registry.build("task", {"name": cell.task, **cell.task_settings})
        self._info = self._task.info()
        seeding.seed_all(cell.seed)
        # On the CPU first, so that a seed gives the same weights on every device.
        self._system = registry.build("system", cell.system, self._info)
        self._system.to(self._fabric.device)
        self._inspector = Inspector(cell, self._task, self._info, self._system)
        self._enter("data")
        self._read = cache(self._read_split)
        split = self._read("train")
        self._enter("train")
        self._trained = self._loop().run(split)

    def _loop(self) -> TrainingLoop:
        seconds = _checkpoint_seconds()
        return TrainingLoop(
            self._cell,
            self._info,
            self._system,
            self._inspector,
            self._fabric,
            self._path,
            self._events,
            self._stop,
            seconds,
        )

    def _compute(self) -> Record:
        cell, training = self._cell, self._cell.training
        self.train()
        self._enter("evaluate")
        began = time.perf_counter()
        # Training makes pairs of its images, so twice as many fit without gradient.
        images = 2 * training.batch_size
        inspector = self._inspector
        predict = predictor(self._system, inspector, self._read, self._fabric, images, self._stop)
        metrics = evaluate(cell, self._task, self._system, inspector, predict)
        evaluated = time.perf_counter() - began
        self._enter("store")
        trained, device = self._trained, self._fabric.device
        record = Record(
            cell.id,
            Status.DONE,
            metrics.values,
            metrics.counts,
            cost(
                self._system,
                device,
                training.steps,
                training.batch_size,
                trained.seconds,
                evaluated,
                trained.joules,
            ),
            provenance(cell, device, self._started),
            notes=[
                *trained.notes,
                *_notes(self._system),
                *filter(None, [getattr(self._task, "note", "")]),
                *undefined_scores(metrics, self._task.metrics),
            ],
        )
        record = self._store.write(cell, record, metrics.per_image, metrics.figures)
        (self._store.folder(cell.id) / TRACEBACK).unlink(missing_ok=True)
        return record

    def _read_split(self, name: str) -> Split:
        split = self._inspector.split(name, self._task.split(name))
        return split.to(self._fabric.device)

    def _enter(self, phase: str) -> None:
        self._stop.check()
        self._phase = phase
        self._events({"phase": phase})

    def _failed(self, error: BaseException) -> Record:
        failure: Failure = {
            "phase": self._phase,
            "exception": type(error).__name__,
            "message": " ".join(str(error).split()) or "no message",
            "traceback_file": None,
            "attempts": self._number,
        }
        # A user's error is told in its sentence; where in the code it arose is of no use.
        text = "" if isinstance(error, TuskbenchError) else traceback.format_exc()
        kind = torch.device(self._device.partition(",")[0])
        origin = provenance(self._cell, kind, self._started)
        record = Record(self._cell.id, Status.FAILED, provenance=origin)
        return fail(self._store, self._cell, failure, text, record)


def work(options: Namespace, stop: WorkerStop) -> int:
    """Compute the cell that `tuskbench.run.bootstrap.parse` names; return the exit code."""
    stop.working = True
    try:
        cell = Store(options.root).read_cell(options.id)
        launch = Launch.read(options.root, options.launch) if options.launch else None
        device, timeout = options.device, options.timeout
        run_cell(cell, options.root, device, stop=stop, launch=launch, timeout=timeout)
    except Interrupted:
        return EXIT_INTERRUPTED
    except StoreError as error:
        sys.stderr.write(f"{error.path}\n{error.problem}\n")
        return EXIT_STORE
    except Exception:
        # Only a second process of a cell gets here; the first tells of the failure, and would
        # be killed by Fabric before it could if this one ended with an error.
        traceback.print_exc()
    return 0
