"""Numbers and states as they stand in a table, and the sentences below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuskbench.report.model import Column, Comparison, Entry, Row, Table

_REASON_LENGTH = 60


def number(value: float, column: Column, *, signed: bool = False) -> str:
    """Return a value of a metric rounded as its column says."""
    shown = value * 100 if column.percent else value
    text = f"{shown:+.{column.decimals}f}" if signed else f"{shown:.{column.decimals}f}"
    # Rounding can leave a minus sign before nothing but zeros.
    if float(text) == 0:
        text = text.replace("-", "+" if signed else "")
    return text


def published(entry: Entry, row: Row) -> str:
    """Return the published value as printed, or say that there is none."""
    if entry.published is not None:
        return entry.published.printed
    return "no published row" if row.published_row is None else "not published"


def ours(entry: Entry, column: Column, *, first: bool) -> str:
    """Return our mean with its interval, or why there is none.

    Args:
        entry: the metric of one variant.
        column: how it is shown.
        first: whether this is the row's first metric, where the reason is given.
    """
    if entry.ours is not None:
        text = number(entry.ours.mean, column)
        if entry.ours.low is not None and entry.ours.high is not None:
            low, high = number(entry.ours.low, column), number(entry.ours.high, column)
            text += f" [{low}, {high}]"
        return text
    return f"{entry.state}: {short(entry.reason)}" if first and entry.reason else str(entry.state)


def difference(entry: Entry, column: Column) -> str:
    """Return ours minus published with its sign, or `n/a`."""
    value = entry.difference
    return "n/a" if value is None else number(value, column, signed=True)


def short(reason: str) -> str:
    """Return a reason cut to fit a table."""
    reason = " ".join(reason.split())
    if len(reason) <= _REASON_LENGTH:
        return reason
    return reason[: _REASON_LENGTH - 3].rstrip() + "..."


def duration(seconds: float | None) -> str:
    """Return seconds in the unit that reads best."""
    if seconds is None:
        return "n/a"
    if seconds < 100:
        return f"{seconds:.3g} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h"


def count(value: float | None) -> str:
    """Return a number of parameters with three digits."""
    if value is None:
        return "n/a"
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


def heading(table: Table) -> str:
    """Return the table's title with its task and data, since generated data must show here."""
    condition = f", {table.condition}" if table.condition else ""
    return f"{table.title.rstrip('.')}: {table.task} on {table.data_source}{condition}"


def caption(table: Table) -> str:
    """Return what every number of the table was measured on and with."""
    measured = (
        f"Task {table.task}; data: {table.data_source}; protocol: {table.protocol}; "
        f"budget: {table.budget}."
    )
    source = table.published
    if source is None:
        return measured
    return f"{measured} Published: {source.data} ({source.caption}); ours: {table.data_source}."


def notes(table: Table) -> list[str]:
    """Return the sentences that stand below the table."""
    return [
        *_published_notes(table),
        *_metric_notes(table),
        *_interval_notes(table),
        *_ranking_notes(table),
        *_comparison_notes(table),
        *_cost_notes(table),
        *(f"{row.variant}: {row.note}" for row in table.rows if row.note),
        *_long_reasons(table),
        *(f"{row.variant}: {problem}" for row in table.rows for problem in row.problems),
    ]


def _published_notes(table: Table) -> list[str]:
    source = table.published
    if source is None:
        return []
    missing = [column.metric for column in table.columns if not column.published]
    absent = f"{source.caption} has no {' and no '.join(missing)}."
    rows = {row.published_row for row in table.rows if row.published_row is not None}
    unknown = sorted(
        row.published_row
        for row in table.rows
        if row.published_row is not None and row.published_label is None
    )
    return [
        *([absent] if missing and rows else []),
        *(f"{source.caption} has no row {key!r}." for key in unknown),
        *source.notes,
    ]


def _metric_notes(table: Table) -> list[str]:
    lower = [column.metric for column in table.columns if not column.higher_is_better]
    percent = [column.metric for column in table.columns if column.percent]
    result = []
    if percent:
        which = "Metrics" if len(percent) == len(table.columns) else ", ".join(percent)
        result.append(f"{which} in percent.")
    if lower:
        result.append(f"Lower is better: {', '.join(lower)}.")
    return result


def _interval_notes(table: Table) -> list[str]:
    by_sentence: dict[str, list[tuple[str, str]]] = {}
    total = 0
    for row in table.rows:
        for metric, entry in row.entries.items():
            if entry.ours is not None:
                total += 1
                by_sentence.setdefault(entry.ours.sentence, []).append((row.variant, metric))
    result = []
    for sentence, places in by_sentence.items():
        where = "" if len(places) == total else f" ({_places(table, places)})"
        if " bootstrap" in sentence:
            sentence += ", one seed: it says nothing about other seeds"
        result.append(f"{sentence}{where}.")
    return result


def _places(table: Table, places: Sequence[tuple[str, str]]) -> str:
    metrics: dict[str, list[str]] = {}
    for variant, metric in places:
        metrics.setdefault(variant, []).append(metric)
    variants: dict[tuple[str, ...], list[str]] = {}
    for variant, found in metrics.items():
        variants.setdefault(tuple(found), []).append(variant)
    return "; ".join(
        ", ".join(names) + ("" if len(found) == len(table.columns) else f": {', '.join(found)}")
        for found, names in variants.items()
    )


def _ranking_notes(table: Table) -> list[str]:
    ranked = {metric: ranking for metric, ranking in table.rankings.items() if ranking}
    measured = sum(row.seeds_done > 0 for row in table.rows)
    if not ranked:
        from tuskbench.stats import MINIMUM_SEEDS

        return [f"No rank: it takes {MINIMUM_SEEDS} seeds a variant."] if measured > 1 else []
    by_method: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for metric, ranking in ranked.items():
        groups = " > ".join(" = ".join(group) for group in ranking.groups)
        by_method.setdefault((ranking.method, ranking.unranked), []).append(f"{metric}: {groups}")
    result = []
    for (method, unranked), orders in by_method.items():
        few = f"; too few seeds: {', '.join(unranked)}" if unranked else ""
        result.append(f"Rank, best first, by {'; '.join(orders)} ({method}{few}).")
    return result


def _comparison_notes(table: Table) -> list[str]:
    columns = {column.metric: column for column in table.columns}
    return [_comparison_note(one, columns[one.metric]) for one in table.comparisons]


def _comparison_note(comparison: Comparison, column: Column) -> str:
    test = comparison.test
    p = "p < 0.001" if test.p < 0.001 else f"p = {test.p:.3f}"
    interval = test.difference
    span = ""
    if interval.low is not None and interval.high is not None:
        low = number(interval.low, column, signed=True)
        span = f" [{low}, {number(interval.high, column, signed=True)}]"
    mean = number(interval.mean, column, signed=True)
    return (
        f"Paired over images, {comparison.metric}: {comparison.best} minus {comparison.next} "
        f"{mean}{span}, {p} ({test.method}, n = {test.n} images)."
    )


def _long_reasons(table: Table) -> list[str]:
    """Return in full what the table itself cuts short."""
    variants: dict[str, list[str]] = {}
    for row in table.rows:
        for entry in list(row.entries.values())[:1]:
            if short(entry.reason) != entry.reason:
                full = f"{entry.state}: {' '.join(entry.reason.split())}"
                variants.setdefault(full, []).append(row.variant)
    return [f"{', '.join(names)}: {reason}" for reason, names in variants.items()]


def _cost_notes(table: Table) -> list[str]:
    devices = sorted({device for row in table.rows for device in row.devices})
    return [f"Training time a seed, on {', '.join(devices)}."] if devices else []
