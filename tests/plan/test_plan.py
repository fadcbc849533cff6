"""Plans: the state of every cell, what changed, what it will cost, and the manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tuskbench.cell import Cell
from tuskbench.errors import DataMissingError, SpecError
from tuskbench.plan import Plan, PlannedCell, make_plan, write_manifest
from tuskbench.spec.load import load
from tuskbench.store import SCHEMA, Record, Status, Store

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """\
title = "Dots"
seeds = [0, 1]

[task.dots]

[system]
name = "demo"
"""

Planner = Callable[..., Plan]


@pytest.fixture
def planner(tmp_path: Path, demo: Path) -> Planner:
    """Return a function that plans a text under the budget `cpu` unless told otherwise."""

    def plan(text: str = SPEC, **options: Any) -> Plan:
        file = tmp_path / "dots.toml"
        file.write_text(text)
        return make_plan(load(file), **{"budget": "cpu", "out": tmp_path / "out", **options})

    return plan


def store(folder: Path, cell: Cell, status: Status = Status.DONE, **fields: Any) -> None:
    fields.setdefault("cost", {"step_seconds": 0.5, "steps": cell.training.steps})
    Store(folder / "out").write(cell, Record(cell.id, status, **fields))


def only(plan: Plan) -> PlannedCell:
    assert len(plan.cells) == 1
    return plan.cells[0]


def test_a_new_plan(planner: Planner, tmp_path: Path) -> None:
    plan = planner()
    assert [p.state for p in plan.cells] == ["new", "new"]
    assert [p.cell.seed for p in plan.cells] == [0, 1]
    cell = plan.cells[0].cell
    assert cell.protocol == "dots 1"
    assert cell.data_source == "dots (drawn)"
    assert cell.data_fingerprint == "dots-64"
    assert cell.training.batch_size == 3
    assert cell.versions == {
        "task dots": "demo-package 3",
        "system demo": "demo-package 2.5",
        "encoder blur": "demo-package 7",
    }
    assert not (tmp_path / "out").exists()


def test_the_id_is_the_same_next_time_and_survives_json(planner: Planner) -> None:
    first, again = planner().cells[0].cell, planner().cells[0].cell
    assert first.id == again.id
    assert Cell.from_json(json.loads(json.dumps(first.to_json()))).id == first.id


def test_cached_failed_and_estimated(planner: Planner, tmp_path: Path) -> None:
    one, two = (p.cell for p in planner().cells)
    store(tmp_path, one)
    failure = {
        "phase": "train",
        "exception": "ValueError",
        "message": "no",
        "traceback_file": None,
        "attempts": 1,
    }
    store(tmp_path, two, Status.FAILED, failure=failure, cost={})
    cached, failed = planner().cells
    assert (cached.state, failed.state) == ("cached", "failed")
    assert failed.reason == "ValueError: no"
    # 30 steps of the rules at half a second.
    assert failed.estimate_seconds == 15.0
    assert cached.estimate_seconds is None


def test_stale_says_what_changed(planner: Planner, tmp_path: Path) -> None:
    for planned in planner().cells:
        store(tmp_path, planned.cell)
    plan = planner(overrides={"training.steps": 40, "encoder.width": 5})
    assert {p.state for p in plan.cells} == {"stale"}
    assert set(plan.cells[0].changed) == {"training.steps", "system.encoder.width"}
    assert "training.steps: 30 -> 40" in plan.cells[0].reason
    assert plan.cells[0].estimate_seconds == 20.0


def test_a_new_version_of_the_data_or_a_component_is_stale(
    planner: Planner, tmp_path: Path
) -> None:
    cell = planner(seeds=[0]).cells[0].cell
    versions = {**cell.versions, "encoder blur": "demo-package 6"}
    store(tmp_path, replace(cell, versions=versions, data_fingerprint="older"))
    changed = only(planner(seeds=[0])).changed
    assert set(changed) == {"versions.encoder blur", "data_fingerprint"}


def test_another_label_of_the_same_cell_is_cached(planner: Planner, tmp_path: Path) -> None:
    for planned in planner().cells:
        store(tmp_path, planned.cell)
    plan = planner(SPEC + '[[variant]]\nlabel = "renamed"\n')
    assert {p.state for p in plan.cells} == {"cached"}


def test_damaged_records_are_warned_of(planner: Planner, tmp_path: Path) -> None:
    cell = planner(seeds=[0]).cells[0].cell
    store(tmp_path, cell)
    (tmp_path / "out" / "cells" / cell.id / "record.json").write_text("{}")
    plan = planner(seeds=[0])
    assert only(plan).state == "new"
    assert "record.json" in plan.warnings[0]


def test_skipped_for_what_the_task_needs(planner: Planner) -> None:
    planned = only(planner(SPEC.replace("task.dots", "task.lines"), seeds=[0]))
    assert planned.state == "skipped"
    assert planned.reason == "demo does not provide labels, which lines needs"


def test_components_provide_too(planner: Planner, demo: Path) -> None:
    from tuskbench.registry import static

    file = demo / "demo" / "blur.py"
    file.write_text(file.read_text().replace('version = "7"', 'provides = {"labels"}'))
    static.forget()
    text = SPEC.replace("task.dots", "task.lines") + "[budget.cpu]\n"
    assert only(planner(text, seeds=[0])).state == "new"


def test_skipped_for_a_budget_that_nobody_defines(planner: Planner) -> None:
    planned = only(planner(budget="gpu", seeds=[0]))
    assert planned.state == "skipped"
    assert "'gpu' is defined neither by the spec nor for dots" in planned.reason
    assert only(planner(SPEC + "[budget.gpu]\n", budget="gpu", seeds=[0])).state == "new"
    assert only(planner(budget="paper", seeds=[0])).state == "new"


def test_unknown_budget(planner: Planner) -> None:
    with pytest.raises(SpecError, match="no budget is named 'cup'; did you mean 'cpu'"):
        planner(budget="cup")
    assert only(planner(SPEC + "[budget.cup]\n", budget="cup", seeds=[0])).state == "new"


def test_missing_data_and_settings_that_do_not_go_together(planner: Planner) -> None:
    with pytest.raises(DataMissingError, match="no /dots folder; draw some"):
        planner(SPEC.replace("[task.dots]", '[task.dots]\nsource = "disk"'))
    with pytest.raises(
        SpecError, match=r"line 5: task\.dots\.canvas: expected an even number, not 3"
    ):
        planner(SPEC.replace("[task.dots]", "[task.dots]\ncanvas = 3"))


def test_problems_of_the_command_line_end_the_plan(planner: Planner) -> None:
    with pytest.raises(SpecError, match=r"--set: encoder\.widht"):
        planner(overrides={"encoder.widht": 3})


def test_several_tasks_and_rows(planner: Planner) -> None:
    text = SPEC.replace("[task.dots]", "[task.dots]\n[task.lines]") + (
        '[[variant]]\nlabel = "a"\nnote = "so"\n[[variant]]\nlabel = "b"\n'
        '[sweep]\nrate = [1, 2]\n[table]\ncolumns = ["both"]\ntitle = "T"\n'
    )
    plan = planner(text)
    assert len(plan.cells) == 2 * 4 * 2
    assert len({p.cell.id for p in plan.cells}) == 2 * 2 * 2
    assert plan.cells[0].note == "so"


def test_manifest(planner: Planner, tmp_path: Path) -> None:
    plan = planner(SPEC.replace("[task.dots]", "[task.dots]\n[task.lines]"))
    file = write_manifest(plan, tmp_path / "out")
    assert file.parent == tmp_path / "out" / "sweeps"
    assert file.name.startswith("dots--cpu--")
    content = json.loads(file.read_text())
    assert content["schema"] == 1
    assert content["table"] == {"columns": ["found", "both"], "title": "Dots"}
    assert content["rows"] == [
        {
            "variant": "demo",
            "name": "demo",
            "condition": "",
            "published_row": None,
            "note": None,
        }
    ]
    assert content["tasks"] == ["dots", "lines"]
    assert content["seeds"] == [0, 1]
    assert content["protocols"] == {"dots": "dots 1", "lines": "lines 1"}
    assert content["data_sources"]["dots"] == "dots (drawn)"
    assert content["metrics"]["dots"]["found"] == {
        "doc": "share of dots found",
        "percent": True,
        "higher_is_better": True,
        "undefined": "",
    }
    assert [c["state"] for c in content["cells"]] == ["planned"] * 2 + ["skipped"] * 2
    assert content["cells"][0]["id"] == plan.cells[0].cell.id
    assert "labels" in content["cells"][2]["reason"]


def test_seeds_of_one_spec_add_up(planner: Planner, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = write_manifest(planner(seeds=[0]), out)
    second = write_manifest(planner(seeds=[1, 2]), out)
    assert first == second
    content = json.loads(first.read_text())
    assert content["seeds"] == [0, 1, 2]
    assert sorted(cell["seed"] for cell in content["cells"]) == [0, 1, 2]
    write_manifest(planner(seeds=[1]), out)
    assert len(json.loads(first.read_text())["cells"]) == 3


def test_other_overrides_and_other_specs_are_other_sweeps(planner: Planner, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plain = write_manifest(planner(), out)
    changed = write_manifest(planner(overrides={"training.steps": 7}), out)
    edited = write_manifest(planner(SPEC + '\n[budget.cpu]\n"training.steps" = 9\n'), out)
    assert len({plain, changed, edited}) == 3
    assert all(file.exists() for file in (plain, changed, edited))


def test_a_newer_record_is_left_alone(planner: Planner, tmp_path: Path) -> None:
    cell = planner().cells[0].cell
    store(tmp_path, cell, schema=SCHEMA + 1)
    file = Store(tmp_path / "out").folder(cell.id) / "record.json"
    before = file.read_bytes()
    plan = planner()
    assert plan.cells[0].state == "skipped"
    assert "newer tuskbench (schema 2, this one reads 1)" in plan.cells[0].reason
    assert any("newer tuskbench" in warning for warning in plan.warnings)
    assert file.read_bytes() == before
