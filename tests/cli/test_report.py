"""`tuskbench report` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tuskbench.cell import Cell, Training
from tuskbench.cli import main
from tuskbench.store import Record, Status, Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """One finished cell."""
    cell = Cell(
        task="invented",
        task_settings={},
        system={"name": "invented"},
        training=Training(),
        seed=0,
        budget="smoke",
        protocol="invented-1",
        versions={},
        data_fingerprint="0",
        data_source="generated (invented)",
        variant="only",
    )
    Store(tmp_path).write(cell, Record(cell.id, Status.DONE, {"share": 0.25}))
    manifest = {
        "schema": 1,
        "title": "Invented",
        "published": None,
        "budget": "smoke",
        "table": {"columns": ["share"], "title": None},
        "rows": [{"variant": "only", "published_row": None, "note": None}],
        "tasks": ["invented"],
        "seeds": [0],
        "cells": [
            {
                "id": cell.id,
                "variant": "only",
                "task": "invented",
                "seed": 0,
                "state": "planned",
                "reason": "",
            }
        ],
        "metrics": {"invented": {"share": {"doc": "", "percent": True, "higher_is_better": True}}},
        "protocols": {"invented": "invented-1"},
        "data_sources": {"invented": "generated (invented)"},
    }
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "invented--smoke.json").write_text(json.dumps(manifest))
    return tmp_path


def test_prints_the_table(results: Path) -> None:
    outcome = CliRunner().invoke(main, ["report", str(results)])
    assert outcome.exit_code == 0, outcome.output
    assert "data: generated (invented)" in outcome.stdout
    assert "25.0" in outcome.stdout
    assert outcome.stderr == ""


def test_writes_a_file(results: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "table.json"
    arguments = ["report", str(results), "--format", "json", "-o", str(target), "--no-figures"]
    outcome = CliRunner().invoke(main, arguments)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout == ""
    assert json.loads(target.read_text())["tables"][0]["title"] == "Invented"


def test_default_folder(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(results)
    (results / "tuskbench-results").symlink_to(results)
    assert "25.0" in CliRunner().invoke(main, ["report"]).stdout


@pytest.mark.parametrize(("make", "code"), [(False, 2), (True, 3)])
def test_missing_and_empty_folder_are_one_sentence(tmp_path: Path, make: bool, code: int) -> None:
    folder = tmp_path / "nothing"
    if make:
        folder.mkdir()
    outcome = CliRunner().invoke(main, ["report", str(folder)])
    assert outcome.exit_code == code
    assert outcome.stdout == ""
    assert outcome.stderr.count("\n") == 1
    assert "Traceback" not in outcome.stderr


def test_damaged_record_warns_on_stderr(results: Path) -> None:
    (record,) = results.glob("cells/*/record.json")
    record.write_text(record.read_text().replace("0.25", "0.75"))
    outcome = CliRunner().invoke(main, ["report", str(results)])
    assert outcome.exit_code == 0
    assert "damaged" in outcome.stdout
    assert "0.75" not in outcome.stdout
    assert outcome.stderr.startswith("warning: ")
    assert "checksum" in outcome.stderr


def test_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, tuskbench.cli.report; "
        "print({'torch', 'pandas', 'scipy', 'matplotlib', 'numpy'} & set(sys.modules))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "set()"
