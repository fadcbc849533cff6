"""Landmarks regressed from keypoints by a linear layer without bias, and their errors.

Positions are fractions of the image: (0, 0) is its top-left corner, (1, 1) its bottom-right
one, x before y. The origin matters, because the regressor has no bias (paper, section 4.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from tuskbench.contracts import Faithful, Metrics, Prediction, Split

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

# Optimizer of the official code's regressor.
ADAM_RATE = 1e-2
ADAM_BATCH = 64
# How much of an evaluation is kept for the report's figures.
FIGURE_IMAGES = 8
FIGURE_DESCRIPTORS = 2000


@dataclass(frozen=True)
class Regression:
    """How the regressor is fed and fitted.

    Attributes:
        order: keypoints that share a label fill their slots from left to right ("x"), as the
            paper says, or from top to bottom ("y"), as its code does.
        solver: "ridge" minimises the mean squared error plus `ridge` times the squared weights
            in closed form; "adam" is the official code's training.
        ridge: weight of that penalty; 0 gives least squares of minimum norm.
        epochs: of "adam".
    """

    order: Literal["x", "y"] = "x"
    solver: Literal["ridge", "adam"] = "ridge"
    ridge: float = 1e-6
    epochs: int = 5

    @classmethod
    def of(cls, faithful_to: Faithful, *, ridge: float, epochs: int) -> Self:
        """Return the regression of the paper, with a closed form, or of its code."""
        if faithful_to == "paper":
            return cls("x", "ridge", ridge, epochs)
        return cls("y", "adam", ridge, epochs)


@dataclass(frozen=True)
class Points:
    """The labelled keypoints of a split.

    Attributes:
        xy: [N, K, 2] in fractions of the image.
        label: [N, K] prototype or channel, from 0.
        descriptor: [N, K, C] or None.
    """

    xy: Floats
    label: Labels
    descriptor: NDArray[np.float32] | None = None


def gather(split: Split, predictions: Iterable[Prediction]) -> Points:
    """Return the keypoints predicted over a split; without labels, all have label 0."""
    keypoints = [p.keypoints for p in predictions if p.keypoints is not None]
    xy = to_fractions(torch.cat([k.xy for k in keypoints]).double().cpu().numpy(), split)
    label = np.zeros(xy.shape[:2], np.int64)
    if all(k.label is not None for k in keypoints):
        label = torch.cat([k.label for k in keypoints if k.label is not None]).cpu().numpy()
    descriptor = None
    if all(k.descriptor is not None for k in keypoints):
        parts = [k.descriptor for k in keypoints if k.descriptor is not None]
        descriptor = torch.cat(parts).float().cpu().numpy()
    return Points(xy, label, descriptor)


def to_fractions(pixels: NDArray[np.floating], split: Split) -> Floats:
    """Return positions [..., 2], in pixels of the split's images, as fractions of the image."""
    height, width = split.images.shape[-2:]
    fractions: Floats = (pixels + 0.5) / np.array([width, height], np.float64)
    return fractions


def to_pixels(fractions: Floats, split: Split) -> Floats:
    """Return positions [..., 2], in fractions of the image, as pixels of the split's images."""
    height, width = split.images.shape[-2:]
    pixels: Floats = fractions * np.array([width, height], np.float64) - 0.5
    return pixels


def slot_vector(
    xy: Floats, label: Labels, prototypes: int, order: Literal["x", "y"] = "x"
) -> Floats:
    """Write keypoints into the regressor's input of M x K x 2 entries (paper, section 4.3).

    The n keypoints of prototype m, sorted by `order` with ties broken by the other coordinate,
    fill the slots [m, 0] to [m, n - 1]; all other entries are zero.

    Args:
        xy: [N, K, 2] positions.
        label: [N, K] prototype of each.
        prototypes: M; keypoints of a label beyond it are left out.
        order: "x" from left to right, "y" from top to bottom.

    Returns:
        [N, M * K * 2].
    """
    images, count = label.shape
    major, minor = (0, 1) if order == "x" else (1, 0)
    ranked = np.lexsort((xy[..., minor], xy[..., major], label), axis=-1)
    label = np.take_along_axis(label, ranked, 1)
    xy = np.take_along_axis(xy, ranked[..., None], 1)
    place = np.arange(count)
    begins = np.ones(label.shape, bool)
    begins[:, 1:] = label[:, 1:] != label[:, :-1]
    slot = place - np.maximum.accumulate(np.where(begins, place, 0), axis=1)
    vector = np.zeros((images, prototypes, count, 2))
    row, column = np.nonzero(label < prototypes)
    vector[row, label[row, column], slot[row, column]] = xy[row, column]
    return vector.reshape(images, -1)


class LandmarkRegressor:
    """One linear layer without bias from keypoints to landmarks.

    Attributes:
        weight: [M * K * 2, T * 2].
        inputs: how many of the M * K * 2 entries any fitted image fills.
        prototypes: M, one more than the largest label it was fitted on.
    """

    def __init__(self, rules: Regression, weight: Floats, inputs: int, prototypes: int) -> None:
        self.rules, self.weight = rules, weight
        self.inputs, self.prototypes = inputs, prototypes

    @classmethod
    def fit(
        cls, xy: Floats, label: Labels, landmarks: Floats, rules: Regression | None = None
    ) -> Self:
        """Fit it on labelled images.

        Args:
            xy: [N, K, 2] keypoints in fractions of the image.
            label: [N, K] their prototypes.
            landmarks: [N, T, 2] in fractions of the image.
            rules: how; by default the paper's order and a closed form.
        """
        rules = rules or Regression()
        prototypes = 1 + int(label.max(initial=-1))
        vector = slot_vector(xy, label, prototypes, rules.order)
        target = landmarks.reshape(len(landmarks), -1).astype(np.float64)
        # An entry that is always zero says nothing; its weight is zero.
        filled = vector.any(0)
        weight = np.zeros((vector.shape[1], target.shape[1]))
        if rules.solver == "ridge":
            weight[filled] = _solve(vector[:, filled], target, rules.ridge)
        else:
            weight = _descend(vector, target, rules.epochs)
        return cls(rules, weight, int(filled.sum()), prototypes)

    def predict(self, xy: Floats, label: Labels) -> Floats:
        """Return the landmarks [N, T, 2] of keypoints [N, K, 2] with labels [N, K]."""
        vector = slot_vector(xy, label, self.prototypes, self.rules.order)
        predicted: Floats = vector @ self.weight
        return predicted.reshape(len(xy), -1, 2)


def _solve(vector: Floats, target: Floats, ridge: float) -> Floats:
    """Return the weights of least squares with a penalty, or of minimum norm without."""
    if not ridge:
        return np.asarray(np.linalg.lstsq(vector, target)[0])
    gram = vector.T @ vector / len(vector) + ridge * np.eye(vector.shape[1])
    weight = np.linalg.solve(gram, vector.T @ target / len(vector))
    return np.asarray(weight, np.float64)


def _descend(vector: Floats, target: Floats, epochs: int) -> Floats:
    """Return the weights that the official code's few epochs of Adam reach."""
    generator = torch.Generator().manual_seed(0)
    inputs, targets = (torch.from_numpy(array).float() for array in (vector, target))
    bound = inputs.shape[1] ** -0.5
    weight = torch.empty(inputs.shape[1], targets.shape[1]).uniform_(
        -bound, bound, generator=generator
    )
    weight.requires_grad_()
    optimizer = torch.optim.Adam([weight], ADAM_RATE)
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs), generator=generator).split(ADAM_BATCH):
            optimizer.zero_grad()
            (inputs[batch] @ weight - targets[batch]).square().mean().backward()
            optimizer.step()
    return weight.detach().double().numpy()


def longer_side(split: Split) -> Floats:
    """Return the images' (width, height) as shares of the longer: what scales fractions [2]."""
    height, width = split.images.shape[-2:]
    return np.array([width, height], np.float64) / max(width, height)


def landmark_errors(
    predicted: Floats, truth: Floats, unit: tuple[int, int] | None, scale: Floats | float = 1.0
) -> Floats:
    """Return the distance of every landmark to its prediction.

    Args:
        predicted: [N, T, 2] in fractions of the image.
        truth: [N, T, 2] in fractions of the image.
        unit: the two landmarks, such as the eyes, whose true distance is the unit; None for
            the longer side of the image.
        scale: see `longer_side`; 1 for square images.

    Returns:
        [N, T]; NaN for images whose unit is zero.
    """
    distance = np.asarray(np.linalg.norm((predicted - truth) * scale, axis=-1), np.float64)
    if unit is not None:
        first, second = unit
        length = np.linalg.norm((truth[:, first] - truth[:, second]) * scale, axis=-1)
        distance /= np.where(length > 0, length, np.nan)[:, None]
    return distance


def score(
    rules: Regression,
    unit: tuple[int, int] | None,
    labelled: tuple[Split, Iterable[Prediction]],
    test: tuple[Split, Iterable[Prediction]],
) -> Metrics:
    """Fit the regressor on labelled images and score it on test images.

    The metrics are `error`, the mean over images of the mean over landmarks;
    `mean_landmark_error`: that of the labelled images' mean landmarks, which look at no image;
    and `oracle_error`: that of the same regressor on the true landmarks, each with a label.
    Images whose unit is zero have no score (NaN) and are counted as skipped.

    Args:
        rules: how the regressor is fed and fitted.
        unit: see `landmark_errors`.
        labelled: images with `landmarks` [N, T, 2] in pixels, and their predictions.
        test: the same for the images scored.
    """
    fitting, found = gather(*labelled), gather(*test)
    known, truth = (
        to_fractions(split.targets["landmarks"].double().cpu().numpy(), split)
        for split, _ in (labelled, test)
    )
    regressor = LandmarkRegressor.fit(fitting.xy, fitting.label, known, rules)
    predicted = regressor.predict(found.xy, found.label)
    scale = longer_side(test[0])
    errors = landmark_errors(predicted, truth, unit, scale)
    blind = landmark_errors(np.broadcast_to(known.mean(0), truth.shape), truth, unit, scale)
    perfect = _oracle_errors(known, truth, rules, unit, scale)
    per_image = {
        "error": errors.mean(1),
        "mean_landmark_error": blind.mean(1),
        "oracle_error": perfect.mean(1),
    }
    values = {name: float(_mean(each)) for name, each in per_image.items()}
    counts = {
        "images": len(truth),
        "skipped": int(np.isnan(errors).any(1).sum()),
        "labelled": len(known),
        "regressor_inputs": regressor.inputs,
    }
    figures = _figures(test[0], found, truth, predicted)
    figures["landmark_errors"] = _mean(errors)
    figures["mean_landmark_errors"] = _mean(blind)
    return Metrics(values, per_image, counts, figures)


def _mean(errors: Floats) -> Floats:
    """Return the mean over the images [N, ...] that have a score; NaN where none has."""
    scored = errors[~np.isnan(errors.reshape(len(errors), -1)).any(1)]
    return scored.mean(0) if len(scored) else np.full(errors.shape[1:], np.nan)


def _oracle_errors(
    known: Floats, truth: Floats, rules: Regression, unit: tuple[int, int] | None, scale: Floats
) -> Floats:
    """Return the errors of a regressor that is given every landmark as a keypoint of its own."""
    label = np.broadcast_to(np.arange(known.shape[1]), known.shape[:2])
    regressor = LandmarkRegressor.fit(known, label, known, rules)
    label = np.broadcast_to(np.arange(truth.shape[1]), truth.shape[:2])
    return landmark_errors(regressor.predict(truth, label), truth, unit, scale)


def _figures(split: Split, found: Points, truth: Floats, predicted: Floats) -> dict[str, NDArray]:
    """Return what the landmark and t-SNE figures are drawn from."""
    shown = slice(0, FIGURE_IMAGES)
    images = split.images[shown].expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu().numpy()
    figures: dict[str, NDArray] = {
        "landmark_images": images,
        "keypoints_xy": to_pixels(found.xy[shown], split).astype(np.float32),
        "keypoints_label": found.label[shown],
        "landmarks_true": to_pixels(truth[shown], split).astype(np.float32),
        "landmarks_regressed": to_pixels(predicted[shown], split).astype(np.float32),
    }
    if found.descriptor is not None:
        points = found.descriptor.reshape(-1, found.descriptor.shape[-1])
        figures["descriptors"] = points[:FIGURE_DESCRIPTORS]
        figures["descriptor_labels"] = found.label.reshape(-1)[:FIGURE_DESCRIPTORS]
    return figures
