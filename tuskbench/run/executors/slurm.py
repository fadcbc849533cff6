"""The SLURM executor submits cells as array jobs, through submitit."""

from __future__ import annotations

import shlex
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt

from tuskbench.errors import ConfigurationError
from tuskbench.run.executors import slurm_queue
from tuskbench.run.executors.contract import (
    Executor,
    Launch,
    Place,
    clear_place,
    read_place,
    record_death,
    record_since,
    write_place,
)
from tuskbench.run.executors.packing import Pack, arrays
from tuskbench.run.executors.slurm_job import Job
from tuskbench.run.interrupt import Interrupted
from tuskbench.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    import submitit

    from tuskbench.cell import Cell
    from tuskbench.store import Record

_NAME = "slurm"
# Folder of the results folder for what submitit writes and jobs print.
_FOLDER = "jobs"
# More cells than anyone submits; how many run is the scheduler's business.
_NO_LIMIT = 10**9
# Looks at the queue in which a job must be missing before it counts as ended: one that is being
# requeued, or whose record is still on its way through a network disk, is not lost.
_MISSES = 2
_OUTPUT_BYTES = 16_384


@dataclass
class _Waiting:
    """A cell that SLURM has."""

    cell: Cell
    future: Future[Record]
    place: Place
    misses: int = 0


class SlurmExecutor(Executor):
    """Array jobs of cells of like cost, short ones packed; preempted and timed-out ones go on.

    Needs `pip install "tuskbench[slurm]"`, and a results folder that all nodes see.

    Args:
        root: the results folder.
        jobs: jobs of one array at a time; None for as many as the cluster runs.
        device: `auto`, `cpu` or `cuda`, as seen by the job.
        partition: of the jobs; None for the cluster's default, as for the next ones.
        account: that is charged.
        qos: quality of service.
        constraint: features of the nodes.
        minutes: time limit of a job, after which it is requeued and goes on.
        timeouts: how often a job may reach its limit.
        cpus: cores, which are also threads, of a job.
        gpus: GPUs for each device of a cell; None for 1 with device `cuda`, else 0.
        memory_gb: memory of a job in GB.
        pack_minutes: short cells share a job that is expected to take this long.
        array_size: most jobs in an array; see `MaxArraySize` of the cluster.
        warning_seconds: time before the limit at which cells checkpoint.
        poll_seconds: time between two looks at the queue.
        setup: shell commands that come first in every job.
        sbatch: further options of sbatch by their long names.
    """

    slots = _NO_LIMIT
    queues = True
    detaches = True

    def __init__(
        self,
        root: Path,
        *,
        jobs: Annotated[int, Ge(1)] | None = None,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        partition: str | None = None,
        account: str | None = None,
        qos: str | None = None,
        constraint: str | None = None,
        minutes: Annotated[int, Ge(1)] = 60,
        timeouts: Annotated[int, Ge(0)] = 10,
        cpus: Annotated[int, Ge(1)] = 1,
        gpus: Annotated[int, Ge(0)] | None = None,
        memory_gb: Annotated[float, Gt(0)] | None = None,
        pack_minutes: Annotated[float, Ge(0)] = 10.0,
        array_size: Annotated[int, Ge(1)] = 1000,
        warning_seconds: Annotated[int, Ge(1)] = 90,
        poll_seconds: Annotated[float, Gt(0)] = 10.0,
        setup: tuple[str, ...] = (),
        sbatch: dict[str, Any] = {},  # noqa: B006 - read, never changed
    ) -> None:
        self._store, self._launch = Store(root.resolve()), Launch.here()
        self._device, self._gpus = device, gpus
        self._pack_seconds, self._array_size = 60 * pack_minutes, array_size
        self._poll_seconds = poll_seconds
        self._submitter = _submitter(self._store.root / _FOLDER, timeouts)
        optional: dict[str, Any] = {
            "partition": partition,
            "account": account,
            "qos": qos,
            "constraint": constraint,
            "mem": None if memory_gb is None else f"{int(1024 * memory_gb)}M",
        }
        self._parameters: dict[str, Any] = {
            **{name: value for name, value in optional.items() if value is not None},
            "time": minutes,
            "cpus_per_task": cpus,
            "job_name": "tuskbench",
            "signal_delay_s": warning_seconds,
            "setup": list(setup),
            "array_parallelism": jobs or array_size,
            "additional_parameters": {"requeue": True, **sbatch},
        }
        self._waiting: dict[str, _Waiting] = {}
        # The signal handler of the main thread may come in while this thread submits.
        self._lock = threading.RLock()
        self._ending: threading.Event = threading.Event()
        self._stopping = False
        self._watcher: threading.Thread | None = None

    def submit(self, cell: Cell) -> Future[Record]:
        """Submit one cell as a job of its own."""
        return self.submit_all([cell], {})[0]

    def submit_all(
        self, cells: Sequence[Cell], seconds: Mapping[str, float]
    ) -> list[Future[Record]]:
        """Submit the cells that SLURM does not have yet, and wait for all of them.

        Raises:
            ConfigurationError: if SLURM refuses the jobs.
            StoreError: if the results folder cannot be written.
        """
        futures: dict[str, Future[Record]] = {cell.id: Future() for cell in cells}
        new = []
        with self._lock:
            for cell in cells:
                place = read_place(self._store, cell.id)
                if place is None or place.executor != _NAME:
                    new.append(cell)
                else:
                    self._waiting[cell.id] = _Waiting(cell, futures[cell.id], place)
            for packs in arrays(new, seconds, self._pack_seconds, self._array_size):
                if self._stopping:
                    break
                for cell, place in self._submit_array(packs):
                    self._waiting[cell.id] = _Waiting(cell, futures[cell.id], place)
            for id in futures.keys() - self._waiting.keys():
                futures[id].set_exception(Interrupted())
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, daemon=True, name="slurm")
            self._watcher.start()
        return list(futures.values())

    def stop(self) -> None:
        """Drop the jobs that wait; let those that run checkpoint and end."""
        self._stopping = True
        slurm_queue.interrupt(self._jobs())

    def kill(self) -> None:
        """End the jobs at once."""
        self._stopping = True
        slurm_queue.cancel(self._jobs())

    def detach(self) -> str:
        """Leave the jobs to SLURM; return what it has."""
        jobs, cells = self._jobs(), len(self._waiting)
        self._end()
        shown = f"{cells} cells in {len(jobs)} jobs"
        return f"SLURM has {shown}; what each does is in {self._store.root / _FOLDER}"

    def close(self) -> None:
        """Stop watching; what SLURM still has goes on."""
        self._end()

    def _end(self) -> None:
        self._ending.set()
        if self._watcher is not None:
            self._watcher.join()

    def _jobs(self) -> list[str]:
        return sorted({one.place.job for one in tuple(self._waiting.values())})

    def _submit_array(self, packs: list[Pack]) -> list[tuple[Cell, Place]]:
        """Submit packs as one array; return where each of their cells is."""
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        root, devices = str(self._store.root), packs[0][0].training.devices
        self._launch.write(self._store.root)
        for cell in (cell for pack in packs for cell in pack):
            self._store.write_cell(cell)
        gpus = self._gpus if self._gpus is not None else int(self._device == "cuda")
        gres = {"gpus_per_node": gpus * devices} if gpus else {}
        self._submitter.update_parameters(**self._parameters, **gres)
        ids, count = [[cell.id for cell in pack] for pack in packs], len(packs)
        try:
            jobs = self._submitter.map_array(
                Job(), [root] * count, ids, [self._device] * count, [self._launch.name] * count
            )
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            said = " ".join(str(error).split())
            raise ConfigurationError(
                f"executor {_NAME}", "sbatch", self._parameters, f"what SLURM takes: {said}"
            ) from error
        found = []
        for pack, job in zip(packs, jobs, strict=True):
            log = job.paths.stderr.relative_to(self._store.root).as_posix()
            for cell in pack:
                found.append((cell, write_place(self._store, cell.id, _NAME, job.job_id, log)))
        return found

    def _watch(self) -> None:
        """Look at the queue until this executor ends."""
        while not self._ending.wait(0 if self._stopping else self._poll_seconds):
            states = slurm_queue.queued()
            if states is None:
                # The controller does not answer, as when it is restarted: nothing is known.
                continue
            if self._stopping:
                self._ending.wait(1.0)
                slurm_queue.interrupt(set(self._jobs()) & set(states))
            with self._lock:
                waiting = tuple(self._waiting.items())
            for id, one in waiting:
                self._look_at(id, one, states.get(one.place.job))

    def _look_at(self, id: str, one: _Waiting, state: str | None) -> None:
        """Resolve a cell that has ended; show one that has begun."""
        try:
            if state == "PENDING":
                one.misses = 0
                return
            record = record_since(self._store, id, one.place)
            if record is None and state is not None:
                one.misses = 0
                if not one.future.running() and self._has_begun(one):
                    one.future.set_running_or_notify_cancel()
                return
            if record is None:
                one.misses += 1
                if one.misses < _MISSES:
                    return
                if self._stopping:
                    self._resolve(id, one, Interrupted())
                    return
                record = self._died(one)
            self._resolve(id, one, record)
        except Exception as error:
            self._resolve(id, one, error)

    def _resolve(self, id: str, one: _Waiting, outcome: Record | Exception) -> None:
        clear_place(self._store, id)
        with self._lock:
            del self._waiting[id]
        if isinstance(outcome, Exception):
            one.future.set_exception(outcome)
        else:
            one.future.set_result(outcome)

    def _has_begun(self, one: _Waiting) -> bool:
        log = self._store.folder(one.cell.id) / "log.jsonl"
        try:
            return log.stat().st_mtime >= datetime.fromisoformat(one.place.submitted).timestamp()
        except OSError:
            return False

    def _died(self, one: _Waiting) -> Record:
        """Write the record of a cell whose job ended without one."""
        why = slurm_queue.why_ended(one.place.job)
        message = f"SLURM job {one.place.job} ended without a record ({why})"
        try:
            output = (
                (self._store.root / one.place.log)
                .read_bytes()[-_OUTPUT_BYTES:]
                .decode(errors="replace")
            )
        except OSError:
            output = ""
        return record_death(self._store, one.cell, "JobEnded", message, output=output)


def _submitter(folder: Path, timeouts: int) -> submitit.SlurmExecutor:
    try:
        import submitit
    except ImportError as error:
        expected = 'the package submitit: pip install "tuskbench[slurm]"'
        raise ConfigurationError("run", "executor", _NAME, expected) from error
    try:
        # The current folder must not come first on the job's import path.
        python = f"{shlex.quote(sys.executable)} -P"
        return submitit.SlurmExecutor(folder / "%j", max_num_timeout=timeouts, python=python)
    except RuntimeError as error:
        expected = "a machine with SLURM's commands: there is no srun here"
        raise ConfigurationError("run", "executor", _NAME, expected) from error
