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
    from tuskbench.contracts import TaskInfo
    from tuskbench.run.executors import Executor


def preflight(cells: Iterable[Cell], executor: Executor) -> None:
    """Build every distinct system once, without memory for its weights where that works.

    Args:
        cells: the cells about to run.
        executor: what will run them.

    Raises:
        TuskbenchError: the first error of the user's kind, such as a setting that cannot work
            or pretrained weights that are not there. Other errors are left to the workers.
    """
    seen: set[str] = set()
    for cell in cells:
        training = cell.training
        executor.check(training)
        if training.batch_size % training.devices:
            expected = f"a multiple of training.devices = {training.devices}"
            raise ConfigurationError("training", "batch_size", training.batch_size, expected)
        key = json.dumps([cell.task, cell.task_settings, cell.system], sort_keys=True)
        if key not in seen:
            seen.add(key)
            task = registry.build("task", {"name": cell.task, **cell.task_settings})
            _build(cell, task.info())


def _build(cell: Cell, info: TaskInfo) -> None:
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
