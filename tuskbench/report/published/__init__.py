"""Published tables as data: one TOML file a paper, every value as printed, with its source."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from tuskbench.errors import UnknownPublishedTableError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class PublishedValue:
    """One number of a paper.

    Attributes:
        printed: the number as printed, without its percent sign.
        value: the number; a percentage is a fraction.
        deviation: printed standard deviation in the unit of `value`, or None.
        decimals: digits printed after the point.
        source: paper, table, column and row that it stands in.
    """

    printed: str
    value: float
    deviation: float | None
    decimals: int
    source: str


@dataclass(frozen=True)
class PublishedTable:
    """One table of a paper.

    Attributes:
        name: `paper.table`, as a spec's `published` gives it.
        caption: short reference to paper and table.
        title: the table's printed title.
        data: name of the data measured on, by task.
        notes: what a reader of the numbers must know, such as contradictions in the paper.
        rows: printed label by row key.
        values: value by (row key, task, metric); absent where the paper prints none.
    """

    name: str
    caption: str
    title: str
    data: Mapping[str, str]
    notes: tuple[str, ...]
    rows: Mapping[str, str]
    values: Mapping[tuple[str, str, str], PublishedValue]

    def find(self, row: str | None, task: str, metric: str) -> PublishedValue | None:
        """Return the number of a row, or None where the paper has none."""
        return None if row is None else self.values.get((row, task, metric))


def tables() -> list[str]:
    """Return the names of all published tables, such as `tusk.table4`."""
    papers = sorted(
        entry.name.removesuffix(".toml")
        for entry in resources.files(__package__).iterdir()
        if entry.name.endswith(".toml")
    )
    return [f"{paper}.{table['name']}" for paper in papers for table in _paper(paper)["table"]]


def load(name: str) -> PublishedTable:
    """Return a published table by its name.

    Args:
        name: `paper.table`, such as `tusk.table4`.

    Raises:
        UnknownPublishedTableError: if there is none of that name.
    """
    choices = tables()
    if name not in choices:
        raise UnknownPublishedTableError(name, choices)
    paper = _paper(name.partition(".")[0])
    content = next(table for table in paper["table"] if name.endswith(f".{table['name']}"))
    return _table(name, paper["short"], content)


@cache
def _paper(name: str) -> dict:
    return tomllib.loads((resources.files(__package__) / f"{name}.toml").read_text("utf-8"))


def _table(name: str, paper: str, content: dict) -> PublishedTable:
    caption = f"{paper}, Table {content['number']}"
    values = {}
    for row in content["row"]:
        for column, printed in zip(content["column"], row["values"], strict=True):
            if printed in {"", "-"}:
                continue
            source = f"{caption}, column {column['header']!r}, row {row['label']!r}"
            value = _parse(printed, column.get("unit") == "percent", source)
            values[row["key"], column["task"], column["metric"]] = value
            also = row.get("also", {"metrics": {}})
            if column["metric"] in also["metrics"]:
                values[also["row"], column["task"], also["metrics"][column["metric"]]] = value
    return PublishedTable(
        name=name,
        caption=caption,
        title=content["title"],
        data={column["task"]: column["data"] for column in content["column"]},
        notes=tuple(content.get("notes", ())),
        rows={row["key"]: row["label"] for row in content["row"]},
        values=values,
    )


def _parse(printed: str, percent: bool, source: str) -> PublishedValue:
    match = re.fullmatch(r"(\d+(?:\.(\d+))?)(?: ± (\d+(?:\.\d+)?))?(%?)", printed)
    if match is None:
        raise ValueError(f"{source}: {printed!r} is no number")
    number, decimals, deviation, sign = match.groups()
    # Decimal, so that 99.9 % becomes 0.999 and not its neighbour.
    scale = Decimal(100 if percent or sign else 1)
    return PublishedValue(
        printed=printed.removesuffix("%"),
        value=float(Decimal(number) / scale),
        deviation=float(Decimal(deviation) / scale) if deviation else None,
        decimals=len(decimals or ""),
        source=source,
    )
