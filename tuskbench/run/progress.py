"""Progress on stderr: live bars on a terminal, a line a cell everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from tuskbench.report.escape import line
from tuskbench.run.events import LogTail
from tuskbench.store import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from rich.console import RenderableType

    from tuskbench.cell import Cell
    from tuskbench.store import Record, Store

_LOSSES_SHOWN = 3


class _LiveBars(Bars):
    """Bars that read the workers' logs each time they are drawn."""

    def __init__(self, console: Console) -> None:
        # First, because the base class draws itself when it is made.
        self.tails: dict[TaskID, LogTail] = {}
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
            console=console,
            refresh_per_second=2,
            transient=True,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """Bring the bars up to date, then draw them."""
        for task, tail in tuple(self.tails.items()):
            for event in tail:
                self._show(task, event)
        return super().get_renderables()

    def _show(self, task: TaskID, event: Mapping[str, Any]) -> None:
        if "step" in event:
            losses = list(event.get("losses", {}).items())[:_LOSSES_SHOWN]
            detail = " ".join(f"{name} {value:.4g}" for name, value in losses)
            self.update(task, completed=event["step"], total=event["total"], detail=detail)
        elif "phase" in event:
            self.update(task, detail=event["phase"])


class Progress:
    """Shows a sweep to whoever watches; use as a context.

    Args:
        total: cells to compute.
        store: whose logs are followed.
        console: where to write; by default stderr.
    """

    def __init__(self, total: int, store: Store, console: Console | None = None) -> None:
        self._total, self._store, self._finished = total, store, 0
        self._console = console or Console(stderr=True)
        self._bars = _LiveBars(self._console) if self._console.is_terminal else None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
            self._all = self._bars.add_task("all cells", total=self._total, detail="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars:
            self._bars.stop()

    def say(self, text: str) -> None:
        """Write a line."""
        self._console.print(line(text), markup=False, highlight=False, soft_wrap=True)

    def started(self, cell: Cell) -> None:
        """Show that a cell runs."""
        if self._bars:
            steps = cell.training.steps
            task = self._bars.add_task(_name(cell), total=steps, detail=Status.RUNNING.value)
            self._bars.tails[task] = LogTail(self._store.folder(cell.id) / "log.jsonl")
            self._tasks[cell.id] = task

    def finished(self, cell: Cell, record: Record) -> None:
        """Show the outcome of a cell in a line."""
        self._finished += 1
        self._remove(cell)
        self.say(f"[{self._finished}/{self._total}] {record.status} {_name(cell)}: {_told(record)}")
        if self._bars:
            self._bars.update(self._all, completed=self._finished)

    def interrupted(self, cell: Cell) -> None:
        """Show that a cell has stopped before its end."""
        self._remove(cell)

    def _remove(self, cell: Cell) -> None:
        task = self._tasks.pop(cell.id, None)
        if self._bars and task is not None:
            self._bars.tails.pop(task, None)
            self._bars.remove_task(task)


def _name(cell: Cell) -> str:
    return line(f"{cell.task}, {cell.variant}, seed {cell.seed}")


def _told(record: Record) -> str:
    failure = record.failure
    if failure is not None:
        first = (failure["message"].splitlines() or [""])[0]
        return f"in {failure['phase']}: {failure['exception']}: {first}"
    seconds = record.cost.get("train_seconds", 0.0) + record.cost.get("evaluate_seconds", 0.0)
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in record.metrics.items())
    return f"{metrics} ({seconds:.1f} s)"
