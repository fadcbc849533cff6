"""The figure of masks: what is drawn where, and what a variant may lack."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuskbench.report.figures import segmentation


def arrays(layers: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(layers)
    return {
        "images": rng.integers(0, 255, (4, 16, 16, 3)).astype(np.uint8),
        "reconstructions": rng.integers(0, 255, (4, 16, 16, 3)).astype(np.uint8),
        "truth_masks": rng.integers(0, 4, (4, 16, 16)).astype(np.uint8),
        "alphas": rng.integers(0, 255, (4, layers, 16, 16)).astype(np.uint8),
        "layers": rng.integers(0, 255, (4, layers, 16, 16, 3)).astype(np.uint8),
        "detections_xy": rng.uniform(0, 15, (4, layers, 2)),
        "detections_score": np.full((4, layers), 0.9),
    }


def pictures(figure: Any, rows: int) -> np.ndarray:
    """Return which axes hold a picture, row by row."""
    return np.array([bool(axes.images) for axes in figure.axes]).reshape(rows, -1)


def test_layers_with_pictures_take_two_rows() -> None:
    figure = segmentation.draw({"one": arrays()}, "caption")
    drawn = pictures(figure, 2 * segmentation.IMAGES)
    assert drawn.shape == (4, 4 + 3)
    assert drawn[0].all()
    assert drawn[1].tolist() == [False] * 4 + [True] * 3
    assert np.array_equal(figure.axes[0].images[0].get_array(), arrays()["images"][0])
    assert np.array_equal(figure.axes[4].images[0].get_array(), arrays()["layers"][0, 0])
    assert np.array_equal(figure.axes[7 + 4].images[0].get_array(), arrays()["alphas"][0, 0])
    assert len(figure.axes[0].lines) == 2 * 3


def test_a_system_of_masks_alone() -> None:
    bare = {name: arrays()[name] for name in ("images", "alphas")}
    figure = segmentation.draw({"bare": bare, "whole": arrays(9)}, "caption")
    drawn = pictures(figure, segmentation.IMAGES * 3)
    assert drawn.shape[1] == 4 + segmentation.LAYERS
    assert drawn[0].tolist() == [True, False, False, True] + [True] * 3 + [False] * 4
    labels = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    per_image = ["RGB", "alpha"]
    assert labels == ["bare", "alpha", "alpha", "whole", *per_image, *per_image]


def test_nothing_to_draw() -> None:
    assert segmentation.draw({"one": {"images": arrays()["images"]}}, "caption") is None


def test_masks_are_painted_by_label() -> None:
    labels = np.array([[0, 1], [2, 1]])
    painted = segmentation.paint(labels)
    assert painted[0, 0].tolist() == [0, 0, 0]
    assert (painted[0, 1] == painted[1, 1]).all()
    assert (painted[0, 1] != painted[1, 0]).any()
    assert segmentation.paint(labels, None)[0, 0].any()
