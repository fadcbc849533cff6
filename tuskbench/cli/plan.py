"""`tuskbench plan`: the cells of a spec and what is known of them; nothing is computed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuskbench.cli.options import echo_json, overrides_of, sweep_options, warn
from tuskbench.report.escape import line

if TYPE_CHECKING:
    from tuskbench.plan import Plan, PlannedCell


@click.command("plan")
@sweep_options
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def plan_command(
    spec: Path,
    budget: str | None,
    seeds: list[int] | None,
    out: Path,
    pairs: tuple[tuple[str, Any], ...],
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

    states = ("cached", "new", "stale", "failed", "skipped")
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
    return planned.state not in ("cached", "skipped")


def duration(seconds: float | None) -> str:
    """Write a time in the unit that suits it; `unknown` for None."""
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
