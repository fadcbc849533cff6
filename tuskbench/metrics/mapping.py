"""Which class each prototype stands for, and how often that is right."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Mapping = Literal["bipartite", "majority", "reverse", "identity"]


def count_pairs(
    prototype: NDArray[np.int64], label: NDArray[np.int64], prototypes: int, classes: int
) -> NDArray[np.int64]:
    """Return [prototypes, classes]: how often each pair occurs in two flat arrays."""
    flat = np.bincount(prototype * classes + label, minlength=prototypes * classes)
    return flat.reshape(prototypes, classes)


def fit_mapping(counts: NDArray[np.int64], mapping: Mapping) -> NDArray[np.bool_]:
    """Return which (prototype, class) pairs count as right: [prototypes, classes].

    "bipartite" pairs each prototype with at most one class and each class with at most one
    prototype, for the most hits (paper, section 4.1). "majority" gives each prototype its most
    frequent class (official code). "reverse" gives each class its most frequent prototype, a
    measure of consistency rather than accuracy (paper, section 4.4.2). "identity" takes labels
    for classes, which those of a system that learnt from classes are.
    """
    right = np.zeros(counts.shape, bool)
    if mapping == "bipartite":
        right[linear_sum_assignment(counts, maximize=True)] = True
    elif mapping == "majority":
        right[np.arange(len(counts)), counts.argmax(1)] = True
    elif mapping == "identity":
        np.fill_diagonal(right, True)
    else:
        right[counts.argmax(0), np.arange(counts.shape[1])] = True
    return right
