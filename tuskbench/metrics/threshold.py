"""The score below which detections are better dropped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def best_threshold(score: NDArray[np.floating], matched: NDArray[np.bool_], objects: int) -> float:
    """Return the smallest score to keep for the best F1 of precision and recall.

    Detections keep the objects they were matched to when others are dropped. Of equally good
    thresholds the lowest is taken; it lies halfway between two scores, so that it holds for
    detections like these and not for these alone.

    Args:
        score: [N] of all detections.
        matched: [N] which of them match an object.
        objects: number of objects, matched or not.
    """
    levels, index = np.unique(score, return_inverse=True)
    if not len(levels):
        return 0.0
    # How many detections, and matched ones, have at least each level's score.
    kept = np.bincount(index)[::-1].cumsum()[::-1]
    hits = np.bincount(index, weights=matched)[::-1].cumsum()[::-1]
    best = int(np.argmax(2 * hits / np.maximum(kept + objects, 1)))
    if best == 0:
        return 0.0
    return float((levels[best - 1] + levels[best]) / 2)
