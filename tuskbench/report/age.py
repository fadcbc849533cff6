"""Which sweeps of a results folder are earlier states of others."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from enum import Enum
from typing import Any, TypeVar


class State(Enum):
    """How a sweep stands to others of the same spec, budget and overrides."""

    CURRENT = "current"
    EARLIER = "earlier"
    CONTAINED = "contained"


Name = TypeVar("Name", bound=Hashable)


def key(manifest: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Return what a sweep is called, whatever its settings and seeds.

    Raises:
        KeyError, TypeError: if the content is no manifest.
    """
    overrides = json.dumps(manifest.get("overrides", {}), sort_keys=True)
    return str(manifest.get("spec")), manifest["title"], manifest["budget"], overrides


def states(manifests: Mapping[Name, Mapping[str, Any]]) -> dict[Name, State]:
    """Return the state of every sweep.

    A sweep all of whose cells stand in a later one of the same name, as after an update of the
    layout of manifests, need not be shown again; one with other cells is an earlier state.
    """
    groups: dict[tuple[str, str, str, str], list[Name]] = {}
    for name, manifest in manifests.items():
        groups.setdefault(key(manifest), []).append(name)
    found = dict.fromkeys(manifests, State.CURRENT)
    for names in groups.values():
        names.sort(key=lambda name: str(manifests[name].get("written", "")))
        for position, name in enumerate(names[:-1]):
            later = [_cells(manifests[other]) for other in names[position + 1 :]]
            contained = any(_cells(manifests[name]) <= cells for cells in later)
            found[name] = State.CONTAINED if contained else State.EARLIER
    return found


def _cells(manifest: Mapping[str, Any]) -> set[str]:
    return {cell["id"] for cell in manifest["cells"]}
