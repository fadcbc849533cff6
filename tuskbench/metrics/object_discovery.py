"""Scores of a system that splits images into objects: segments, and properties by prototype."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuskbench.contracts import Metrics, Prediction, Split
from tuskbench.metrics.properties import (
    Shown,
    accuracy,
    coverage,
    matched_segments,
    owned_objects,
    purity,
)
from tuskbench.metrics.segmentation import adjusted_rand_index, best_overlap, contingency

# Images kept for the report's figures.
FIGURE_IMAGES = 4


@dataclass
class Scored:
    """What predictions over a split come to.

    Attributes:
        scores: metric name to one score an image [N], NaN where it is undefined.
        visible: [N, G] whether each object has a pixel.
        shown: what keypoints show, where labelled keypoints go with the masks.
        figures: arrays of the first images.
    """

    scores: dict[str, NDArray[np.float64]]
    visible: NDArray[np.bool_]
    shown: Shown | None
    figures: dict[str, NDArray] = field(default_factory=dict)

    def means(self) -> dict[str, float]:
        """Return the mean of each score over the images that have it."""
        kept = {name: score[~np.isnan(score)] for name, score in self.scores.items()}
        return {name: float(score.mean()) for name, score in kept.items() if len(score)}


def score(
    test: Split,
    predictions: Iterable[Prediction],
    properties: Sequence[str],
    fitting: tuple[Split, Iterable[Prediction]],
    more: tuple[Split, Iterable[Prediction]] | None,
) -> Metrics:
    """Score predictions over `test`.

    Args:
        test: images with the targets `masks` and every property.
        predictions: over `test`.
        properties: names of the properties that prototypes are scored on.
        fitting: split and predictions on which the strict variant learns what prototypes mean;
            read only where prototypes are scored, and only as far as `test` is long.
        more: split and predictions of images with more objects than in training.
    """
    found = assess(test, predictions, properties)
    values, scores = found.means(), dict(found.scores)
    if found.shown is not None:
        fitted = assess(*fitting, properties, limit=len(test)).shown
        assert fitted is not None
        for name in properties:
            values[name] = purity(found.shown, name)
            values[f"{name}_strict"] = accuracy(found.shown, fitted, name)
        values["coverage"] = coverage(found.shown)
    if more is not None:
        beyond = assess(*more, ())
        scores["ari_more"] = beyond.scores["ari"]
        values |= {f"{name}_more": value for name, value in beyond.means().items() if name == "ari"}
    counts = {
        "images": len(test),
        "objects": int(found.visible.sum()),
        "skipped": int(np.isnan(found.scores["ari"]).sum()),
    }
    return Metrics(values, scores, counts, found.figures)


def assess(
    split: Split,
    predictions: Iterable[Prediction],
    properties: Sequence[str],
    limit: int | None = None,
) -> Scored:
    """Score predictions over a split, or over its first `limit` images, batch by batch."""
    truth, parts, start = split.targets["masks"].cpu(), [], 0
    objects = split.targets[next(iter(properties), "shape")].shape[1]
    for prediction in predictions:
        assert prediction.masks is not None
        parts.append(_Part.of(prediction, truth[start : start + len(prediction.masks)], objects))
        if start == 0:
            figures = _figures(split, prediction)
        start += len(prediction.masks)
        if limit is not None and start >= limit:
            break
    # The last batch may reach beyond the limit.
    visible = np.concatenate([part.visible for part in parts])[:limit]
    names = parts[0].scores
    scores = {
        name: torch.cat([part.scores[name] for part in parts]).numpy()[:limit] for name in names
    }
    shown = None
    if properties and all(part.label is not None for part in parts):
        factors = {name: split.targets[name][: len(visible)].cpu().numpy() for name in properties}
        label, owned, segment = (
            np.concatenate([getattr(part, name) for part in parts])[:limit]
            for name in ("label", "owned", "segment")
        )
        shown = Shown(label, owned, segment, visible, factors)
    return Scored(scores, visible, shown, figures)


@dataclass(frozen=True)
class _Part:
    """The outcome of one batch; see `Scored` and `Shown`."""

    scores: dict[str, Tensor]
    visible: NDArray[np.bool_]
    label: NDArray[np.int64] | None
    owned: NDArray[np.int64] | None
    segment: NDArray[np.int64] | None

    @classmethod
    def of(cls, prediction: Prediction, truth: Tensor, objects: int) -> _Part:
        masks, keypoints = prediction.masks, prediction.keypoints
        assert masks is not None
        table = contingency(truth, masks.argmax(1), objects, masks.shape[1])
        scores = {
            "ari": adjusted_rand_index(table[:, 1:]),
            "ari_all": adjusted_rand_index(table),
            "best_iou": best_overlap(table),
        }
        visible = (table[:, 1:].sum(2) > 0).numpy()
        # Only where every mask has its own keypoint do labels speak of masks.
        if keypoints is None or keypoints.label is None:
            return cls(scores, visible, None, None, None)
        if keypoints.label.shape != masks.shape[:2]:
            return cls(scores, visible, None, None, None)
        owned = owned_objects(masks, truth, objects).numpy()
        return cls(scores, visible, keypoints.label.numpy(), owned, matched_segments(table[:, 1:]))


def _figures(split: Split, prediction: Prediction) -> dict[str, NDArray]:
    """Return what the segmentation figure is drawn from; pictures as [n, ..., H, W, 3] uint8."""
    shown = slice(0, FIGURE_IMAGES)
    assert prediction.masks is not None
    figures = {
        "images": split.images[shown].movedim(1, -1).cpu().numpy(),
        "truth_masks": split.targets["masks"][shown].cpu().numpy(),
        "alphas": _bytes(prediction.masks[shown]),
    }
    if prediction.reconstruction is not None:
        figures["reconstructions"] = _bytes(prediction.reconstruction[shown].movedim(1, -1))
    if prediction.layers is not None:
        figures["layers"] = _bytes(prediction.layers[shown].movedim(2, -1))
    if prediction.keypoints is not None:
        figures["detections_xy"] = prediction.keypoints.xy[shown].numpy()
        figures["detections_score"] = prediction.keypoints.score[shown].numpy()
        if prediction.keypoints.label is not None:
            figures["detections_prototype"] = prediction.keypoints.label[shown].numpy()
    return figures


def _bytes(values: Tensor) -> NDArray[np.uint8]:
    return values.clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
