"""The manifest of a sweep: what the report needs to know of a plan, beside the records."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tuskbench.store import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tuskbench.plan.model import Plan, PlannedCell

MANIFEST_SCHEMA = 1
"""Version of the manifest's layout."""


def write_manifest(plan: Plan, out: Path) -> Path:
    """Write what the report needs to know of a plan and return the file's path.

    Raises:
        StoreError: if it cannot be written.
    """
    file = out / "sweeps" / f"{plan.spec.file.stem}--{plan.budget}.json"
    text = json.dumps(manifest(plan), indent=1, ensure_ascii=False)
    write_atomically(file, lambda path: path.write_text(text, encoding="utf-8"))
    return file


def manifest(plan: Plan) -> dict[str, Any]:
    """Return the content of the manifest as JSON-ready values."""
    spec = plan.spec
    columns = spec.table.columns
    if columns is None:
        columns = list(dict.fromkeys(name for task in plan.metrics.values() for name in task))
    return {
        "schema": MANIFEST_SCHEMA,
        "title": spec.title,
        "description": spec.document.description,
        "spec": spec.file.name,
        "published": spec.published,
        "budget": plan.budget,
        "overrides": dict(plan.overrides),
        "table": {"columns": columns, "title": spec.table.title or spec.title},
        "rows": [
            {
                "variant": row.label,
                "name": row.name,
                "condition": row.condition,
                "published_row": row.variant.published_row,
                "note": row.variant.note,
            }
            for row in spec.rows()
        ],
        "tasks": spec.tasks,
        "seeds": plan.seeds,
        "cells": [_manifest_cell(planned) for planned in plan.cells],
        "metrics": {
            task: {name: asdict(info) for name, info in metrics.items()}
            for task, metrics in plan.metrics.items()
        },
        "protocols": _first(plan.cells, "protocol"),
        "data_sources": _first(plan.cells, "data_source"),
    }


def _first(cells: Iterable[PlannedCell], attribute: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for planned in cells:
        found.setdefault(planned.cell.task, getattr(planned.cell, attribute))
    return found


def _manifest_cell(planned: PlannedCell) -> dict[str, Any]:
    skipped = planned.state in ("skipped", "broken")
    return {
        "id": planned.cell.id,
        "variant": planned.cell.variant,
        "task": planned.cell.task,
        "seed": planned.cell.seed,
        "state": "skipped" if skipped else "planned",
        "reason": planned.reason if skipped else "",
    }
