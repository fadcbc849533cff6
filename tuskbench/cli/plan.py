"""`tuskbench plan`: the cells of a spec and what is known of them; nothing is computed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuskbench.cli.options import echo_json, overrides_of, sweep_options, warn
from tuskbench.report.escape import line

if TYPE_CHECKING:
    from tuskbench.plan import Plan, PlannedCell


@click.command("plan")
@sweep_options
@click.option("--settings", is_flag=True, help="Show every setting and who gave it.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def plan_command(
    spec: Path,
    budget: str | None,
    seeds: list[int] | None,
    out: Path,
    pairs: tuple[tuple[str, Any], ...],
    settings: bool,
    as_json: bool,
) -> None:
    """Show every cell of SPEC: its id, and whether it is cached, new, stale, failed or skipped."""
    from tuskbench.plan import make_plan
    from tuskbench.spec.load import load

    overrides = overrides_of(pairs)
    plan = make_plan(load(spec), budget=budget, out=out, seeds=seeds, overrides=overrides)
    for warning in plan.warnings:
        warn(warning)
    if as_json:
        echo_json(_content(plan))
    else:
        click.echo(_text(plan))
        click.echo(_settings(plan) if settings else _rules(plan))


def _content(plan: Plan) -> dict[str, Any]:
    return {
        "title": plan.spec.title,
        "spec": str(plan.spec.file),
        "budget": plan.budget,
        "seeds": plan.seeds,
        "estimate_seconds": _total(plan),
        "cells": [
            {
                "id": planned.cell.id,
                "state": planned.state,
                "reason": planned.reason,
                "changed": planned.changed,
                "estimate_seconds": planned.estimate_seconds,
                "published_row": planned.published_row,
                "note": planned.note,
                "origins": {key: origin.text for key, origin in planned.origins.items()},
                **planned.cell.to_json(),
            }
            for planned in plan.cells
        ],
    }


def _total(plan: Plan) -> float | None:
    known = [p.estimate_seconds for p in plan.cells if p.estimate_seconds is not None]
    return sum(known) if known else None


def _text(plan: Plan) -> str:
    from tabulate import tabulate

    states = ("cached", "new", "stale", "failed", "skipped", "broken")
    counts = ", ".join(f"{plan.count(s)} {s}" for s in states if plan.count(s))
    summary = (
        f"{line(plan.spec.title)}: {len(plan.cells)} cells under budget {plan.budget!r} ({counts})"
    )
    rows = [_row(planned) for planned in plan.cells]
    unknown = sum(p.estimate_seconds is None and _runs(p) for p in plan.cells)
    total = _total(plan)
    cost = f"estimated training time: {duration(total)}"
    if unknown:
        cost += f" and {unknown} cells of unknown cost" if total is not None else ""
    # Columns that are disabled for number parsing keep ids such as 12e4567890123456 whole.
    table = tabulate(rows, headers="keys", disable_numparse=True)
    return "\n".join([summary, "", table, "", cost])


def _rules(plan: Plan) -> str:
    """Say what rules have set, by their line."""
    found: dict[str, dict[str, None]] = {}
    for planned in plan.cells:
        for key, origin in planned.origins.items():
            if origin.rule:
                found.setdefault(_short(origin.text), {})[key] = None
    if not found:
        return ""
    lines = [f"  {where}: {', '.join(keys)}" for where, keys in sorted(found.items(), key=_order)]
    return "\n".join(["", "set by rules:", *lines])


def _order(found: tuple[str, object]) -> tuple[str, int]:
    file, _, number = found[0].rpartition(":")
    return file, int(number) if number.isdigit() else 0


def _settings(plan: Plan) -> str:
    """Show the settings of every cell, of one seed each, and who gave them."""
    from tabulate import tabulate

    shown: dict[tuple[str, str], str] = {}
    for planned in plan.cells:
        cell = planned.cell
        if (cell.task, cell.variant) in shown:
            continue
        values = {
            "task": cell.task_settings,
            "system": cell.system,
            "training": asdict(cell.training),
        }
        rows = [
            (key, line(json.dumps(value, ensure_ascii=False)), _origin(planned, key))
            for key, value in _flat(values)
        ]
        table = tabulate(rows, headers=("setting", "value", "from"), disable_numparse=True)
        title = f"{cell.id}  {cell.task}, {line(cell.variant)}, seed {cell.seed}"
        shown[cell.task, cell.variant] = f"\n{title}\n\n{table}"
    return "\n".join(shown.values())


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _origin(planned: PlannedCell, key: str) -> str:
    while key:
        if key in planned.origins:
            return _short(planned.origins[key].text)
        key = key.rpartition(".")[0]
    return "default"


def _short(text: str) -> str:
    here = f"{Path.cwd()}{os.sep}"
    return line(text.removeprefix(here))


def _row(planned: PlannedCell) -> dict[str, str]:
    cell = planned.cell
    return {
        "id": cell.id,
        "task": cell.task,
        "data": line(cell.data_source),
        "variant": line(cell.variant),
        "seed": str(cell.seed),
        "steps": str(cell.training.steps),
        "state": planned.state,
        "cost": duration(planned.estimate_seconds) if _runs(planned) else "",
        "reason": line(planned.reason),
    }


def _runs(planned: PlannedCell) -> bool:
    return planned.state not in ("cached", "skipped", "broken")


def duration(seconds: float | None) -> str:
    """Write a time in the unit that suits it; `unknown` for None."""
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
