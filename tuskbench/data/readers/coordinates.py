"""Whether a file's points are in the order that its reader takes them in.

A file that holds points and also masks, boxes or upright faces tells itself: points that lie where
they must only once x and y are exchanged were stored in the other order.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuskbench.errors import DataFormatError

CHECKED = 256
"""Images looked at, spread over a split; a wrong order shows in all of them."""
# How far outside a point may lie: a share of the image's side, or of the box's.
BESIDE_MASK, BESIDE_BOX = 0.03, 0.1
# Share of points that must lie inside, and by how much an exchange must be better to be told.
LEAST, BETTER = 0.5, 0.1


def every(count: int) -> slice:
    """Return which of `count` images are looked at."""
    return slice(None, None, max(1, -(-count // CHECKED)))


def check_in_masks(
    path: Path,
    points: NDArray[np.floating],
    masks: NDArray[np.bool_],
    what: str,
    least: float = LEAST,
) -> None:
    """Raise `DataFormatError` unless most points lie in the masks of their images.

    Args:
        path: the file or folder that is to blame.
        points: [N, P, 2] x and y in pixels.
        masks: [N, H, W].
        what: the points' name, such as "joints".
        least: smallest share inside; 0 where things may hide behind others.
    """
    from scipy.ndimage import maximum_filter

    if not points.size:
        return
    reach = max(1, round(BESIDE_MASK * max(masks.shape[1:])))
    window = 2 * reach + 1
    near = maximum_filter(masks.astype(np.uint8), (1, window, window)) > 0

    def share(xy: NDArray[np.floating]) -> float:
        height, width = masks.shape[1:]
        x, y = np.rint(xy).astype(np.int64).transpose(2, 0, 1)
        within = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        row = np.arange(len(masks))[:, None]
        found = near[row, y.clip(0, height - 1), x.clip(0, width - 1)] & within
        return float(found.mean())

    _judge(path, share(points), share(points[..., ::-1]), f"the {what} lie in the masks", least)


def check_in_boxes(
    path: Path, points: NDArray[np.floating], boxes: NDArray[np.floating], what: str
) -> None:
    """Raise `DataFormatError` unless most points lie in the boxes of their images.

    Args:
        path: the file or folder that is to blame.
        points: [N, P, 2] x and y.
        boxes: [N, 4] left, top, width and height.
        what: the points' name.
    """
    if not points.size:
        return
    corner, sides = boxes[:, None, :2], boxes[:, None, 2:]

    def share(xy: NDArray[np.floating]) -> float:
        beside = (xy - corner) / np.maximum(sides, 1)
        return float(((beside >= -BESIDE_BOX) & (beside <= 1 + BESIDE_BOX)).all(-1).mean())

    _judge(path, share(points), share(points[..., ::-1]), f"the {what} lie in the boxes")


def check_upright(path: Path, faces: NDArray[np.floating]) -> None:
    """Raise `DataFormatError` if most faces [N, 5, 2] lie on their side.

    Eyes beside one another and above the mouth are upright; CelebA has next to no others.
    """
    eyes, mouth = faces[:, 1] - faces[:, 0], faces[:, 3:].mean(1) - faces[:, :2].mean(1)

    def upright(exchange: bool) -> float:
        x, y = (1, 0) if exchange else (0, 1)
        beside = np.abs(eyes[:, x]) > np.abs(eyes[:, y])
        return float((beside & (np.abs(mouth[:, y]) > np.abs(mouth[:, x]))).mean())

    if len(faces) and upright(True) > LEAST:
        _judge(path, upright(False), upright(True), "the faces are upright")


def _judge(path: Path, inside: float, exchanged: float, rule: str, least: float = LEAST) -> None:
    if exchanged > inside + BETTER:
        problem = (
            f"{inside:.0%} of {rule}, but {exchanged:.0%} once their coordinates are exchanged"
        )
        raise DataFormatError(path, f"{problem}: its points are in the other order")
    if inside < least:
        raise DataFormatError(path, f"only {inside:.0%} of {rule}: these do not belong together")
