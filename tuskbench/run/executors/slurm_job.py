"""What runs in a SLURM job: the cells of a pack, one after the other, each in its own process."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import wait
from pathlib import Path
from typing import TYPE_CHECKING

from tuskbench.run.executors.contract import Launch
from tuskbench.run.executors.local import LocalExecutor
from tuskbench.run.interrupt import Interrupted
from tuskbench.store import Store

if TYPE_CHECKING:
    from concurrent.futures import Future

    from submitit.helpers import DelayedSubmission

    from tuskbench.store import Record

# submitit's signal for a time limit that is near, or for preemption where the cluster sends it.
_WARNING = signal.SIGUSR2
# A job whose workers were told to stop, and that is still there after this time, goes on.
_END_SECONDS = 120.0


class Job:
    """A callable as submitit wants it: pickled with the results folder and ids, nothing else."""

    def __init__(self) -> None:
        """Hold nothing, for there is nothing to pickle."""
        self._executor: LocalExecutor | None = None
        self._futures: list[Future[Record]] = []

    def __call__(self, root: str, ids: list[str], device: str, launch: str) -> None:
        """Compute cells; records go to the results folder.

        Args:
            root: the results folder.
            ids: of cells whose `cell.json` is there.
            device: `auto`, `cpu` or `cuda`.
            launch: name of what the launcher tells its workers, in the results folder.
        """
        cpus = os.environ.get("SLURM_CPUS_PER_TASK", "1")
        os.environ.setdefault("OMP_NUM_THREADS", cpus)
        store = Store(root)
        cells = [store.read_cell(id) for id in ids]
        slots = max(cell.training.devices for cell in cells)
        # SLURM sends the warning to every process of the job; workers must not die of it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {_WARNING})
        told = Launch.read(Path(root), launch)
        self._executor = LocalExecutor(Path(root), told, jobs=slots, device=device)
        # The pool's threads inherit the mask, and the workers from them.
        self._futures = [self._executor.submit(cell) for cell in cells]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {_WARNING})
        try:
            interrupted = [isinstance(f.exception(), Interrupted) for f in self._futures]
        except KeyboardInterrupt:
            # The launcher cancels like this: checkpoint, and do not come back.
            self._stop()
            return
        self._executor.close()
        if any(interrupted):
            # Only the workers were told: SLURM is about to end this job, and to start it again
            # where it was preempted. Otherwise submitit is asked to.
            time.sleep(_END_SECONDS)
            os.kill(os.getpid(), _WARNING)
        for future in self._futures:
            future.result()

    def checkpoint(self, root: str, ids: list[str], device: str, launch: str) -> DelayedSubmission:
        """Let the cell that runs checkpoint; return the call that goes on from there."""
        from submitit.helpers import DelayedSubmission

        self._stop()
        return DelayedSubmission(Job(), root, ids, device, launch)

    def _stop(self) -> None:
        if self._executor is not None:
            self._executor.stop()
            wait(self._futures)
