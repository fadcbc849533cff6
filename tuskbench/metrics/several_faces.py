"""Several faces in one image: which are covered by keypoints, and which keypoints lie off all.

It makes a number of the paper's Figure 1: a system that never saw two faces at once is asked
for more keypoints.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tuskbench.contracts import Prediction, Split

FIGURE_IMAGES = 4


@dataclass(frozen=True)
class Coverage:
    """How keypoints lie on the faces of N images.

    Attributes:
        xy: [N, K, 2] keypoints in pixels.
        label: [N, K] their prototypes or channels; zeros where the system gives none.
        covered: [N, F] whether all landmarks of a face have a keypoint within reach.
        false: [N, K] whether a keypoint lies in no face's box.
    """

    xy: NDArray[np.float32]
    label: NDArray[np.int64]
    covered: NDArray[np.bool_]
    false: NDArray[np.bool_]


def cover(split: Split, predictions: Iterable[Prediction], reach: float) -> Coverage:
    """Compare keypoints with the landmarks and boxes of every face.

    Args:
        split: with the targets `landmarks` [N, F, T, 2] or [N, T, 2], and `boxes` [N, F, 4] or
            [N, 4]: left, top, width, height; all in pixels.
        predictions: the keypoints of its images.
        reach: largest distance from a landmark to its nearest keypoint, as a share of the
            side of a square with the area of the face's box.
    """
    keypoints = [p.keypoints for p in predictions if p.keypoints is not None]
    xy = torch.cat([k.xy for k in keypoints]).float().cpu()
    label = torch.zeros(xy.shape[:2], dtype=torch.int64)
    if all(k.label is not None for k in keypoints):
        label = torch.cat([k.label for k in keypoints if k.label is not None]).cpu()
    landmarks, boxes = split.targets["landmarks"].cpu(), split.targets["boxes"].cpu()
    if landmarks.ndim == 3:
        landmarks, boxes = landmarks[:, None], boxes[:, None]
    images, faces, count = landmarks.shape[:3]
    nearest = torch.cdist(landmarks.reshape(images, faces * count, 2), xy).amin(-1)
    side = boxes[..., 2:].prod(-1).sqrt()
    covered = (nearest.view(images, faces, count) <= reach * side[..., None]).all(-1)
    offset = xy[:, :, None] - boxes[:, None, :, :2]
    inside = ((offset >= 0) & (offset <= boxes[:, None, :, 2:])).all(-1).any(-1)
    return Coverage(xy.numpy(), label.numpy(), covered.numpy(), (~inside).numpy())


def figures(split: Split, found: Coverage, faces: int) -> dict[str, NDArray]:
    """Return what the figure of images with so many faces is drawn from."""
    shown = slice(0, FIGURE_IMAGES)
    images = split.images[shown].expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu().numpy()
    return {
        f"faces_{faces}_images": images,
        f"faces_{faces}_xy": found.xy[shown],
        f"faces_{faces}_label": found.label[shown],
        f"faces_{faces}_boxes": split.targets["boxes"][shown].cpu().numpy(),
        f"faces_{faces}_covered": found.covered[shown],
    }
