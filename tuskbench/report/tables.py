"""Tables as Markdown, LaTeX, CSV or JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tuskbench.report import escape, text
from tuskbench.report.overall import overall

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas

    from tuskbench.report.model import Column, Entry, Row, Table

FORMATS = ("md", "csv", "latex", "json")
"""What `write` can write."""


def write(tables: Sequence[Table], format: str) -> str:
    """Return tables in one of `FORMATS`, ending in a newline.

    Raises:
        ValueError: if the format is unknown.
    """
    writers = {"md": markdown, "csv": csv, "latex": latex, "json": to_json}
    if format not in writers:
        raise ValueError(f"no format {format!r}; choose from {', '.join(FORMATS)}")
    return writers[format](tables)


def markdown(tables: Sequence[Table]) -> str:
    """Return tables as Markdown that reads well as plain text too.

    A sweep over several tasks, or conditions of a task, gets one more table over all of them.
    """
    return "\n\n".join([*(_markdown(table) for table in tables), *overall(tables)]) + "\n"


def latex(tables: Sequence[Table]) -> str:
    """Return tables as LaTeX `table` environments (packages booktabs and graphicx)."""
    return "\n\n".join(_latex(table) for table in tables) + "\n"


def csv(tables: Sequence[Table]) -> str:
    """Return one line a table, variant and metric, unrounded."""
    return frame(tables).map(escape.csv).to_csv(index=False, lineterminator="\n")


def frame(tables: Sequence[Table]) -> pandas.DataFrame:
    """Return one row a table, variant and metric, unrounded; shares are fractions."""
    import pandas

    records = [
        _record(table, row, column)
        for table in tables
        for row in table.rows
        for column in table.columns
    ]
    # Without this a missing count would turn the others into 3.0.
    return pandas.DataFrame(records).astype({"n": "Int64"})


def to_json(tables: Sequence[Table]) -> str:
    """Return everything, unrounded; shares are fractions."""
    content = {"schema": 1, "tables": [_json(table) for table in tables]}
    return escape.json_text(_finite(content)) + "\n"


def grid(table: Table) -> tuple[list[str], list[list[str]]]:
    """Return a table's header and rows as text."""
    beside = table.published is not None
    supervised = any(row.supervision not in {"none", "unknown"} for row in table.rows)
    header = ["variant", *(["supervision"] if supervised else [])]
    for column in table.columns:
        if beside and column.published:
            header.append(f"{column.metric}: published")
        header.append(f"{column.metric}: ours" if beside else column.metric)
        if beside and column.published:
            header.append("difference")
    rows = []
    for row in table.rows:
        cells = [row.variant, *([row.supervision] if supervised else [])]
        for index, column in enumerate(table.columns):
            entry = row.entries[column.metric]
            shown = text.ours(entry, column, first=index == 0)
            if beside and column.published:
                cells += [text.published(entry, row), shown, text.difference(entry, column)]
            else:
                cells.append(shown)
        rows.append(cells + _ends(row))
    return [*header, "seeds", "training", "parameters"], rows


def _ends(row: Row) -> list[str]:
    return [
        f"{row.seeds_done} of {row.seeds_total}",
        text.duration(row.cost.get("train_seconds")),
        text.count(row.cost.get("parameters")),
    ]


def _markdown(table: Table) -> str:
    from tabulate import tabulate

    header, rows = grid(table)
    body = tabulate(
        [[escape.markdown(cell) for cell in row] for row in rows],
        headers=[escape.markdown(cell) for cell in header],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["left"] * len(header),
    )
    notes = "\n".join(f"- {escape.markdown_block(note)}" for note in text.notes(table))
    heading, caption = escape.markdown(text.heading(table)), escape.markdown(text.caption(table))
    return f"## {heading}\n\n{caption}\n\n{body}\n\n{notes}".rstrip()


def _latex(table: Table) -> str:
    from tabulate import tabulate

    header, rows = grid(table)
    body = tabulate(
        [[escape.latex(cell) for cell in row] for row in rows],
        headers=[escape.latex(cell) for cell in header],
        tablefmt="latex_raw",
        disable_numparse=True,
        colalign=["left"] * len(header),
    )
    for rule in ("toprule", "midrule", "bottomrule"):
        body = body.replace("\\hline", f"\\{rule}", 1)
    caption = f"{text.heading(table)}. {text.caption(table)}"
    notes = " ".join(note if note.endswith(".") else f"{note}." for note in text.notes(table))
    return "\n".join(
        [
            "\\begin{table}",
            "\\centering",
            f"\\caption{{{escape.latex(caption)}}}",
            f"\\resizebox{{\\linewidth}}{{!}}{{%\n{body}%\n}}",
            f"\\par\\footnotesize {escape.latex(notes)}",
            "\\end{table}",
        ]
    )


def _record(table: Table, row: Row, column: Column) -> dict[str, Any]:
    entry = row.entries[column.metric]
    ours, paper = entry.ours, entry.published
    return {
        "sweep": table.sweep,
        "task": table.task,
        "data_source": table.data_source,
        "condition": table.condition,
        "protocol": table.protocol,
        "budget": table.budget,
        "variant": row.variant,
        "supervision": row.supervision,
        "metric": column.metric,
        "state": str(entry.state),
        "reason": entry.reason,
        "mean": ours.mean if ours else None,
        "low": ours.low if ours else None,
        "high": ours.high if ours else None,
        "n": ours.n if ours else None,
        "unit": ours.unit if ours else None,
        "method": ours.method if ours else None,
        "published": paper.value if paper else None,
        "published_data": table.published.data if table.published and paper else None,
        "published_source": paper.source if paper else None,
        "difference": entry.difference,
        "seeds_done": row.seeds_done,
        "seeds_total": row.seeds_total,
        "train_seconds": row.cost.get("train_seconds"),
        "evaluate_seconds": row.cost.get("evaluate_seconds"),
        "parameters": row.cost.get("parameters"),
    }


def _json(table: Table) -> dict[str, Any]:
    return {
        "sweep": table.sweep,
        "title": table.title,
        "task": table.task,
        "data_source": table.data_source,
        "condition": table.condition,
        "protocol": table.protocol,
        "budget": table.budget,
        "published": asdict(table.published) if table.published else None,
        "columns": [asdict(column) for column in table.columns],
        "rows": [_json_row(row) for row in table.rows],
        "rankings": {
            metric: asdict(ranking) if ranking else None
            for metric, ranking in table.rankings.items()
        },
        "comparisons": [asdict(comparison) for comparison in table.comparisons],
        "notes": text.notes(table),
    }


def _json_row(row: Row) -> dict[str, Any]:
    return {
        "variant": row.variant,
        "published_row": row.published_row,
        "published_label": row.published_label,
        "note": row.note,
        "supervision": row.supervision,
        "seeds": {"done": row.seeds_done, "total": row.seeds_total},
        "cost": dict(row.cost),
        "devices": list(row.devices),
        "problems": list(row.problems),
        "cells": list(row.cells),
        "metrics": {metric: _json_entry(entry) for metric, entry in row.entries.items()},
    }


def _json_entry(entry: Entry) -> dict[str, Any]:
    return {
        "state": str(entry.state),
        "reason": entry.reason,
        "ours": asdict(entry.ours) if entry.ours else None,
        "by_seed": {str(seed): value for seed, value in entry.values.items()},
        "published": asdict(entry.published) if entry.published else None,
        "difference": entry.difference,
    }


def _finite(content: Any) -> Any:
    """Return JSON-ready values with None in place of NaN and infinities."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
