"""The landmark regressor against scikit-learn and SciPy, and errors on hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.linear_model import Ridge

from tuskbench.contracts import Keypoints, Prediction, Split
from tuskbench.metrics.landmarks import (
    LandmarkRegressor,
    Regression,
    gather,
    landmark_errors,
    score,
    slot_vector,
    to_fractions,
    to_pixels,
)


def random_points(images: int, count: int, prototypes: int, seed: int = 0):
    random = np.random.default_rng(seed)
    return random.random((images, count, 2)), random.integers(0, prototypes, (images, count))


def naive_slots(xy, label, prototypes, order):
    vector = np.zeros((len(xy), prototypes, xy.shape[1], 2))
    for image, (points, labels) in enumerate(zip(xy, label, strict=True)):
        for prototype in range(prototypes):
            own = points[labels == prototype].tolist()
            key = (lambda p: p) if order == "x" else (lambda p: p[::-1])
            for slot, point in enumerate(sorted(own, key=key)):
                vector[image, prototype, slot] = point
    return vector.reshape(len(xy), -1)


def test_slots_of_a_hand_made_image() -> None:
    xy = np.array([[[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]])
    label = np.array([[1, 1, 0]])
    by_x = slot_vector(xy, label, 2, "x").reshape(2, 3, 2)
    assert by_x[0].tolist() == [[0.5, 0.5], [0, 0], [0, 0]]
    assert by_x[1].tolist() == [[0.2, 0.8], [0.9, 0.1], [0, 0]]
    by_y = slot_vector(xy, label, 2, "y").reshape(2, 3, 2)
    assert by_y[1].tolist() == [[0.9, 0.1], [0.2, 0.8], [0, 0]]


@pytest.mark.parametrize("order", ["x", "y"])
def test_slots_match_loops(order) -> None:
    xy, label = random_points(50, 6, 4)
    assert np.array_equal(slot_vector(xy, label, 4, order), naive_slots(xy, label, 4, order))


def test_order_of_detections_does_not_matter() -> None:
    xy, label = random_points(20, 5, 3)
    shuffled = np.random.default_rng(1).permuted(np.tile(np.arange(5), (20, 1)), axis=1)
    again = slot_vector(
        np.take_along_axis(xy, shuffled[..., None], 1), np.take_along_axis(label, shuffled, 1), 3
    )
    assert np.array_equal(slot_vector(xy, label, 3), again)


def test_ridge_is_scikit_learns() -> None:
    xy, label = random_points(300, 4, 5)
    landmarks = np.random.default_rng(2).random((300, 5, 2))
    rules = Regression(ridge=1e-3)
    ours = LandmarkRegressor.fit(xy, label, landmarks, rules).predict(xy, label)
    vector = slot_vector(xy, label, 5)
    # Scikit-learn penalises the sum of squared errors, not their mean.
    peer = Ridge(alpha=1e-3 * 300, fit_intercept=False).fit(vector, landmarks.reshape(300, -1))
    assert np.allclose(ours.reshape(300, -1), peer.predict(vector))


def test_without_ridge_it_is_scipys_minimum_norm() -> None:
    xy, label = random_points(30, 4, 8)
    landmarks = np.random.default_rng(2).random((30, 5, 2))
    regressor = LandmarkRegressor.fit(xy, label, landmarks, Regression(ridge=0))
    vector = slot_vector(xy, label, regressor.prototypes)
    peer = scipy.linalg.lstsq(vector, landmarks.reshape(30, -1))[0]
    assert np.allclose(regressor.weight, peer)
    assert regressor.inputs == vector.any(0).sum()


def test_adam_gets_near_the_closed_form() -> None:
    xy, _ = random_points(2000, 3, 1)
    label = np.tile(np.arange(3), (2000, 1))
    mixing = np.random.default_rng(3).random((6, 4)) / 3
    landmarks = (xy.reshape(2000, -1) @ mixing).reshape(2000, 2, 2)
    rules = Regression.of("code", ridge=0, epochs=20)
    regressor = LandmarkRegressor.fit(xy, label, landmarks, rules)
    assert rules.order == "y"
    assert rules.solver == "adam"
    assert np.abs(regressor.predict(xy, label) - landmarks).mean() < 0.01


def test_a_label_never_fitted_is_left_out() -> None:
    xy, label = random_points(50, 3, 2)
    regressor = LandmarkRegressor.fit(xy, label, xy)
    assert np.isfinite(regressor.predict(xy, label + 5)).all()
    assert not regressor.predict(xy, label + 5).any()


def test_errors_of_hand_made_faces() -> None:
    truth = np.array([[[0.2, 0.5], [0.6, 0.5]], [[0.5, 0.5], [0.5, 0.5]]])
    predicted = truth + np.array([0.03, 0.04])
    assert np.allclose(landmark_errors(predicted, truth, None), 0.05)
    errors = landmark_errors(predicted, truth, (0, 1))
    assert np.allclose(errors[0], 0.125)
    assert np.isnan(errors[1]).all()


def split_of(landmarks: np.ndarray, size: tuple[int, int]) -> Split:
    images = torch.zeros(len(landmarks), 3, *size, dtype=torch.uint8)
    return Split(images, {"landmarks": torch.from_numpy(landmarks).float()})


def test_fractions_are_of_the_corner() -> None:
    split = split_of(np.zeros((1, 1, 2)), (10, 20))
    assert to_fractions(np.array([-0.5, -0.5]), split).tolist() == [0, 0]
    assert to_fractions(np.array([19.5, 9.5]), split).tolist() == [1, 1]
    assert np.allclose(to_pixels(to_fractions(np.array([3.0, 7.0]), split), split), [3, 7])


def test_unlabelled_keypoints_share_a_label() -> None:
    split = split_of(np.zeros((2, 1, 2)), (8, 8))
    points = gather(split, [Prediction(Keypoints(torch.zeros(2, 3, 2), torch.ones(2, 3)))])
    assert points.label.shape == (2, 3)
    assert not points.label.any()


def test_oracle_is_perfect_and_mean_is_the_baseline() -> None:
    random = np.random.default_rng(0)
    labelled, test = (split_of(random.random((n, 5, 2)) * 40, (48, 48)) for n in (400, 60))
    test.targets["landmarks"][3] = 7.0

    def oracle(split):
        xy = split.targets["landmarks"]
        label = torch.arange(5).expand(len(xy), -1)
        return [Prediction(Keypoints(xy, torch.ones(xy.shape[:2]), label))]

    metrics = score(Regression(), (0, 1), (labelled, oracle(labelled)), (test, oracle(test)))
    assert metrics.values["error"] < 1e-3
    assert metrics.counts == {"images": 60, "skipped": 1, "labelled": 400, "regressor_inputs": 10}
    truth = test.targets["landmarks"].numpy()
    mean = labelled.targets["landmarks"].numpy().mean(0)
    unit = np.linalg.norm(truth[:, 0] - truth[:, 1], axis=-1)
    each = np.linalg.norm(truth - mean, axis=-1).mean(1)
    kept = unit > 0
    assert metrics.values["mean_landmark_error"] == pytest.approx(
        (each[kept] / unit[kept]).mean(), rel=1e-5
    )
    assert np.isnan(metrics.per_image["error"][3])
    assert metrics.figures["landmark_errors"].shape == (5,)
