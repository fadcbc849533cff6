"""What a table holds before it is written as Markdown, CSV, LaTeX or JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuskbench.report.published import PublishedValue
    from tuskbench.stats import Interval, PairedTest, Ranking


class State(StrEnum):
    """How a number came about, or why there is none."""

    DONE = "done"
    FAILED = "failed"
    DAMAGED = "damaged"
    RUNNING = "running"
    SKIPPED = "skipped"
    NOT_RUN = "not run"
    UNDEFINED = "undefined"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Column:
    """One metric of a table.

    Attributes:
        metric: the metric's name.
        doc: what it measures, one sentence.
        percent: whether it is shown times 100.
        higher_is_better: whether larger values are better.
        decimals: digits shown after the point.
        published: whether the published table has this metric at all.
    """

    metric: str
    doc: str = ""
    percent: bool = True
    higher_is_better: bool = True
    decimals: int = 1
    published: bool = False


@dataclass(frozen=True)
class Entry:
    """One metric of one variant.

    Attributes:
        state: `done` where there is a number of ours.
        reason: short reason where there is none.
        ours: our mean with its interval.
        values: our value by seed.
        published: the paper's value.
    """

    state: State
    reason: str = ""
    ours: Interval | None = None
    values: Mapping[int, float] = field(default_factory=dict)
    published: PublishedValue | None = None

    @property
    def difference(self) -> float | None:
        """Ours minus published, in the metric's own unit."""
        if self.ours is None or self.published is None:
            return None
        return self.ours.mean - self.published.value


@dataclass(frozen=True)
class Row:
    """One variant.

    Attributes:
        variant: the variant's label.
        published_row: key of its row in the published table.
        published_label: that row's printed label.
        note: the spec's note.
        supervision: labels that its system trains on, `none`, or `unknown`.
        entries: by metric.
        seeds_done: seeds with a finished record.
        seeds_total: seeds planned.
        cost: mean over finished seeds by name (`train_seconds`, `parameters`, ...).
        devices: what the finished seeds ran on.
        problems: one sentence for each seed without a number, where others have one.
        cells: ids of the finished cells, in the order of their seeds.
    """

    variant: str
    published_row: str | None
    published_label: str | None
    note: str
    supervision: str
    entries: Mapping[str, Entry]
    seeds_done: int
    seeds_total: int
    cost: Mapping[str, float]
    devices: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """A paired test of the two best variants of one metric."""

    metric: str
    best: str
    next: str
    test: PairedTest


@dataclass(frozen=True)
class PublishedSource:
    """Where the published numbers of a table come from, and on what they were measured."""

    name: str
    caption: str
    data: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """The results of one sweep on one task, one protocol and one source of data.

    `condition` says how the sweep set the task; "" where it does not.
    """

    sweep: str
    title: str
    task: str
    protocol: str
    data_source: str
    budget: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    published: PublishedSource | None = None
    rankings: Mapping[str, Ranking | None] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    condition: str = ""
