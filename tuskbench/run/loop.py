"""The training loop: batches by index, checkpoints by time, resumed where it was."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from tuskbench.errors import CheckpointMismatchError, NonFiniteLossError, StoreError
from tuskbench.run import checkpoint, seeding
from tuskbench.run.cost import Meter
from tuskbench.run.events import Events, Throttle
from tuskbench.run.interrupt import Interrupted, StopFlag
from tuskbench.run.losses import LossWatch
from tuskbench.run.parallel import Parallel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lightning_fabric import Fabric

    from tuskbench.cell import Cell
    from tuskbench.contracts import Split, TaskInfo
    from tuskbench.run.inspection import Inspector

EVENT_SECONDS = 1.0
"""Shortest time between two events of training."""


@dataclass(frozen=True)
class Trained:
    """What training leaves beside the weights.

    Attributes:
        seconds: wall-clock time, summed over resumed runs.
        joules: energy of the GPU, or None where it cannot be read.
        notes: sentences worth keeping in the record.
    """

    seconds: float
    joules: float | None
    notes: list[str] = field(default_factory=list)


class TrainingLoop:
    """Trains one system on one split.

    Every step's randomness is a function of the seed and the step, so a resumed run takes the
    same steps as an uninterrupted one; on CPU, bit for bit.

    Args:
        cell: what is trained, how long and with which seed.
        info: the task, kept in the checkpoint for those who predict with it.
        system: a `tuskbench.contracts.System`, on the device.
        inspector: checks the first step, and says what of a batch the system may see.
        fabric: Fabric, launched.
        path: the checkpoint's file.
        events: takes the progress.
        stop: says when to checkpoint and stop.
        checkpoint_seconds: time between two checkpoints.
    """

    def __init__(
        self,
        cell: Cell,
        info: TaskInfo,
        system: Any,
        inspector: Inspector,
        fabric: Fabric,
        path: Path,
        events: Events,
        stop: StopFlag,
        checkpoint_seconds: float,
    ) -> None:
        self._cell, self._info, self._system, self._fabric = cell, info, system, fabric
        self._path, self._events, self._stop = path, events, stop
        self._inspector = inspector
        self._parallel = Parallel(fabric)
        self._checkpoint_due = Throttle(checkpoint_seconds)
        self._event_due = Throttle(EVENT_SECONDS)
        self._watch = LossWatch(fabric.device)
        self._notes: list[str] = []

    def run(self, split: Split) -> Trained:
        """Train to the last step, from the checkpoint where there is one.

        Args:
            split: the training images, on the device.

        Raises:
            Interrupted: if asked to stop, after a checkpoint.
            NonFiniteLossError: if a loss is not finite.
            CheckpointMismatchError: if the checkpoint is of another system. In both cases it is
                removed, because going on from it would end in the same.
            StoreError: if the checkpoint cannot be written.
        """
        steps = self._cell.training.steps
        optimizers = self._system.configure(steps)
        self._parallel.average_gradients(optimizers.values())
        first, seconds, joules = self._resume(optimizers)
        meter = Meter(self._parallel.devices, seconds, joules)
        self._system.train()
        try:
            for step in range(first, steps):
                self._step(split, step, inspected=step == first)
                self._after(step + 1, optimizers, meter)
            self._watch.check()
        except NonFiniteLossError:
            self._discard()
            raise
        if first == steps:
            return Trained(seconds, joules, self._notes)
        if self._fabric.device.type == "cuda":
            torch.cuda.synchronize(self._fabric.device)
        trained = Trained(meter.seconds, meter.joules, self._notes)
        self._save({}, steps, trained)
        return trained

    def _step(self, split: Split, step: int, inspected: bool) -> None:
        cell, parallel = self._cell, self._parallel
        seeding.seed_all(cell.seed, step, parallel.rank)
        batch_size = cell.training.batch_size
        index = seeding.batch_indices(len(split), batch_size, cell.seed, step)
        batch = split.batch(parallel.shard(index).to(self._fabric.device))
        inspector = self._inspector
        if inspected:
            inspector.batch(batch, self._fabric.device)
        batch = inspector.visible(batch)
        with self._fabric.autocast(), inspector.parts() if inspected else nullcontext():
            losses = self._system.fit_step(batch, step)
        parallel.share(self._system)
        self._watch.add(step, losses)

    def _after(self, done: int, optimizers: Mapping[str, Any], meter: Meter) -> None:
        last = done == self._cell.training.steps
        if self._parallel.rank == 0 and (self._event_due() or last):
            losses = self._watch.check()
            total, seconds = self._cell.training.steps, round(meter.seconds, 3)
            self._events({"step": done, "total": total, "losses": losses, "seconds": seconds})
        if last:
            return
        stopping = self._parallel.agree(self._stop(), done)
        if stopping or self._checkpoint_due():
            self._watch.check()
            self._save(optimizers, done, Trained(meter.seconds, meter.joules))
        if stopping:
            raise Interrupted

    def _save(self, optimizers: Mapping[str, Any], step: int, trained: Trained) -> None:
        if self._parallel.rank == 0:
            metadata = {
                "cell": self._cell.to_json(),
                "task": asdict(self._info),
                "train_seconds": trained.seconds,
                "gpu_energy_joules": trained.joules,
                "finished": step == self._cell.training.steps,
            }
            checkpoint.save(self._path, self._system, optimizers, step, metadata)

    def _discard(self) -> None:
        if self._parallel.rank == 0:
            self._path.unlink(missing_ok=True)

    def _resume(self, optimizers: Mapping[str, Any]) -> tuple[int, float, float | None]:
        """Return the step to go on from, and the seconds and joules spent before it."""
        if not self._path.exists():
            return 0, 0.0, 0.0
        try:
            step, metadata = checkpoint.load(self._path, self._system, optimizers)
        except CheckpointMismatchError:
            self._discard()
            raise
        except StoreError as error:
            self._events({"warning": f"{error}; training starts again"})
            self._notes.append("its checkpoint was damaged; trained again from the first step")
            self._discard()
            return 0, 0.0, 0.0
        if 0 < step < self._cell.training.steps:
            self._notes.append(f"resumed at step {step} of {self._cell.training.steps}")
        return step, metadata["train_seconds"], metadata["gpu_energy_joules"]
