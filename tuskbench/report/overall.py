"""One table over all tasks or conditions of a sweep: a row a variant, a column a task."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tuskbench.report import text
from tuskbench.report.escape import markdown
from tuskbench.report.model import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tuskbench.report.model import Column, Table


def overall(tables: Sequence[Table]) -> Iterator[str]:
    """Yield a Markdown table for each sweep that has more than one task or condition.

    Of several tasks each is shown by its first column. Numbers of different tasks are not
    averaged, because they measure different things. Conditions of one task have the same
    columns: each of these gets a table over the conditions.
    """
    for _, group in groupby(tables, key=lambda table: (table.sweep, table.budget)):
        sweep = [table for table in group if table.columns]
        if len(sweep) < 2:
            continue
        if len({table.task for table in sweep}) > 1:
            columns = [table.columns[0] for table in sweep]
            yield _markdown(sweep, columns, f"all tasks\n\nBudget: {markdown(sweep[0].budget)}.")
        else:
            for column in sweep[0].columns:
                yield _markdown(sweep, [column] * len(sweep), _of_conditions(sweep, column))


def _markdown(tables: Sequence[Table], columns: Sequence[Column], ending: str) -> str:
    from tabulate import tabulate

    variants = dict.fromkeys(row.variant for table in tables for row in table.rows)
    shown = list(zip(tables, columns, strict=True))
    if len({table.task for table in tables}) > 1:
        headers = [_of_task(table, column) for table, column in shown]
    else:
        headers = [table.condition or table.data_source for table in tables]
    if len(set(headers)) < len(headers):
        headers = [f"{table.condition} ({table.data_source})" for table in tables]
    body = tabulate(
        [
            [markdown(variant), *(_cell(table, column, variant) for table, column in shown)]
            for variant in variants
        ],
        headers=["variant", *map(markdown, headers)],
        tablefmt="pipe",
        disable_numparse=True,
    )
    return f"## {markdown(tables[0].title.rstrip('.'))}: {ending}\n\n{body}"


def _of_conditions(tables: Sequence[Table], column: Column) -> str:
    sources = "; ".join(dict.fromkeys(table.data_source for table in tables))
    meaning = f"{column.doc or column.metric}, {_direction(column)}"
    first = tables[0]
    measured = f"Task {first.task}: {meaning}. Data: {sources}. Budget: {first.budget}."
    return f"{markdown(column.metric)}\n\n{markdown(measured)}"


def _of_task(table: Table, column: Column) -> str:
    condition = f"{table.condition}; " if table.condition else ""
    return f"{table.task}: {column.metric} ({condition}{_direction(column)}; {table.data_source})"


def _direction(column: Column) -> str:
    return f"{'higher' if column.higher_is_better else 'lower'} is better"


def _cell(table: Table, column: Column, variant: str) -> str:
    for row in table.rows:
        if row.variant == variant:
            return markdown(text.ours(row.entries[column.metric], column, first=False))
    return str(State.NOT_RUN)
