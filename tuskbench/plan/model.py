"""A plan: the cells of a spec under one budget, and what is known of each before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuskbench.cell import Cell
    from tuskbench.contracts import MetricInfo
    from tuskbench.spec.model import Spec
    from tuskbench.spec.origins import Origin


@dataclass(frozen=True)
class PlannedCell:
    """A cell and what is known of it before it runs.

    Attributes:
        cell: the cell.
        state: `cached`, `new`, `stale`, `failed`, `skipped` or `broken`, where a component is.
        reason: why, in one line; "" where the state says it all.
        changed: dotted paths of `Cell.identity()` in which a stale record differs.
        estimate_seconds: expected training time, from past cells; None where there are none.
        published_row: key of the row of the published table beside it.
        note: a sentence to show with it.
        origins: who gave each setting, by its dotted key; defaults are not in it.
    """

    cell: Cell
    state: str
    reason: str = ""
    changed: list[str] = field(default_factory=list)
    estimate_seconds: float | None = None
    published_row: str | None = None
    note: str | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Every cell of a spec under one budget.

    Attributes:
        spec: the spec.
        budget: name of the budget.
        seeds: the seeds planned.
        cells: by task, row and seed.
        metrics: metrics of every task.
        warnings: sentences on records that cannot be read.
        overrides: dotted keys and values that override the spec.
    """

    spec: Spec
    budget: str
    seeds: list[int]
    cells: list[PlannedCell]
    metrics: Mapping[str, Mapping[str, MetricInfo]]
    warnings: list[str] = field(default_factory=list)
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def count(self, state: str) -> int:
        """Return how many cells are in a state."""
        return sum(planned.state == state for planned in self.cells)
