"""Figures of landmark tasks: what is drawn, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest

from tuskbench.report.figures import landmark_errors, landmarks, several_faces


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """Return small arrays of every kind that these figures read."""
    random = np.random.default_rng(seed)
    found = {
        "landmark_images": random.integers(0, 255, (3, 32, 32, 3)).astype(np.uint8),
        "keypoints_xy": random.uniform(0, 32, (3, 4, 2)),
        "keypoints_label": random.integers(0, 6, (3, 4)),
        "landmarks_true": random.uniform(0, 32, (3, 5, 2)),
        "landmarks_regressed": random.uniform(-5, 40, (3, 5, 2)),
        "landmark_errors": random.random(5),
        "mean_landmark_errors": random.random(5),
        "landmark_names": np.array(["left eye", "right eye", "nose", "left", "right"]),
    }
    for faces in (2, 3, 4):
        found[f"faces_{faces}_images"] = random.integers(0, 255, (4, 32, 32, 3)).astype(np.uint8)
        found[f"faces_{faces}_xy"] = random.uniform(0, 32, (4, 4 * faces, 2))
        found[f"faces_{faces}_label"] = random.integers(0, 6, (4, 4 * faces))
        found[f"faces_{faces}_boxes"] = random.uniform(4, 12, (4, faces, 4))
        found[f"faces_{faces}_covered"] = random.random((4, faces)) < 0.5
    return found


@pytest.mark.parametrize("module", [landmarks, landmark_errors, several_faces])
def test_every_kind_is_drawn(module) -> None:
    figure = module.draw({"first": arrays(0), "second": arrays(1)}, "task; budget: cpu")
    assert figure is not None
    assert "budget: cpu" in figure.get_suptitle()


@pytest.mark.parametrize("module", [landmarks, landmark_errors, several_faces])
def test_records_of_other_tasks_are_left_out(module) -> None:
    assert module.draw({"digits": {"images": np.zeros((1, 8, 8, 3))}}, "") is None


def test_a_row_of_detections_and_one_of_landmarks() -> None:
    figure = landmarks.draw({"first": arrays(0), "second": arrays(1)}, "")
    assert figure is not None
    assert len(figure.axes) == 2 * 2 * 3
    image = figure.axes[0]
    # What lies outside is cut off, not shown beside the image.
    assert image.get_xlim() == (-0.5, 31.5)


def test_errors_beside_the_mean_landmarks() -> None:
    found = arrays(0)
    figure = landmark_errors.draw({"first": found}, "")
    assert figure is not None
    mean, errors = figure.axes[0].get_lines()
    assert np.allclose(mean.get_ydata(), 100 * found["mean_landmark_errors"])
    assert np.allclose(errors.get_ydata(), 100 * found["landmark_errors"])
    assert figure.axes[0].get_xticklabels()[2].get_text() == "nose"


def test_many_unnamed_landmarks_are_numbered() -> None:
    figure = landmark_errors.draw({"first": {"landmark_errors": np.ones(32)}}, "")
    assert figure is not None
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()][-1] == "31"


def test_six_panels_of_several_faces() -> None:
    found = arrays(0)
    del found["faces_4_images"]
    figure = several_faces.draw({"first": found}, "")
    assert figure is not None
    assert sum(axes.axison for axes in figure.axes) == 4
