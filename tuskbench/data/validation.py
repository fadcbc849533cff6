"""Validation data: cut from the end of the training data, so that choices need no test data."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Items = TypeVar("Items", NDArray[np.int64], tuple[str, ...])

PART = 10
"""The last of so many parts of training data in order is held out."""


def keep(items: Items, split: str, *, part: int = PART) -> Items:
    """Return what of ordered training data belongs to a split.

    Args:
        items: records or names of the training data, in order.
        split: `validation` for the last part, else all before it.
        part: one of so many parts is held out, at least one item.
    """
    first = len(items) - max(1, len(items) // part)
    return items[first:] if split == "validation" else items[:first]
