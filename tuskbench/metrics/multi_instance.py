"""Localisation and classification of several objects an image, without class supervision."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tuskbench.contracts import Metrics, Prediction, Split
from tuskbench.metrics.boxes import match_greedy, match_hungarian, square_iou
from tuskbench.metrics.mapping import Mapping, count_pairs, fit_mapping
from tuskbench.metrics.threshold import best_threshold

# How much of an evaluation is kept for the report's figures.
FIGURE_IMAGES = 6
FIGURE_DESCRIPTORS = 2000
# Descriptors that the k-means diagnostic is fitted on.
KMEANS_DESCRIPTORS = 6000


@dataclass(frozen=True)
class Protocol:
    """The rules that a score is computed under.

    Attributes:
        matching: how predictions are matched to objects.
        mapping: how prototypes are mapped to classes; None takes labels that are named for
            classes, and maps others by `majority`.
        majority: without `mapping`, map by majority; else one to one unless there are more
            prototypes than classes.
        box_side: side of the predicted box in pixels.
        smallest_score: detections below it do not count; None for the best on the split that
            the mapping is fitted on.
        classes: number of classes.
    """

    matching: Literal["hungarian", "greedy"]
    mapping: Mapping | None
    majority: bool
    box_side: float
    smallest_score: float | None
    classes: int

    def mapping_for(self, prototypes: int, named: bool) -> Mapping:
        """Return the mapping used with so many prototypes, or with named labels."""
        if self.mapping is not None:
            return self.mapping
        if named:
            return "identity"
        return "majority" if self.majority or prototypes > self.classes else "bipartite"


@dataclass(frozen=True)
class Detections:
    """Predictions over a split and what they were matched to.

    Attributes:
        xy: [N, K, 2]; score: [N, K]; prototype: [N, K].
        named: whether prototypes are classes.
        kept: [N, K] which are not dropped for a low score.
        descriptor: [N, K, C] or None.
        match: [N, G] index of each object's prediction, -1 without one.
        labels: [N, G] true classes, -1 where there is no object.
        boxes: [N, G, 3] true centre x, centre y, half side.
    """

    xy: NDArray[np.float32]
    score: NDArray[np.float32]
    prototype: NDArray[np.int64]
    named: bool
    descriptor: NDArray[np.float32] | None
    kept: NDArray[np.bool_]
    match: NDArray[np.int64]
    labels: NDArray[np.int64]
    boxes: NDArray[np.float32]

    @property
    def matched(self) -> NDArray[np.bool_]:
        """Return [N, G]: which objects were found."""
        return self.match >= 0

    def of_matched(self, values: NDArray) -> NDArray:
        """Return what `values` [N, K, ...] says of every matched object, flat."""
        image, _ = np.nonzero(self.matched)
        return values[image, self.match[self.matched]]


def gather(split: Split, predictions: Iterable[Prediction]) -> Detections:
    """Return predictions over a split beside its truth; nothing is matched yet."""
    with_keypoints = [p for p in predictions if p.keypoints is not None]
    keypoints = [p.keypoints for p in with_keypoints if p.keypoints is not None]
    named = all(p.named for p in with_keypoints)
    xy = torch.cat([k.xy for k in keypoints]).float().cpu().numpy()
    score = torch.cat([k.score for k in keypoints]).float().cpu().numpy()
    prototype = np.zeros(score.shape, np.int64)
    if all(k.label is not None for k in keypoints):
        prototype = torch.cat([k.label for k in keypoints if k.label is not None]).cpu().numpy()
    descriptor = None
    if all(k.descriptor is not None for k in keypoints):
        parts = [k.descriptor for k in keypoints if k.descriptor is not None]
        descriptor = torch.cat(parts).float().cpu().numpy()
    labels = split.targets["labels"].cpu().numpy()
    boxes = split.targets["boxes"].cpu().numpy()
    kept, match = np.ones(score.shape, bool), np.full(labels.shape, -1)
    return Detections(xy, score, prototype, named, descriptor, kept, match, labels, boxes)


def assign(protocol: Protocol, found: Detections, smallest_score: float) -> Detections:
    """Match the detections of at least the given score to the objects."""
    kept = found.score >= smallest_score
    iou = square_iou(found.xy, protocol.box_side, found.boxes[..., :2], 2 * found.boxes[..., 2])
    iou *= kept[:, :, None] & (found.labels >= 0)[:, None, :]
    match = match_hungarian(iou) if protocol.matching == "hungarian" else match_greedy(iou)
    return replace(found, kept=kept, match=match)


def _smallest_score(protocol: Protocol, found: Detections) -> float:
    if protocol.smallest_score is not None:
        return protocol.smallest_score
    found = assign(protocol, found, -np.inf)
    matched = np.zeros(found.score.shape, bool)
    matched[np.nonzero(found.matched)[0], found.match[found.matched]] = True
    return best_threshold(found.score.ravel(), matched.ravel(), int((found.labels >= 0).sum()))


def score(
    protocol: Protocol,
    split: Split,
    predictions: Iterable[Prediction],
    fitting: tuple[Split, Iterable[Prediction]] | None = None,
) -> Metrics:
    """Score predictions over `split`.

    The mapping, and the smallest score where the protocol leaves it open, are fitted on
    `fitting`, or on `split` itself.
    """
    found = gather(split, predictions)
    fitted = gather(*fitting) if fitting else found
    smallest = _smallest_score(protocol, fitted)
    found = assign(protocol, found, smallest)
    fitted = assign(protocol, fitted, smallest) if fitting else found
    prototypes = 1 + int(max(found.prototype.max(), fitted.prototype.max()))
    counts = _count(fitted, prototypes, protocol.classes)
    tested = counts if fitted is found else _count(found, prototypes, protocol.classes)
    right = fit_mapping(counts, protocol.mapping_for(prototypes, found.named))

    real = found.labels >= 0
    objects, matched = int(real.sum()), int(found.matched.sum())
    correct = np.zeros(found.labels.shape, bool)
    correct[found.matched] = right[found.of_matched(found.prototype), found.labels[found.matched]]
    values = {
        "localisation": matched / max(objects, 1),
        "precision": matched / max(int(found.kept.sum()), 1),
        "classification": int(correct.sum()) / max(matched, 1),
        "both": int(correct.sum()) / max(objects, 1),
    }
    for mapping in ("reverse", "majority"):
        hits = float(tested[fit_mapping(counts, mapping)].sum())
        values[mapping] = hits / max(matched, 1)
        if mapping == "reverse":
            values["reverse_both"] = hits / max(objects, 1)
    if found.descriptor is not None and matched >= protocol.classes:
        values["descriptor_kmeans"] = _kmeans_classification(found, protocol.classes)
    each = real.sum(1).clip(1)
    per_image = {"localisation": found.matched.sum(1) / each, "both": correct.sum(1) / each}
    totals = {"images": len(split), "objects": objects, "matched": matched}
    return Metrics(values, per_image, totals, _figures(protocol, split, found, right))


def _count(found: Detections, prototypes: int, classes: int) -> NDArray[np.int64]:
    label = found.labels[found.matched]
    return count_pairs(found.of_matched(found.prototype), label, prototypes, classes)


def _kmeans_classification(found: Detections, classes: int) -> float:
    """Return how well k-means on the descriptors would classify, mapped one to one.

    It tells a poor descriptor from a poor placement of the prototypes.
    """
    from sklearn.cluster import KMeans

    assert found.descriptor is not None
    points = found.of_matched(found.descriptor)[:KMEANS_DESCRIPTORS]
    label = found.labels[found.matched][:KMEANS_DESCRIPTORS]
    cluster = KMeans(classes, n_init=4, random_state=0).fit_predict(points).astype(np.int64)
    counts = count_pairs(cluster, label, classes, classes)
    return float(counts[fit_mapping(counts, "bipartite")].sum() / len(label))


def _figures(
    protocol: Protocol, split: Split, found: Detections, right: NDArray[np.bool_]
) -> dict[str, NDArray]:
    """Return what the detection and t-SNE figures are drawn from."""
    shown = slice(0, FIGURE_IMAGES)
    images = split.images[shown].expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu().numpy()
    # A prototype without a class is shown as -1.
    predicted_class = np.where(right.any(1), right.argmax(1), -1)
    centre, half = found.boxes[shown, :, :2], found.boxes[shown, :, 2:]
    figures: dict[str, NDArray] = {
        "images": images,
        "detections_xy": found.xy[shown],
        "detections_score": found.score[shown],
        "detections_kept": found.kept[shown],
        "detections_label": predicted_class[found.prototype[shown]],
        "truth_boxes": np.concatenate([centre - half, centre + half], -1),
        "truth_labels": found.labels[shown],
        "box_side": np.asarray(protocol.box_side, np.float32),
        "prototype_classes": predicted_class,
    }
    if found.descriptor is not None:
        truth = np.full(found.prototype.shape, -1)
        image, _ = np.nonzero(found.matched)
        truth[image, found.match[found.matched]] = found.labels[found.matched]
        points = found.descriptor.reshape(-1, found.descriptor.shape[-1])
        figures["descriptors"] = points[:FIGURE_DESCRIPTORS]
        figures["descriptor_labels"] = truth.reshape(-1)[:FIGURE_DESCRIPTORS]
    return figures
