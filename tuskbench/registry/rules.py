"""Rules that set hyper-parameters by task, system, budget and data source.

A task or system names a TOML file beside its module in its class attribute `settings`:

    [[settings]]
    task = "mnist-hard"
    budget = "cpu"
    set = { "training.steps" = 1500, "system.encoder.width" = 16 }
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tuskbench.errors import BrokenComponentError, suggestion
from tuskbench.registry.build import signature
from tuskbench.registry.lookup import find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILTERS = ("task", "system", "budget", "source")
"""What a rule may be restricted to."""

PREFIXES = ("task", "system", "training")
"""First part of every key that a rule sets."""


@dataclass(frozen=True)
class Rule:
    """Settings that hold where every filter matches.

    Attributes:
        filters: wanted value of some of `FILTERS`.
        values: dotted key, as a tuple of its parts, to value.
        origin: whose rule it is, for messages.
    """

    filters: Mapping[str, str]
    values: Mapping[tuple[str, ...], Any]
    origin: str

    @property
    def budget(self) -> str | None:
        """Return the budget that the rule is restricted to, if any."""
        return self.filters.get("budget")

    def matches(self, task: str, system: str, budget: str, source: str | None) -> bool:
        """Return whether every filter has the value given here."""
        here = {"task": task, "system": system, "budget": budget, "source": source}
        return all(here[name] == wanted for name, wanted in self.filters.items())


def rules(kind: str, name: str) -> tuple[Rule, ...]:
    """Return the rules of a task or a system, in the order of its file.

    Raises:
        BrokenComponentError: if the file is missing or is not a file of rules.
    """
    file = signature(kind, name).settings_file
    if file is None:
        return ()
    try:
        return _read(file, f"{kind} {name!r}")
    except (OSError, ValueError) as error:
        package = find(kind, name).distribution
        reason = f"its rules {file.name}: {getattr(error, 'strerror', None) or error}"
        raise BrokenComponentError(kind, name, package, reason) from error


@lru_cache(maxsize=128)
def _read(file: Path, origin: str) -> tuple[Rule, ...]:
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    unknown = set(content) - {"settings"}
    tables = content.get("settings", [])
    if unknown or not isinstance(tables, list):
        raise ValueError("only [[settings]] tables are expected")
    return tuple(_rule(table, f"the rules of {origin}") for table in tables)


def forget() -> None:
    """Drop the files that were read, for those that write them while running."""
    _read.cache_clear()


def _rule(table: Mapping[str, Any], origin: str) -> Rule:
    for key in table:
        if key not in (*FILTERS, "set"):
            raise ValueError(f"unknown key {key!r}{suggestion(key, (*FILTERS, 'set'))}")
    filters = {key: value for key, value in table.items() if key != "set"}
    values = dict(_flat(table.get("set", {}), ()))
    for path in values:
        if path[0] not in PREFIXES or len(path) < 2:
            raise ValueError(f"{'.'.join(path)} does not begin with one of {', '.join(PREFIXES)}")
    return Rule(filters, values, origin)


def _flat(
    table: Mapping[str, Any], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    # Keys may be quoted and dotted or nested tables; a component's whole table stays one value.
    for key, value in table.items():
        path = (*above, *key.split("."))
        if isinstance(value, dict) and len(path) == 1:
            yield from _flat(value, path)
        else:
            yield path, value
