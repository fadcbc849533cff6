"""The structure of a spec, strict in keys and types."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tuskbench.spec import locate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LABEL = "label"
"""Key of a table in the sweep that says how it is shown, and is no setting."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Variant(_Strict):
    """One row of the table.

    Attributes:
        label: how the row is shown; unique in the spec.
        published_row: key of the row of the published table beside it.
        note: a sentence shown with the row.
        system: replaces the spec's `[system]`.
        set: dotted keys that override it.
        swept: whether the sweep over settings of the system applies; a sweep over the task
            always does.
    """

    label: str = Field(min_length=1)
    published_row: str | None = None
    note: str | None = None
    system: dict[str, Any] | None = None
    set: dict[str, Any] = {}
    swept: bool = True


class TableLayout(_Strict):
    """Layout of the table: what is a row, which metrics are columns, its title."""

    rows: Literal["variant"] = "variant"
    columns: list[str] | None = Field(default=None, min_length=1)
    title: str | None = None


class Document(_Strict):
    """A spec as it is written; singular names are TOML's tables of many."""

    title: str = Field(min_length=1)
    description: str = ""
    published: str | None = None
    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    task: dict[str, dict[str, Any]] = Field(min_length=1)
    system: dict[str, Any] = {}
    training: dict[str, Any] = {}
    variant: list[Variant] = []
    sweep: dict[str, Any] = {}
    budget: dict[str, dict[str, Any]] = {}
    table: TableLayout = TableLayout()


WANTED: Mapping[str, str] = {
    "title": "a string that is not empty",
    "description": "a string",
    "published": "the name of a published table, such as 'tusk.table4'",
    "seeds": "a list of one or more integers, at least 0",
    "task": "one or more tables [task.NAME]",
    "system": "a table with the system's name and settings",
    "training": "a table of training settings",
    "variant": "tables [[variant]]",
    "sweep": "a table of dotted keys, each with a list of values",
    "budget": "tables [budget.NAME]",
    "table": "a table",
    "label": "a string that is not empty",
    "published_row": "the key of a row of the published table, as a string",
    "note": "a string",
    "set": "a table of dotted keys and values",
    "swept": "true or false",
    "rows": "'variant'",
    "columns": "a list of one or more metric names",
}
"""What is expected of every key, in words."""


@dataclass(frozen=True)
class Row:
    """One variant at one point of the sweep.

    Attributes:
        label: how it is shown; unique in the spec.
        index: position of the variant in the spec; None if the spec lists none.
        variant: the variant.
        point: positions in the value lists of the sweep, by key.
        name: the label without its condition.
        condition: the part of the label that says how the task was set; "" where no sweep does.
    """

    label: str
    index: int | None
    variant: Variant
    point: tuple[tuple[str, int], ...] = ()
    name: str = ""
    condition: str = ""


@dataclass(frozen=True)
class Spec:
    """A spec that was read, with the lines of its keys.

    Attributes:
        file: where it was read from.
        document: what it says.
        sweep: dotted key to its list of values.
        places: where in the document each sweep key is.
        lines: line of every key.
    """

    file: Path
    document: Document
    sweep: Mapping[str, list[Any]] = field(default_factory=dict)
    places: Mapping[str, locate.Path] = field(default_factory=dict)
    lines: Mapping[locate.Path, int] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Return the title."""
        return self.document.title

    @property
    def seeds(self) -> list[int]:
        """Return the seeds."""
        return self.document.seeds

    @property
    def published(self) -> str | None:
        """Return the name of the published table, such as `tusk.table4`, if one is given."""
        return self.document.published

    @property
    def tasks(self) -> list[str]:
        """Return the names of the tasks in the order of the file."""
        return list(self.document.task)

    @property
    def table(self) -> TableLayout:
        """Return the layout of the table."""
        return self.document.table

    def line(self, path: locate.Path) -> int | None:
        """Return the line of a key, or of the closest table around it."""
        return locate.nearest_line(self.lines, path)

    def rows(self) -> list[Row]:
        """Return the variants times the points of the sweep."""
        return list(self._rows())

    def _rows(self) -> Iterator[Row]:
        of_task = [key for key in self.sweep if key.split(".")[0] == "task"]
        for index, variant in self._variants():
            keys = list(self.sweep) if variant.swept else of_task
            for choice in itertools.product(*(range(len(self.sweep[key])) for key in keys)):
                point = tuple(zip(keys, choice, strict=True))
                shown = {key: shown_value(key, self.sweep[key][at]) for key, at in point}
                yield Row(
                    ", ".join([variant.label, *shown.values()]),
                    index,
                    variant,
                    point,
                    name=", ".join([variant.label, *(shown[k] for k in shown if k not in of_task)]),
                    condition=", ".join(shown[key] for key in shown if key in of_task),
                )

    def _variants(self) -> list[tuple[int | None, Variant]]:
        if self.document.variant:
            return list(enumerate(self.document.variant))
        name = self.document.system.get("name")
        return [(None, Variant(label=name if isinstance(name, str) and name else self.title))]


def shown_value(key: str, value: Any) -> str:
    """Return how a value of the sweep is shown: a table's `label`, or else `key=value`."""
    if isinstance(value, dict) and LABEL in value:
        return str(value[LABEL])
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, dict):
        value = value.get("name", value)
    return f"{key}={value}"
