"""The published numbers as data."""

from __future__ import annotations

import pytest

from tuskbench.errors import UnknownPublishedTableError
from tuskbench.report import published


def test_every_table_of_the_paper_is_there() -> None:
    assert published.tables() == [f"tusk.table{number}" for number in range(1, 7)]


@pytest.mark.parametrize(
    ("table", "row", "task", "metric", "printed", "value"),
    [
        ("tusk.table1", "mist", "mnist-hard", "both", "97.5", 0.975),
        ("tusk.table2", "tusk", "tetrominoes", "colour", "100", 1.0),
        ("tusk.table2", "monet", "clevr6", "ari", "96.2 ± 0.6", 0.962),
        ("tusk.table3", "lorenz", "h36m", "error", "2.79", 0.0279),
        ("tusk.table4", "c", "mnist-hard", "classification", "78.4", 0.784),
        ("tusk.table5", "5", "mnist-hard", "reverse", "98.3", 0.983),
        ("tusk.table6", "kmeans", "mnist-hard", "both", "99.9", 0.999),
    ],
)
def test_values_are_as_printed(
    table: str, row: str, task: str, metric: str, printed: str, value: float
) -> None:
    found = published.load(table).find(row, task, metric)
    assert found is not None
    assert (found.printed, found.value) == (printed, value)
    assert f"Table {table[-1]}, column" in found.source


def test_deviation_is_a_fraction_too() -> None:
    found = published.load("tusk.table2").find("iodine", "tetrominoes", "ari")
    assert found is not None
    assert found.deviation == 0.004


def test_a_dash_is_no_number() -> None:
    assert published.load("tusk.table2").find("monet", "tetrominoes", "ari") is None


@pytest.mark.parametrize("name", published.tables())
def test_every_table_names_its_data(name: str) -> None:
    table = published.load(name)
    assert table.values
    assert {task for _, task, _ in table.values} == set(table.data)


@pytest.mark.parametrize("name", ["tusk.table1", "tusk.table4", "tusk.table5", "tusk.table6"])
def test_contradictions_are_noted(name: str) -> None:
    notes = " ".join(published.load(name).notes)
    assert "92.1" in notes
    assert "92.8" in notes


def test_both_never_exceeds_its_parts_but_where_noted() -> None:
    for name in ("tusk.table1", "tusk.table4", "tusk.table5", "tusk.table6"):
        table = published.load(name)
        for row in table.rows:
            parts = [
                value.value
                for metric in ("classification", "localisation", "both")
                if (value := table.find(row, "mnist-hard", metric))
            ]
            assert parts[2] <= min(parts[:2]) or (name, row) == ("tusk.table6", "kmeans")


def test_unknown_table_names_the_nearest() -> None:
    with pytest.raises(UnknownPublishedTableError, match=r"did you mean 'tusk\.table4'"):
        published.load("tusk.tabel4")
