"""What would fail in every worker is found before the first one starts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from tuskbench import registry
from tuskbench.errors import BrokenComponentError, ConfigurationError, TuskbenchError
from tuskbench.registry.apart import Apart, is_foreign

if TYPE_CHECKING:
    from tuskbench.cell import Cell
    from tuskbench.contracts import Task, TaskInfo
    from tuskbench.run.executors.contract import Executor


def preflight(cells: Iterable[Cell], executor: Executor) -> None:
    """Build every distinct system, without memory for its weights where that works, and data.

    What packages of others bring is built in a process apart; where that ends, the workers'
    records will say so.

    Args:
        cells: the cells about to run.
        executor: what will run them.

    Raises:
        TuskbenchError: the first error of the user's kind, such as a setting that cannot work,
            pretrained weights that are not there, or a damaged data file. Other errors are left
            to the workers.
    """
    here = Preflight()
    with Apart() as apart:
        for cell in cells:
            training = cell.training
            executor.check(training)
            if training.batch_size % training.devices:
                expected = f"a multiple of training.devices = {training.devices}"
                raise ConfigurationError("training", "batch_size", training.batch_size, expected)
            try:
                if _foreign(cell):
                    _ask(apart, cell)
                else:
                    here.cell(cell)
            except ConfigurationError as error:
                error.cell = cell.id
                raise


def _ask(apart: Apart, cell: Cell) -> None:
    # One question for all seeds: what has ended the process once is not asked for again.
    same = replace(cell, seed=0, variant="")
    with suppress(BrokenComponentError):
        apart.ask("preflight", "system", cell.system["name"], cell=same.to_json())


def _foreign(cell: Cell) -> bool:
    """Return whether any component is of another package, and none known here alone."""
    found = [("task", cell.task), *_components("system", cell.system)]
    owners = [registry.find(kind, name) for kind, name in found]
    here_alone = any(entry.distribution == registry.THIS_PROCESS for entry in owners)
    return any(map(is_foreign, owners)) and not here_alone


def _components(kind: str, choice: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield kind, choice["name"]
    for parameter in registry.signature(kind, choice["name"]).parameters:
        value = choice.get(parameter.name)
        if parameter.component_kind is not None and isinstance(value, Mapping):
            yield from _components(parameter.component_kind, value)


class Preflight:
    """Builds what cells need, each once, and their data."""

    def __init__(self) -> None:
        self._built: set[str] = set()
        self._prepared: set[str] = set()

    def cell(self, cell: Cell) -> None:
        """Build a cell's task and system, and read or generate its data.

        Raises:
            TuskbenchError: an error of the user's kind; others are left to the workers.
        """
        key = _key(cell.task, cell.task_settings, cell.system)
        if key in self._built:
            return
        self._built.add(key)
        task = registry.build("task", {"name": cell.task, **cell.task_settings})
        _build(cell, task.info())
        of_task = _key(cell.task, cell.task_settings)
        if of_task not in self._prepared:
            self._prepared.add(of_task)
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
