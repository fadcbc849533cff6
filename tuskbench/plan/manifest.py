"""The manifest of a sweep: what the report needs to know of a plan, beside the records."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tuskbench.digest import digest
from tuskbench.errors import StoreError
from tuskbench.jsonfile import read_json
from tuskbench.store import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tuskbench.plan.model import Plan, PlannedCell

MANIFEST_SCHEMA = 1
"""Version of the manifest's layout."""


def write_manifest(plan: Plan, out: Path) -> Path:
    """Write what the report needs to know of a plan and return the file's path.

    The file is named after all that makes a sweep but its seeds, which add up in it: neither other
    seeds, nor other overrides, nor another spec of the same name hide what was run before.

    Raises:
        StoreError: if it cannot be written.
    """
    from filelock import FileLock

    content = manifest(plan)
    name = f"{plan.spec.file.stem}--{plan.budget}--{_key(plan, content)[:8]}"
    file = out / "sweeps" / f"{name}.json"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_suffix(".lock")):
            text = json.dumps(_merged(file, content), indent=1, ensure_ascii=False)
            write_atomically(file, lambda path: path.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise StoreError(file, f"cannot be written: {error.strerror or error}") from error
    return file


def _key(plan: Plan, content: Mapping[str, Any]) -> str:
    """Return what stands for the sweep: its table, and its cells but for their seeds."""
    fixed = ("title", "description", "spec", "published", "budget", "overrides", "table", "rows")
    cells = {}
    for planned in plan.cells:
        identity = {**planned.cell.identity(), "seed": None}
        cells[json.dumps([planned.cell.task, planned.cell.variant])] = identity
    text = json.dumps([{name: content[name] for name in fixed}, cells], sort_keys=True)
    return digest(text)


def _merged(file: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Return the content with the seeds that the file holds already."""
    try:
        former = read_json(file)
        kept = [cell for cell in former["cells"] if cell["seed"] not in content["seeds"]]
        seeds = sorted({*former["seeds"], *content["seeds"]})
    except (OSError, ValueError, KeyError, TypeError):
        return content
    return {**content, "seeds": seeds, "cells": [*kept, *content["cells"]]}


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
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
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
