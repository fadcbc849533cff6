"""Who gave each setting of a cell: a default, a rule, a line of the spec, the command line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tuskbench.spec import locate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuskbench.spec.model import Spec
    from tuskbench.spec.resolve import Given


@dataclass(frozen=True)
class Origin:
    """Who gave a setting.

    Attributes:
        text: `file:line`, `--set`, or the setting that it is inherited from.
        rule: whether a rule gave it.
    """

    text: str
    rule: bool = False


def origins(
    spec: Spec, places: Mapping[str, locate.Path], sources: Mapping[locate.Path, Given]
) -> dict[str, Origin]:
    """Return who gave each setting that is not a component's own default.

    Args:
        spec: the spec.
        places: where in the spec `task`, `system` and `training` of the cell are.
        sources: who gave each setting, by its place.
    """
    return {
        ".".join((prefix, *map(str, place[len(top) :]))): origin
        for prefix, top in places.items()
        for place, given in sources.items()
        if place[: len(top)] == top and (origin := _origin(spec, given)) is not None
    }


def _origin(spec: Spec, given: Given) -> Origin | None:
    if given.rule is not None:
        rule, written = given.rule
        line = locate.nearest_line(_lines(rule.file), ("settings", rule.index, "set", *written))
        return Origin(f"{rule.file}:{line}", rule=True)
    if given.place is not None:
        return Origin(f"{spec.file}:{spec.line(given.place)}")
    return None if given.origin == "default" else Origin(given.origin)


@lru_cache(maxsize=64)
def _lines(file: Path) -> dict[locate.Path, int]:
    return locate.locate(file.read_text(encoding="utf-8"))
