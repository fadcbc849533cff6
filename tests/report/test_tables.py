"""Tables of an invented results folder, against a golden file and by reading them back."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuskbench import report
from tuskbench.errors import ResultsMissingError
from tuskbench.store import Store

GOLDEN = Path(__file__).parent / "golden"


def records_of(results: Path, variant: str) -> list[Path]:
    """Return the record files of a variant."""
    found = [cell for cell, _ in Store(results).records() if cell.variant == variant]
    return [results / "cells" / cell.id / "record.json" for cell in found]


def test_markdown_is_the_golden_file(results: Path) -> None:
    assert report.render(results) == (GOLDEN / "ablation.md").read_text("utf-8")


def test_single_seed_markdown_is_the_golden_file(sweep: Any) -> None:
    for variant, both in (("one", 0.6), ("two", 0.8)):
        scores = np.repeat([0.0, 1.0], [round(200 * (1 - both)), round(200 * both)])
        sweep.done(variant, (0.9, both, both), scores={"both": scores})
        sweep.row(variant)
    sweep.plan("three")
    sweep.row("three")
    sweep.write(published=None)
    assert report.render(sweep.root) == (GOLDEN / "single_seed.md").read_text("utf-8")


def test_json_is_unrounded_and_complete(results: Path) -> None:
    (table,) = json.loads(report.render(results, "json"))["tables"]
    rows = {row["variant"]: row for row in table["rows"]}
    both = rows["all terms"]["metrics"]["both"]
    expected = [0.84, 0.86, 0.88]
    assert list(both["by_seed"].values()) == expected
    assert both["ours"]["mean"] == pytest.approx(sum(expected) / 3, abs=1e-15)
    assert both["difference"] == pytest.approx(sum(expected) / 3 - 0.928, abs=1e-15)
    assert both["published"]["source"].startswith("TUSK, NeurIPS 2022, Table 4, column 'Both'")
    assert rows["larger | deeper"]["metrics"]["both"]["state"] == "failed"
    assert rows["needs masks"]["metrics"]["both"]["reason"] == "tusk provides no masks"
    assert rows["all terms"]["cost"]["parameters"] == 3_918_438
    assert table["rankings"]["both"]["unranked"] == ["reconstruction only"]


def test_csv_has_a_line_for_every_variant_and_metric(results: Path) -> None:
    lines = list(csv.DictReader(io.StringIO(report.render(results, "csv"))))
    assert len(lines) == 5 * 3
    line = next(
        line for line in lines if (line["variant"], line["metric"]) == ("single stage", "both")
    )
    assert float(line["mean"]) == pytest.approx((0.69 + 0.72 + 0.71) / 3)
    assert (line["n"], line["published"], line["state"]) == ("3", "0.716", "done")
    assert {line["state"] for line in lines} == {"done", "failed", "skipped"}


def test_latex_balances_and_escapes(results: Path) -> None:
    text = report.render(results, "latex")
    assert text.count("\\begin{") == text.count("\\end{") == 2
    assert "larger \\textbar{} deeper" in text
    assert "95\\% Student t" in text
    rows = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert {line.count(" & ") for line in rows} == {12}


def test_unknown_format_is_an_error(results: Path) -> None:
    with pytest.raises(ValueError, match="no format 'html'"):
        report.render(results, "html")


def test_damaged_record_is_a_warning_and_a_word(results: Path) -> None:
    for path in records_of(results, "all terms"):
        path.write_text(path.read_text().replace("0.99", "0.98"))
    seen: list[str] = []
    text = report.render(results, warn=seen.append)
    row = next(line for line in text.splitlines() if line.startswith("| all terms"))
    assert row.count(" damaged ") == 3
    assert len(seen) == 3
    assert "checksum" in seen[0]


def test_damaged_scores_cost_only_the_comparison(results: Path) -> None:
    path = records_of(results, "all terms")[0]
    path.with_name("scores.npz").write_bytes(b"nothing")
    seen: list[str] = []
    assert "86.0 [81.0, 91.0]" in report.render(results, warn=seen.append)
    assert len(seen) == 1
    assert "scores" in seen[0]


def test_undefined_metric_is_said_to_be_so(sweep: Any) -> None:
    sweep.done("nothing found", (0.0, float("nan"), 0.0))
    sweep.row("nothing found", "a")
    sweep.write()
    line = next(x for x in report.render(sweep.root).splitlines() if x.startswith("| nothing"))
    assert line.split("|")[6].strip() == "undefined"
    (table,) = json.loads(report.render(sweep.root, "json"))["tables"]
    assert table["rows"][0]["metrics"]["classification"]["by_seed"] == {"0": None}


def test_two_sources_of_data_never_share_a_table(sweep: Any) -> None:
    for source in ("digits (scikit-learn)", "mnist"):
        changes = {"data_source": source, "data_fingerprint": source}
        sweep.done(source, (0.9, 0.8, 0.7), **changes)
        sweep.row(source, "e")
    sweep.write()
    tables = json.loads(report.render(sweep.root, "json"))["tables"]
    assert [table["data_source"] for table in tables] == ["digits (scikit-learn)", "mnist"]
    assert [len(table["rows"]) for table in tables] == [1, 1]


def test_conditions_of_a_task_have_a_table_each_and_one_for_every_metric(sweep: Any) -> None:
    values = {"nine digits": 0.9, "unknown number": 0.6}
    for condition, both in values.items():
        for name in ("one", "two"):
            variant = f"{name}, {condition}"
            sweep.done(variant, (0.95, both, both if name == "one" else both / 2))
            sweep.row(variant)
            sweep.rows[-1] |= {"name": name, "condition": condition}
    sweep.write(published=None)
    tables = json.loads(report.render(sweep.root, "json"))["tables"]
    assert [table["condition"] for table in tables] == list(values)
    assert [[row["variant"] for row in table["rows"]] for table in tables] == [["one", "two"]] * 2
    assert tables[1]["rankings"].keys() == {"localisation", "classification", "both"}
    lines = report.render(sweep.root).splitlines()
    start = lines.index("## Loss terms and training strategy: both")
    grid = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in lines[start:] if "|" in line
    ]
    assert grid[0] == ["variant", *values]
    assert grid[2:] == [["one", "90.0", "60.0"], ["two", "45.0", "30.0"]]


def test_only_one_sweep(results: Path, sweep: Any) -> None:
    sweep.plan("other")
    sweep.row("other")
    written = sweep.write("other--gpu", title="Another", published=None)
    path = written.rename(results / "sweeps" / written.name)
    text = report.render(results, only=path)
    assert "Another: mnist-hard on digits" in text
    assert "Loss terms" not in text
    assert "| other" in text
    assert text.count("not run") == 3
    with pytest.raises(ResultsMissingError, match="no sweep named gone"):
        report.render(results, only=results / "sweeps" / "gone.json")


def test_damaged_manifest_is_left_out_with_a_warning(results: Path) -> None:
    (results / "sweeps" / "bad.json").write_text("{")
    seen: list[str] = []
    assert "Loss terms" in report.render(results, warn=seen.append)
    assert len(seen) == 1
    assert "bad.json" in seen[0]


def test_unknown_published_table_costs_only_the_published_numbers(sweep: Any) -> None:
    sweep.failed("a", "x" * 200)
    sweep.row("a", "a")
    sweep.write(published="tusk.table9")
    seen: list[str] = []
    text = report.render(sweep.root, warn=seen.append)
    assert "published" not in text
    assert "tusk.table9" in seen[0]
    table, _, notes = text.rpartition("|\n")
    assert "x..." in table
    assert "x" * 70 not in table
    assert "- a: failed: NonFiniteLossError: " + "x" * 200 in notes


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(ResultsMissingError) as missing:
        report.render(tmp_path / "none")
    with pytest.raises(ResultsMissingError) as empty:
        report.render(tmp_path)
    assert (missing.value.exit_code, empty.value.exit_code) == (2, 3)


def test_supervision_is_a_column_where_there_is_any(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "supervision" not in report.render(results)
    monkeypatch.setattr("tuskbench.report.collect._supervision", lambda *_: "class counts")
    assert "| supervision" in report.render(results)
