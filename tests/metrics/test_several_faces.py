"""Coverage of several faces on hand-made images."""

from __future__ import annotations

import numpy as np
import torch

from tuskbench.contracts import Keypoints, Prediction, Split
from tuskbench.metrics.several_faces import cover, figures

FACE = torch.tensor([[10.0, 10], [30, 10], [20, 20], [12, 30], [28, 30]])


def two_faces() -> Split:
    """One image with faces in the boxes (0, 0, 40, 40) and (50, 0, 40, 40)."""
    landmarks = torch.stack([FACE, FACE + torch.tensor([50.0, 0])])[None]
    boxes = torch.tensor([[[0.0, 0, 40, 40], [50, 0, 40, 40]]])
    return Split(
        torch.zeros(1, 3, 48, 96, dtype=torch.uint8), {"landmarks": landmarks, "boxes": boxes}
    )


def predicted(*points: tuple[float, float]) -> list[Prediction]:
    xy = torch.tensor([points])
    return [Prediction(Keypoints(xy, torch.ones(xy.shape[:2])))]


def test_landmarks_themselves_cover() -> None:
    split = two_faces()
    xy = split.targets["landmarks"].flatten(1, 2)
    found = cover(split, [Prediction(Keypoints(xy, torch.ones(1, 10)))], 1e-6)
    assert found.covered.all()
    assert not found.false.any()


def test_one_landmark_without_a_keypoint_uncovers_its_face() -> None:
    split = two_faces()
    xy = split.targets["landmarks"].flatten(1, 2)[:, 1:]
    found = cover(split, [Prediction(Keypoints(xy, torch.ones(1, 9)))], 0.2)
    assert found.covered.tolist() == [[False, True]]


def test_reach_is_a_share_of_the_boxs_side() -> None:
    # The middle of the face is 14.4 pixels from the farthest landmark; the side is 40.
    middle = predicted((20.0, 20.0))
    assert not cover(two_faces(), middle, 14 / 40).covered.any()
    assert cover(two_faces(), middle, 15 / 40).covered.tolist() == [[True, False]]


def test_points_outside_every_box_are_false() -> None:
    found = cover(two_faces(), predicted((5.0, 5.0), (45.0, 5.0), (89.0, 39.0), (60.0, 45.0)), 0.2)
    assert found.false.tolist() == [[False, True, False, True]]


def test_single_faces_have_no_face_dimension() -> None:
    split = Split(
        torch.zeros(1, 3, 48, 48, dtype=torch.uint8),
        {"landmarks": FACE[None], "boxes": torch.tensor([[0.0, 0, 40, 40]])},
    )
    found = cover(split, predicted(*FACE.tolist()), 0.1)
    assert found.covered.tolist() == [[True]]


def test_figures_hold_images_and_points() -> None:
    split = two_faces()
    arrays = figures(split, cover(split, predicted((1.0, 2.0)), 0.2), 2)
    assert arrays["faces_2_images"].shape == (1, 48, 96, 3)
    assert np.allclose(arrays["faces_2_xy"], [[[1, 2]]])
    assert arrays["faces_2_boxes"].shape == (1, 2, 4)
