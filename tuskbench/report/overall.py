"""One table over all tasks of a sweep: a row a variant, a column a task."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tuskbench.report import text
from tuskbench.report.model import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tuskbench.report.model import Column, Table


def overall(tables: Sequence[Table]) -> Iterator[str]:
    """Yield a Markdown table for each sweep that has more than one task.

    A task is shown by its first column. Numbers of different tasks are not averaged, because
    they measure different things.
    """
    for _, group in groupby(tables, key=lambda table: (table.sweep, table.budget)):
        sweep = [table for table in group if table.columns]
        if len(sweep) > 1:
            yield _markdown(sweep)


def _markdown(tables: Sequence[Table]) -> str:
    from tabulate import tabulate

    variants = dict.fromkeys(row.variant for table in tables for row in table.rows)
    body = tabulate(
        [[variant, *(_cell(table, variant) for table in tables)] for variant in variants],
        headers=["variant", *(_header(table, table.columns[0]) for table in tables)],
        tablefmt="pipe",
        disable_numparse=True,
    )
    first = tables[0]
    return f"## {first.title.rstrip('.')}: all tasks\n\nBudget: {first.budget}.\n\n{body}"


def _header(table: Table, column: Column) -> str:
    best = "higher" if column.higher_is_better else "lower"
    return f"{table.task}: {column.metric} ({best} is better; {table.data_source})"


def _cell(table: Table, variant: str) -> str:
    for row in table.rows:
        if row.variant == variant:
            return text.ours(row.entries[table.columns[0].metric], table.columns[0], first=False)
    return str(State.NOT_RUN)
