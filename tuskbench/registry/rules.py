"""Rules that set hyper-parameters by task, system, budget and data source.

A task or system names a TOML file in its class attribute `settings`, beside the module that does:

    [[settings]]
    task = "mnist-hard"
    budget = "cpu"
    set = { "training.steps" = 1500, "system.encoder[unet,timm].width" = 16 }

What is set below a nested component names the components that it is for.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tuskbench.errors import BrokenComponentError, nearest, suggestion
from tuskbench.registry.build import signature
from tuskbench.registry.lookup import entries, find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILTERS = ("task", "system", "budget", "source")
"""What a rule may be restricted to."""

PREFIXES = ("task", "system", "training")
"""First part of every key that a rule sets."""

BUDGETS = ("smoke", "cpu", "gpu", "paper")
"""The budgets that every spec may be run with, where rules or the spec define them."""

# A key up to the next dot outside brackets, and in the brackets the names of components.
_PART = re.compile(r"([^.\[\]]+)(?:\[([^\[\]]*)\])?(?:\.|$)")


@dataclass(frozen=True)
class Setting:
    """One value that a rule sets.

    Attributes:
        path: the parts of its dotted key.
        components: for each part, the components that what stands below is for; () for all.
        value: the value.
        written: keys in the rule's `set`, as they are written.
    """

    path: tuple[str, ...]
    components: tuple[tuple[str, ...], ...]
    value: Any
    written: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """Settings that hold where every filter matches.

    Attributes:
        filters: wanted value of some of `FILTERS`.
        settings: what it sets.
        kind: `task` or `system`, whose file it is in.
        file: that file.
        index: its position in the file.
    """

    filters: Mapping[str, str]
    settings: tuple[Setting, ...]
    kind: str
    file: Path
    index: int

    @property
    def budget(self) -> str | None:
        """Return the budget that the rule is restricted to, if any."""
        return self.filters.get("budget")

    @property
    def origin(self) -> str:
        """Return whose rule it is, for messages."""
        return f"the rules {self.file.name}"

    @property
    def values(self) -> dict[tuple[str, ...], Any]:
        """Return the values by path, whatever component they are for."""
        return {setting.path: setting.value for setting in self.settings}

    def matches(self, task: str, system: str, budget: str, source: str | None) -> bool:
        """Return whether every filter has the value given here."""
        here = {"task": task, "system": system, "budget": budget, "source": source}
        return all(here[name] == wanted for name, wanted in self.filters.items())

    def means(self, setting: Setting) -> bool:
        """Return whether the rule names the component that a setting of it belongs to.

        That is the task or system whose file it is in or that a filter names, a nested
        component in brackets, and the cell itself for `training`.
        """
        owner = setting.path[0]
        if len(setting.path) > 2:
            return bool(setting.components[-2])
        return owner == "training" or owner == self.kind or owner in self.filters


def rules(kind: str, name: str) -> tuple[Rule, ...]:
    """Return the rules of a task or a system, in the order of its file.

    Raises:
        BrokenComponentError: if the file is missing or is not a file of rules, or a filter is
            a misspelt name.
    """
    file = signature(kind, name).settings_file
    if file is None:
        return ()
    try:
        found = _read(file, kind)
        _check_names(found)
    except (OSError, ValueError) as error:
        package = find(kind, name).distribution
        reason = f"its rules {file.name}: {getattr(error, 'strerror', None) or error}"
        raise BrokenComponentError(kind, name, package, reason) from error
    return found


@lru_cache(maxsize=128)
def _read(file: Path, kind: str) -> tuple[Rule, ...]:
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    unknown = set(content) - {"settings"}
    tables = content.get("settings", [])
    if unknown or not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise ValueError("only [[settings]] tables are expected")
    found = []
    for index, table in enumerate(tables):
        try:
            found.append(_rule(table, kind, file, index))
        except ValueError as error:
            raise ValueError(f"[[settings]] number {index + 1}: {error}") from None
    return tuple(found)


def forget() -> None:
    """Drop the files that were read, for those that write them while running."""
    _read.cache_clear()


def _rule(table: Mapping[str, Any], kind: str, file: Path, index: int) -> Rule:
    for key in table:
        if key not in (*FILTERS, "set"):
            raise ValueError(f"unknown key {key!r}{suggestion(key, (*FILTERS, 'set'))}")
    filters = {key: value for key, value in table.items() if key != "set"}
    for key, value in filters.items():
        if not isinstance(value, str) or not value:
            raise ValueError(f"{key} = {value!r}, but expected a name; write a rule for each")
    values = table.get("set", {})
    if not isinstance(values, dict):
        raise ValueError("set is no table of dotted keys and values")
    return Rule(filters, tuple(_settings(values, ())), kind, file, index)


def _settings(table: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[Setting]:
    # Keys may be quoted and dotted, or nested tables.
    for key, value in table.items():
        written = (*above, key)
        if isinstance(value, dict) and written == (key,) and key in PREFIXES:
            yield from _settings(value, written)
            continue
        path, components = _parsed(".".join(written))
        if path[0] not in PREFIXES or len(path) < 2:
            raise ValueError(f"{'.'.join(path)} does not begin with one of {', '.join(PREFIXES)}")
        if not (isinstance(value, dict) and isinstance(value.get("name"), str)):
            yield Setting(path, components, value, written)
            continue
        # A component's table names whom it is for.
        for inner, each in value.items():
            names = components[-1] if inner == "name" else (value["name"],)
            below = (*components[:-1], names, ())
            yield Setting((*path, inner), below, each, (*written, inner))


def _parsed(key: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    parts = list(_PART.finditer(key))
    names = [
        tuple(name.strip() for name in (part[2] or "").split(",") if name.strip()) for part in parts
    ]
    whole = "".join(part[0] for part in parts) == key and not key.endswith(".")
    if not whole or any(
        part[2] is not None and not n for part, n in zip(parts, names, strict=True)
    ):
        raise ValueError(f"{key!r} is no dotted key such as system.encoder[unet].width")
    return tuple(part[1] for part in parts), tuple(names)


def _check_names(found: tuple[Rule, ...]) -> None:
    """Raise `ValueError` for a name that nobody registers and that is nearly a known one.

    Names that are like no other may be those of packages that are not installed.
    """
    known = {kind: {entry.name for entry in entries(kind)} for kind in ("task", "system")}
    known |= {"budget": set(BUDGETS), "": {entry.name for entry in entries()}}
    for rule in found:
        for key, name in rule.filters.items():
            if key in known:
                _check_name(f"{key} = {name!r}", name, known[key])
        for setting in rule.settings:
            for name in itertools.chain(*setting.components):
                _check_name(f"{'.'.join(setting.written)}: {name!r}", name, known[""])


def _check_name(shown: str, name: str, known: set[str]) -> None:
    near = None if name in known else nearest(name, known, 0.8)
    # What continues a known name, or has another number, is one of its own: a variant, a size.
    if near is not None and not name.startswith(near) and _letters(name) != _letters(near):
        raise ValueError(f"{shown} is no name that is known; did you mean {near!r}?")


def _letters(name: str) -> str:
    return re.sub(r"\d+", "", name)
