"""Which cells share a job, and which jobs an array, for schedulers that charge for every job."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tuskbench.cell import Cell

Item = TypeVar("Item")

Pack = list["Cell"]
"""Cells that one job computes, one after the other."""


def arrays(
    cells: Sequence[Cell], seconds: Mapping[str, float], pack_seconds: float, size: int
) -> list[list[Pack]]:
    """Return arrays of packs of cells of like cost.

    The cells of an array cost the same within a factor of two and want as many devices; short ones
    are packed until a job is expected to take `pack_seconds`. Those of unknown cost get a job each.

    Args:
        cells: what to compute.
        seconds: expected cost by id, of the cells of which it is known.
        pack_seconds: what a pack may cost.
        size: most jobs in an array.
    """
    groups: dict[tuple[int, int | None], list[Cell]] = {}
    for cell in cells:
        cost = seconds.get(cell.id)
        scale = None if cost is None else math.ceil(math.log2(max(cost, 1.0)))
        groups.setdefault((cell.training.devices, scale), []).append(cell)
    found: list[list[Pack]] = []
    for (_, scale), group in groups.items():
        count = 1 if scale is None else max(1, int(pack_seconds // 2**scale))
        found += _chunks(list(_chunks(group, count)), size)
    return found


def _chunks(items: Sequence[Item], size: int) -> Iterable[list[Item]]:
    return (list(items[first : first + size]) for first in range(0, len(items), size))
