"""Figures: what is drawn, what is left out, and the judgement of boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tuskbench.report.figures import clusters, detections, draw_all, prototypes

if TYPE_CHECKING:
    from pathlib import Path


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """Return small arrays of every kind that a figure reads."""
    generator = np.random.default_rng(seed)
    corners = generator.uniform(0, 20, (2, 3, 2))
    return {
        "descriptors": generator.normal(size=(40, 8)).astype(np.float32),
        "descriptor_labels": generator.integers(-1, 10, 40),
        "prototypes": generator.normal(size=(10, 8)).astype(np.float32),
        "images": generator.integers(0, 255, (2, 32, 32, 3)).astype(np.uint8),
        "reconstructions": generator.integers(0, 255, (2, 32, 32, 3)).astype(np.uint8),
        "detections_xy": corners + 5,
        "detections_label": generator.integers(-1, 10, (2, 3)),
        "detections_score": generator.random((2, 3)),
        "truth_boxes": np.concatenate([corners, corners + 10], axis=-1),
        "truth_labels": generator.integers(0, 10, (2, 3)),
        "box_side": np.array(10.0),
        "prototype_images": generator.integers(0, 255, (10, 8, 8, 3)).astype(np.uint8),
    }


def fill(sweep: Any, *found: dict[str, np.ndarray]) -> Path:
    """Write a sweep whose variants have these arrays, and return its folder."""
    for index, content in enumerate(found):
        sweep.done(f"variant {index}", (0.9, 0.8, 0.7), figures=content)
        sweep.row(f"variant {index}")
    sweep.write()
    return sweep.root


def test_every_kind_is_drawn_once_and_then_kept(sweep: Any) -> None:
    root = fill(sweep, arrays(0), arrays(1))
    paths = draw_all(root)
    folder = root / "figures" / "ablation--cpu" / "mnist-hard"
    assert paths == [folder / f"{name}.png" for name in ("clusters", "detections", "prototypes")]
    for path in paths:
        with Image.open(path) as image:
            assert min(image.size) > 150
    before = [path.stat().st_mtime_ns for path in paths]
    assert draw_all(root) == paths
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_new_results_are_drawn_anew(sweep: Any) -> None:
    paths = draw_all(fill(sweep, arrays(0)))
    before = [path.read_bytes() for path in paths]
    sweep.rows, sweep.cells = [], []
    draw_all(fill(sweep, arrays(5)))
    assert all(path.read_bytes() != old for path, old in zip(paths, before, strict=True))


@pytest.mark.parametrize("missing", ["descriptors", "images", "prototype_images"])
def test_missing_arrays_leave_their_figure_out(sweep: Any, missing: str) -> None:
    content = arrays()
    del content[missing]
    warnings: list[str] = []
    paths = draw_all(fill(sweep, content), warn=warnings.append)
    assert len(paths) == 2
    assert not warnings


def test_nothing_to_draw(sweep: Any) -> None:
    assert draw_all(fill(sweep, {})) == []
    assert not (sweep.root / "figures").exists()


def test_bad_arrays_cost_their_own_picture(sweep: Any) -> None:
    content = arrays()
    content["descriptor_labels"] = np.zeros(3, np.int64)
    warnings: list[str] = []
    paths = draw_all(fill(sweep, content), warn=warnings.append)
    assert [path.name for path in paths] == ["detections.png", "prototypes.png"]
    assert "3 labels for 40 descriptors" in warnings[0]


def test_only_one_panel_a_variant_and_optional_keys() -> None:
    bare: dict[str, Any] = arrays()
    for key in ("prototypes", "descriptor_labels", "reconstructions", "truth_boxes", "box_side"):
        del bare[key]
    figure = clusters.draw({"one": bare, "two": arrays()}, "caption")
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
    figure = detections.draw({"one": bare}, "caption")
    assert figure is not None
    assert len(figure.axes) == 2


def test_embedding_keeps_clusters_apart() -> None:
    generator = np.random.default_rng(0)
    centres = np.eye(8)[:2]
    points = np.repeat(centres, 30, axis=0) + generator.normal(0, 0.02, (60, 8))
    positions, crosses = clusters.embed(points, centres)
    means = [positions[:30].mean(axis=0), positions[30:].mean(axis=0)]
    for own, other in ((0, 1), (1, 0)):
        near = np.linalg.norm(crosses[own] - means[own])
        assert near < np.linalg.norm(crosses[own] - means[other])


def test_embedding_of_equal_descriptors_is_finite() -> None:
    positions, _ = clusters.embed(np.ones((20, 4)), np.zeros((0, 4)))
    assert np.isfinite(positions).all()


def test_boxes_are_judged_one_truth_at_a_time() -> None:
    truth = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 50, 50]], float)
    boxes = np.array(
        [[1, 1, 11, 11], [0, 0, 10, 10], [20, 20, 30, 30], [47, 47, 57, 57], [40, 41, 50, 51]],
        float,
    )
    labels = np.array([3, 3, 4, 5, -1])
    assert detections.verdicts(boxes, labels, truth, np.array([3, 5, 5])) == [
        detections.WRONG,
        detections.RIGHT,
        detections.WRONG,
        detections.WRONG,
        detections.UNLABELLED,
    ]


def test_mosaic_lays_images_out_row_by_row() -> None:
    images = np.stack([np.full((4, 4, 3), value, np.uint8) for value in (10, 20, 30)])
    sheet = prototypes.mosaic(images, 2)
    assert sheet.shape == (10, 10, 3)
    assert (sheet[0, 0, 0], sheet[0, 6, 0], sheet[6, 0, 0], sheet[6, 6, 0]) == (10, 20, 30, 255)


def test_prototypes_are_named_by_class_and_shown_as_far_as_a_box_reaches() -> None:
    found = {
        "prototype_images": np.zeros((3, 40, 40, 3), np.uint8),
        "prototype_classes": np.array([7, -1]),
        "box_side": np.asarray(10.0),
    }
    figure = prototypes.draw({"one": found}, "caption")
    assert figure is not None
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["0: 7", "1: none", "2: none"]
    assert axes.get_images()[0].get_size()[0] == 20
    assert "index: class" in axes.get_title(loc="left")


def test_prototypes_are_drawn_as_systems_give_them() -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (4, 8, 8, 3)).astype(np.uint8)
    shown = []
    for given in (images, np.moveaxis(images, -1, 1).astype(np.float32) / 255):
        figure = prototypes.draw({"one": {"prototype_images": given}}, "caption")
        assert figure is not None
        shown.append(figure.axes[0].images[0].get_array())
    assert np.array_equal(*shown)
