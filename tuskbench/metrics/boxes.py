"""Overlap of square boxes, and matching of predicted to true boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.floating]


def square_iou(
    centres: Floats, sides: Floats | float, true_centres: Floats, true_sides: Floats
) -> NDArray[np.float64]:
    """Return the intersection over union of axis-aligned squares.

    Args:
        centres: [N, K, 2] predicted (x, y).
        sides: [N, K] or one side for all.
        true_centres: [N, G, 2].
        true_sides: [N, G]; 0 where there is no object.

    Returns:
        [N, K, G] in [0, 1].
    """
    side = np.broadcast_to(np.asarray(sides, np.float64), centres.shape[:2])[:, :, None]
    other = np.asarray(true_sides, np.float64)[:, None, :]
    reach, smaller = (side + other) / 2, np.minimum(side, other)
    x, y = (
        _overlap(centres[..., axis], true_centres[..., axis], reach, smaller) for axis in (0, 1)
    )
    intersection = np.multiply(x, y, out=x)
    union = np.square(side) + np.square(other) - intersection
    iou: NDArray[np.float64] = np.zeros(union.shape)
    np.divide(intersection, union, out=iou, where=union > 0)
    return iou


def _overlap(
    centre: Floats, true_centre: Floats, reach: NDArray[np.float64], smaller: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how long intervals overlap, [N, K, G], from centres [N, K] and [N, G].

    In place: at this size passes over memory are what takes time.
    """
    gap = centre.astype(np.float64)[:, :, None] - true_centre[:, None]
    np.abs(gap, out=gap)
    np.subtract(reach, gap, out=gap)
    return np.clip(gap, 0, smaller, out=gap)


def match_hungarian(iou: NDArray[np.float64], threshold: float = 0.5) -> NDArray[np.int64]:
    """Match predictions to objects one to one: most pairs first, then most overlap.

    Args:
        iou: [N, K, G].
        threshold: smallest overlap of a pair.

    Returns:
        [N, G] index of each object's prediction, -1 without one.
    """
    possible = iou >= threshold
    match = np.where(possible.any(1), possible.argmax(1), -1)
    # Where nobody has a choice the only pairs possible are the best ones.
    contested = (possible.sum(1) > 1).any(-1) | (possible.sum(2) > 1).any(-1)
    for image in np.flatnonzero(contested):
        # One more pair outweighs any gain of overlap.
        gain = np.where(possible[image], len(iou[image]) + iou[image], 0)
        rows, columns = linear_sum_assignment(gain, maximize=True)
        paired = possible[image][rows, columns]
        match[image] = -1
        match[image, columns[paired]] = rows[paired]
    return match


def match_greedy(iou: NDArray[np.float64], threshold: float = 0.5) -> NDArray[np.int64]:
    """Match each object, in stored order, to the best prediction left (TUSK's code).

    A pair needs an overlap above, not at, the threshold. Same shapes as `match_hungarian`.
    """
    left = iou.copy()
    images = np.arange(len(iou))
    match = np.full((len(iou), iou.shape[2]), -1)
    for object_index in range(iou.shape[2]):
        best = left[:, :, object_index].argmax(1)
        accepted = left[images, best, object_index] > threshold
        match[accepted, object_index] = best[accepted]
        left[images[accepted], best[accepted]] = -1
    return match
