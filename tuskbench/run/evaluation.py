"""Predictions over a split, and the scores a task makes of them."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tuskbench.run import seeding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lightning_fabric import Fabric

    from tuskbench.cell import Cell
    from tuskbench.contracts import MetricInfo, Metrics, Predict, Prediction, Split, Task
    from tuskbench.run.inspection import Inspector
    from tuskbench.run.interrupt import StopFlag

# Marks evaluation's randomness apart from that of training steps, which are not negative.
_EVALUATION = -1


def to_cpu(value: Any) -> Any:
    """Return a dataclass of tensors in CPU memory, floating-point ones in 32 bits."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return value.float() if value.is_floating_point() else value
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: to_cpu(getattr(value, f.name)) for f in fields(value)})
    return value


def predictor(
    system: Any,
    inspector: Inspector,
    read: Callable[[str], Split],
    fabric: Fabric,
    batch_size: int,
    stop: StopFlag,
) -> Predict:
    """Return the function that yields a system's predictions over a named split.

    Args:
        system: a `tuskbench.contracts.System`.
        inspector: checks the first batch of every split.
        read: returns a split by name, on the device.
        fabric: gives device and precision.
        batch_size: images at a time.
        stop: raises `Interrupted` between batches when asked to.
    """

    def predict(split: str, *, objects: int | None = None) -> Iterator[Prediction]:
        images = read(split)
        with looking_for(system, objects):
            yield from batches(images)

    def batches(split: Split) -> Iterator[Prediction]:
        for first in range(0, len(split), batch_size):
            stop.check()
            last = min(first + batch_size, len(split))
            batch = split.batch(torch.arange(first, last, device=fabric.device))
            # Not around the yield: the caller's code would run without gradient too.
            parts = nullcontext() if first else inspector.parts()
            with torch.no_grad(), fabric.autocast(), parts:
                prediction = system.predict(batch.images)
            if not first:
                inspector.prediction(prediction, batch.images)
            yield to_cpu(prediction)

    return predict


@contextmanager
def looking_for(system: Any, objects: int | None) -> Iterator[None]:
    """Let a system that can look for `objects` objects, and then for its own number again."""
    adapts = objects is not None and hasattr(system, "look_for")
    if adapts:
        system.look_for(objects)
    try:
        yield
    finally:
        if adapts:
            system.look_for(None)


def evaluate(
    cell: Cell, task: Task, system: Any, inspector: Inspector, predict: Predict
) -> Metrics:
    """Score a system; its own figures are added to the task's.

    Raises:
        Interrupted: if asked to stop.
        ContractError: if a prediction or the metrics are not what they should be.
    """
    system.eval()
    seeding.seed_all(cell.seed, _EVALUATION)
    metrics = task.evaluate(predict)
    inspector.metrics(metrics)
    drawn: dict[str, np.ndarray] = {
        name: to_cpu(tensor).numpy() for name, tensor in system.figures().items()
    }
    metrics.figures = {**drawn, **metrics.figures}
    metrics.values = {name: float(value) for name, value in metrics.values.items()}
    metrics.counts = {name: int(value) for name, value in metrics.counts.items()}
    return metrics


def undefined_scores(metrics: Metrics, declared: Mapping[str, MetricInfo]) -> list[str]:
    """Return what has to be said of means that not every image is in, a sentence each."""
    said: dict[str, list[str]] = {}
    for name, scores in metrics.per_image.items():
        missing, images = int(np.isnan(scores).sum()), len(scores)
        if missing:
            other = f"; the mean is over the other {images - missing}" if missing < images else ""
            why = f"{missing} of {images} images have no score, {declared[name].undefined}{other}"
            said.setdefault(why, []).append(name)
    return [f"{', '.join(names)}: {why}" for why, names in said.items()]
