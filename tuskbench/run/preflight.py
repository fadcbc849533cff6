"""What would fail in every worker is found before the first one starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch

from tuskbench import registry
from tuskbench.errors import ConfigurationError, TuskbenchError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuskbench.cell import Cell
    from tuskbench.contracts import Task, TaskInfo
    from tuskbench.run.executors.contract import Executor


def preflight(cells: Iterable[Cell], executor: Executor) -> None:
    """Build every distinct system, without memory for its weights where that works, and data.

    Args:
        cells: the cells about to run.
        executor: what will run them.

    Raises:
        TuskbenchError: the first error of the user's kind, such as a setting that cannot work,
            pretrained weights that are not there, or a damaged data file. Other errors are left
            to the workers.
    """
    seen: set[str] = set()
    tasks: dict[str, Task] = {}
    for cell in cells:
        training = cell.training
        executor.check(training)
        if training.batch_size % training.devices:
            expected = f"a multiple of training.devices = {training.devices}"
            raise ConfigurationError("training", "batch_size", training.batch_size, expected)
        key = _key(cell.task, cell.task_settings, cell.system)
        if key not in seen:
            seen.add(key)
            task = registry.build("task", {"name": cell.task, **cell.task_settings})
            try:
                _build(cell, task.info())
            except ConfigurationError as error:
                error.cell = cell.id
                raise
            tasks.setdefault(_key(cell.task, cell.task_settings), task)
    for task in tasks.values():
        _prepare(task)


def _prepare(task: Task) -> None:
    """Read or generate the data; what is generated is kept on disk for all workers."""
    try:
        for split in ("train", task.evaluate_on):
            task.split(split)
    except TuskbenchError:
        raise
    except Exception:
        # A defect of the task becomes failed records with tracebacks.
        return


def _key(*parts: object) -> str:
    return json.dumps(parts, sort_keys=True)


def _build(cell: Cell, info: TaskInfo) -> None:
    # Not below, where tensors that a module makes on import would have no memory either.
    registry.load("system", cell.system["name"])
    for device in ("meta", "cpu"):
        try:
            with torch.device(device):
                registry.build("system", cell.system, info)
            return
        except TuskbenchError:
            raise
        except Exception:
            # Not every constructor works without memory; what fails on the CPU too becomes a
            # failed record with its traceback.
            continue
