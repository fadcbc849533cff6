"""Manifests and records to tables: one a sweep, task, condition, protocol and source of data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tuskbench import stats
from tuskbench.errors import ResultsMissingError, StoreError, TuskbenchError
from tuskbench.jsonfile import read_json
from tuskbench.names import check_manifest
from tuskbench.report import age, published
from tuskbench.report.model import (
    Column,
    Comparison,
    Entry,
    PublishedSource,
    Row,
    State,
    Table,
)
from tuskbench.report.outcomes import Outcome, Warn, manifests, read_outcome
from tuskbench.store import Record, Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np

# Where no seed has a number, the first of these that any seed is in is what the row says.
_PRIORITY = (State.FAILED, State.DAMAGED, State.RUNNING, State.SKIPPED, State.NOT_RUN)


_NO_MANIFEST = (OSError, ValueError, KeyError, TypeError, AttributeError)


def collect(root: Path, warn: Warn, only: Path | None = None) -> list[Table]:
    """Return every table of a results folder.

    Args:
        root: the results folder.
        warn: called with one sentence for whatever is damaged and left out.
        only: the one manifest wanted, or None for all.

    Raises:
        ResultsMissingError: if there is nothing to report.
    """
    tables: list[Table] = []
    read: dict[Path, dict[str, Any]] = {}
    paths = manifests(root)
    wanted = set(manifests(root, only))
    for path in paths:
        try:
            read[path] = read_json(path)
            check_manifest(read[path])
            age.key(read[path])
        except _NO_MANIFEST as error:
            read.pop(path, None)
            warn(f"{path}: is not a manifest ({type(error).__name__}: {error}); left out")
    states = age.states(read)
    for path, manifest in read.items():
        if path not in wanted or (only is None and states[path] is age.State.CONTAINED):
            continue
        manifest["earlier"] = states[path] is age.State.EARLIER
        try:
            tables += _tables(Store(root), path.stem, manifest, warn)
        except _NO_MANIFEST as error:
            warn(f"{path}: is not a manifest ({type(error).__name__}: {error}); left out")
    if not tables:
        raise ResultsMissingError(root, "holds no sweep that can be read", exists=True)
    return tables


def _tables(store: Store, sweep: str, manifest: Mapping[str, Any], warn: Warn) -> list[Table]:
    paper = None
    if manifest.get("published"):
        try:
            paper = published.load(manifest["published"])
        except TuskbenchError as error:
            warn(f"{sweep}: {error}; shown without published numbers")
    result = []
    for task in manifest["tasks"]:
        groups: dict[tuple[str, ...], list[Outcome]] = {}
        for planned in manifest["cells"]:
            if planned["task"] == task:
                outcome = read_outcome(store, manifest, planned, warn)
                same = (outcome.condition, outcome.protocol, outcome.data_source)
                groups.setdefault(same, []).append(outcome)
        for outcomes in groups.values():
            result.append(_table(store, sweep, manifest, task, outcomes, paper, warn))
    return result


def _table(
    store: Store,
    sweep: str,
    manifest: Mapping[str, Any],
    task: str,
    outcomes: Sequence[Outcome],
    paper: published.PublishedTable | None,
    warn: Warn,
) -> Table:
    columns = _columns(manifest, task, paper)
    rows, scores = [], {}
    for content in manifest["rows"]:
        mine = [outcome for outcome in outcomes if outcome.variant == content["variant"]]
        if not mine:
            continue
        mine.sort(key=lambda outcome: outcome.seed)
        # The condition stands above the table, and not in its rows.
        content = {**content, "variant": content.get("name") or content["variant"]}
        scores[content["variant"]] = _scores(store, mine, warn)
        rows.append(_row(content, task, columns, mine, scores[content["variant"]], paper))
    source = None
    if paper is not None and task in paper.data:
        source = PublishedSource(paper.name, paper.caption, paper.data[task], paper.notes)
    return Table(
        sweep=sweep,
        title=(manifest.get("table") or {}).get("title") or manifest["title"],
        task=task,
        protocol=outcomes[0].protocol,
        data_source=outcomes[0].data_source,
        budget=_budget(manifest),
        condition=outcomes[0].condition,
        columns=columns,
        rows=tuple(rows),
        published=source,
        rankings={column.metric: _ranking(rows, column) for column in columns},
        comparisons=tuple(_comparisons(rows, columns, scores)),
    )


def _budget(manifest: Mapping[str, Any]) -> str:
    """Return the budget's name and what the command line changed of the spec."""
    changed = [f"{key} = {value}" for key, value in manifest.get("overrides", {}).items()]
    text = ", with ".join([manifest["budget"], *([", ".join(changed)] if changed else [])])
    if manifest.get("earlier"):
        text += f" (earlier state of spec, code or data, {manifest.get('written') or 'undated'})"
    return text


def _columns(
    manifest: Mapping[str, Any], task: str, paper: published.PublishedTable | None
) -> tuple[Column, ...]:
    known = manifest["metrics"][task]
    wanted = (manifest.get("table") or {}).get("columns") or list(known)
    columns = []
    for metric in wanted:
        if metric not in known:
            continue
        info = known[metric]
        percent = bool(info.get("percent", True))
        printed = [paper.find(row, task, metric) for row in paper.rows] if paper else []
        decimals = [value.decimals for value in printed if value]
        columns.append(
            Column(
                metric=metric,
                doc=str(info.get("doc", "")),
                percent=percent,
                higher_is_better=bool(info.get("higher_is_better", True)),
                decimals=max([1 if percent else 3, *decimals]),
                published=bool(decimals),
            )
        )
    return tuple(columns)


def _scores(store: Store, outcomes: Sequence[Outcome], warn: Warn) -> dict[str, np.ndarray]:
    """Return per-image scores averaged over the finished seeds, by metric."""
    import numpy as np

    collected: dict[str, list[np.ndarray]] = {}
    for outcome in outcomes:
        if outcome.record is None:
            continue
        try:
            for metric, values in store.scores(outcome.id).items():
                collected.setdefault(metric, []).append(np.asarray(values, np.float64))
        except (StoreError, ValueError, OSError) as error:
            warn(f"{error}; its per-image scores are left out")
    return {
        metric: np.mean(values, axis=0)
        for metric, values in collected.items()
        if len({value.shape for value in values}) == 1 and values[0].ndim == 1
    }


def _row(
    content: Mapping[str, Any],
    task: str,
    columns: Sequence[Column],
    outcomes: Sequence[Outcome],
    scores: Mapping[str, np.ndarray],
    paper: published.PublishedTable | None,
) -> Row:
    finished = [outcome for outcome in outcomes if outcome.record is not None]
    key = content.get("published_row")
    key = None if key is None else str(key)
    entries = {}
    for column in columns:
        value = paper.find(key, task, column.metric) if paper else None
        entries[column.metric] = _entry(column.metric, outcomes, scores, value)
    records = [outcome.record for outcome in finished if outcome.record is not None]
    return Row(
        variant=content["variant"],
        published_row=key,
        published_label=paper.rows.get(key) if paper and key else None,
        note=str(content.get("note") or ""),
        supervision=_supervision(content, outcomes),
        entries=entries,
        seeds_done=len(finished),
        seeds_total=len(outcomes),
        cost=_cost(records),
        devices=tuple(sorted({_device(record) for record in records} - {""})),
        problems=_problems(outcomes, records),
        cells=tuple(outcome.id for outcome in finished),
    )


def _problems(outcomes: Sequence[Outcome], records: Sequence[Record]) -> tuple[str, ...]:
    problems = [
        f"seed {outcome.seed} {outcome.state}" + (f": {outcome.reason}" if outcome.reason else "")
        for outcome in outcomes
        if outcome.record is None and records
    ]
    notes = dict.fromkeys(note for record in records for note in record.notes)
    return (*problems, *notes)


def _entry(
    metric: str,
    outcomes: Sequence[Outcome],
    scores: Mapping[str, np.ndarray],
    value: published.PublishedValue | None,
) -> Entry:
    records = {outcome.seed: outcome.record for outcome in outcomes if outcome.record}
    if not records:
        for state in _PRIORITY:
            reasons = [outcome.reason for outcome in outcomes if outcome.state is state]
            if reasons:
                return Entry(state, reasons[0], published=value)
        return Entry(State.NOT_RUN, published=value)
    values = {
        seed: record.metrics[metric] for seed, record in records.items() if metric in record.metrics
    }
    if not values:
        return Entry(State.NOT_MEASURED, published=value)
    # A mean over only those seeds where a metric is defined would flatter the variant.
    if not all(math.isfinite(one) for one in values.values()):
        return Entry(State.UNDEFINED, values=values, published=value)
    ours = stats.summarise(list(values.values()), scores.get(metric))
    return Entry(State.DONE, ours=ours, values=values, published=value)


def _supervision(content: Mapping[str, Any], outcomes: Sequence[Outcome]) -> str:
    systems = [outcome.cell.system["name"] for outcome in outcomes if outcome.cell]
    name = systems[0] if systems else content.get("system")
    if not name:
        return "unknown"
    try:
        from tuskbench import registry

        return registry.signature("system", str(name)).supervision or "none"
    except (TuskbenchError, ImportError, AttributeError):
        return "unknown"


def _cost(records: Sequence[Record]) -> dict[str, float]:
    names = dict.fromkeys(name for record in records for name in record.cost)
    cost = {}
    for name in names:
        found = [value for record in records if (value := record.cost.get(name)) is not None]
        numbers = [float(value) for value in found if isinstance(value, int | float)]
        if numbers:
            cost[name] = sum(numbers) / len(numbers)
    return cost


def _device(record: Record) -> str:
    device = str(record.provenance.get("device") or "")
    if device.startswith("cpu"):
        processor = str(record.provenance.get("processor") or "CPU")
        threads = record.provenance.get("threads")
        if not threads:
            return processor
        return f"{processor} ({threads} thread{'' if threads == 1 else 's'})"
    return device


def _ranking(rows: Sequence[Row], column: Column) -> stats.Ranking | None:
    samples = {
        row.variant: list(row.entries[column.metric].values.values())
        for row in rows
        if row.entries[column.metric].state is State.DONE
    }
    return stats.rank(samples, higher_is_better=column.higher_is_better)


def _comparisons(
    rows: Sequence[Row], columns: Sequence[Column], scores: Mapping[str, Mapping[str, np.ndarray]]
) -> list[Comparison]:
    """Compare, for each metric, the two best variants on the same images."""
    import numpy as np

    result = []
    for column in columns:
        found: list[tuple[float, str]] = []
        for row in rows:
            ours = row.entries[column.metric].ours
            if ours is not None and column.metric in scores[row.variant]:
                found.append((ours.mean, row.variant))
        found.sort(key=lambda pair: pair[0], reverse=column.higher_is_better)
        if len(found) < 2:
            continue
        best, following = found[0][1], found[1][1]
        first, second = scores[best][column.metric], scores[following][column.metric]
        if first.shape != second.shape or np.isnan(first - second).all():
            continue
        test = stats.paired_test(first, second)
        result.append(Comparison(column.metric, best, following, test))
    return result
