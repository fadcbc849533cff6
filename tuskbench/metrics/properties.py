"""Which objects the prototypes call by their shape, colour and size, without supervision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuskbench.metrics.boxes import match_hungarian
from tuskbench.metrics.mapping import count_pairs, fit_mapping

# A keypoint owns the pixels where its mask exceeds this, and the object that fills more than
# `SHARE` of them (official code, inference_multi_objects.py).
OPACITY = 0.8
SHARE = 0.5
# Overlap at which the strict variant takes a segment for an object.
OVERLAP = 0.5


def owned_objects(masks: Tensor, truth: Tensor, objects: int) -> Tensor:
    """Return the object that each keypoint shows in the official code's sense, -1 for none.

    Background pixels count among those that a keypoint owns, so one that shows mostly
    background owns no object. Two keypoints may own the same object.

    Args:
        masks: [B, K, H, W], summing to 1 over K.
        truth: [B, H, W] integer labels in 0..objects, 0 for background.
        objects: G, largest number of objects.

    Returns:
        [B, K] int64 in -1..G - 1.
    """
    opaque = (masks > OPACITY).flatten(2).double()
    labels = torch.nn.functional.one_hot(truth.long().flatten(1), objects + 1).double()
    pixels = opaque @ labels
    most, label = pixels[..., 1:].max(-1)
    return torch.where(most > SHARE * pixels.sum(-1), label, -1)


def matched_segments(table: Tensor) -> NDArray[np.int64]:
    """Pair objects with segments one to one for the largest overlap, where it is at least half.

    Overlap is measured on the pixels of objects, as foreground ARI is: a system without a
    background slot gives every background pixel to some keypoint.

    Args:
        table: [B, G, K] pixels by true object and segment, without the background.

    Returns:
        [B, G] segment of each object, -1 without one.
    """
    common = table.double()
    union = common.sum(2, keepdim=True) + common.sum(1, keepdim=True) - common
    overlap = (common / union.clamp_min(1)).transpose(1, 2).cpu().numpy()
    return match_hungarian(overlap, OVERLAP)


@dataclass(frozen=True)
class Shown:
    """What the keypoints of some images show; all arrays have a row an image.

    Attributes:
        label: [N, K] prototype of each keypoint.
        owned: [N, K] object of each keypoint by `owned_objects`.
        segment: [N, G] keypoint of each object by `matched_segments`.
        visible: [N, G] whether the object has a pixel.
        factors: property name to [N, G] values, -1 where there is no object.
    """

    label: NDArray[np.int64]
    owned: NDArray[np.int64]
    segment: NDArray[np.int64]
    visible: NDArray[np.bool_]
    factors: Mapping[str, NDArray[np.int64]]


def purity(shown: Shown, name: str) -> float:
    """Return the accuracy of the official code for a property.

    Every prototype stands for the value it meets most often in the same images; keypoints
    without an object are left out, and objects without a keypoint cost nothing.
    """
    image, keypoint = np.nonzero(shown.owned >= 0)
    value = shown.factors[name][image, shown.owned[image, keypoint]]
    counts = _count(shown.label[image, keypoint], value)
    return float(counts.max(1).sum() / max(counts.sum(), 1))


def accuracy(shown: Shown, fitted: Shown, name: str) -> float:
    """Return the share of all visible objects whose value their prototype tells.

    An object without a segment of its own is wrong. What a prototype stands for is its most
    frequent value in `fitted`, other images than those scored; one never met there is wrong.
    """
    prototypes = 1 + int(max(shown.label.max(initial=0), fitted.label.max(initial=0)))
    values = 1 + int(max(shown.factors[name].max(initial=0), fitted.factors[name].max(initial=0)))
    known = _count(*_matched(fitted, name), prototypes, values)
    right = fit_mapping(known, "majority") & (known.max(1, keepdims=True) > 0)
    label, value = _matched(shown, name)
    return float(right[label, value].sum() / max(shown.visible.sum(), 1))


def coverage(shown: Shown) -> float:
    """Return the share of visible objects that have a segment of their own."""
    return float((shown.segment >= 0).sum() / max(shown.visible.sum(), 1))


def _matched(shown: Shown, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    image, index = np.nonzero(shown.segment >= 0)
    return shown.label[image, shown.segment[image, index]], shown.factors[name][image, index]


def _count(
    label: NDArray[np.int64], value: NDArray[np.int64], prototypes: int = 0, values: int = 0
) -> NDArray[np.int64]:
    prototypes = prototypes or 1 + int(label.max(initial=0))
    values = values or 1 + int(value.max(initial=0))
    return count_pairs(label, value, prototypes, values)
