"""What is handed from one component to another is checked against its contract, or refused.

Every check raises `ContractError`, one sentence that names component and rule. The runner makes
them on the first of everything in a cell; the conformance kit makes them too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from tuskbench.contracts import Batch, Keypoints, Metrics, Prediction, Split
from tuskbench.errors import ContractError

if TYPE_CHECKING:
    from tuskbench.contracts import MetricInfo, TaskInfo

WITHOUT_TARGETS = frozenset({"", "none", "images"})
"""Values of a system's `supervision` that ask for no targets."""

# Rounding of sums and interpolations in 32 and in 16 bits.
_TOLERANCE, _HALF_TOLERANCE = 1e-3, 2e-2
_IN_UNIT = "values lie in [0, 1]"


class WithheldTargets(dict[str, Tensor]):
    """No targets, for a system that asks for none; reading one says so."""

    def __init__(self, system: str, supervision: str) -> None:
        super().__init__()
        self._system, self._supervision = system, supervision

    def __missing__(self, name: str) -> NoReturn:
        """Raise `ContractError`."""
        rule = f"with supervision {self._supervision!r} it learns from images alone"
        raise ContractError(self._system, f"reads the target {name!r}", rule)


def visible_to(system: Any, name: str, batch: Batch) -> Batch:
    """Return a batch as a system may see it: targets only where its `supervision` asks for them."""
    supervision = str(getattr(system, "supervision", ""))
    if supervision.strip().lower() in WITHOUT_TARGETS:
        return Batch(batch.images, WithheldTargets(name, supervision))
    return batch


def check_split(task: str, name: str, split: Split, info: TaskInfo) -> None:
    """Check images, their size and targets of a split; labels are classes or -1."""
    who, what = task, f"split {name!r}"
    _instance(who, what, split, Split)
    images, size = split.images, tuple(info.image_size)
    _tensor(who, f"{what} images", images, (None, None, *size), "uint8")
    if images.shape[1] not in (1, 3) or not len(images):
        rule = "images are [N, 1 or 3, H, W], at least one"
        raise ContractError(who, f"{what} images have shape {_shape(images)}", rule)
    for target, value in split.targets.items():
        part = f"{what} target {target!r}"
        _rows(who, part, value, len(images))
        if value.is_floating_point() and bool(value.isinf().any()):
            raise ContractError(who, f"{part} holds infinite values", "targets are finite or NaN")
        if target == "labels" and info.classes is not None:
            _check_classes(who, part, value, info.classes)


def _check_classes(who: str, part: str, labels: Tensor, classes: int) -> None:
    rule = f"labels are whole numbers from 0 to {classes - 1}, or -1 where there is no object"
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ContractError(who, f"{part} is {labels.dtype}", rule)
    if labels.numel() and not -1 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ContractError(who, f"{part} runs from {labels.min()} to {labels.max()}", rule)


def check_batch(task: str, batch: Batch, info: TaskInfo, device: torch.device) -> None:
    """Check a training batch: float images [B, 3, H, W] in [0, 1] and its targets, on a device."""
    _tensor(task, "batch images", batch.images, (None, 3, *info.image_size), "float", device)
    _within(task, "batch images", batch.images)
    for target, value in batch.targets.items():
        _rows(task, f"batch target {target!r}", value, len(batch.images))
        _on(task, f"batch target {target!r}", value, device)


def check_prediction(
    system: str,
    prediction: Prediction,
    images: Tensor,
    *,
    provides: Iterable[str] = (),
    labels: int | None = None,
) -> None:
    """Check everything that a prediction holds.

    Args:
        system: how the component is called.
        prediction: what it predicted.
        images: [B, 3, H, W] that it predicted for.
        provides: what it says that it provides.
        labels: number of different labels, where it is known.
    """
    _instance(system, "what predict returns", prediction, Prediction)
    keypoints = prediction.keypoints
    there = {
        "keypoints": keypoints is not None,
        "masks": prediction.masks is not None,
        "labels": keypoints is not None and keypoints.label is not None,
    }
    for name in sorted(provides):
        if not there.get(name, True):
            found, rule = f"predicts no {name}", f"what provides {name!r} predicts it"
            raise ContractError(system, found, rule)
    size = (images.shape[-2], images.shape[-1])
    if keypoints is not None:
        check_keypoints(system, keypoints, len(images), size, images.device, labels=labels)
    if prediction.masks is not None:
        check_masks(system, prediction.masks, len(images), size, images.device)
    for part, middle in (("reconstruction", (3,)), ("heatmap", (None,)), ("layers", (None, 3))):
        value = getattr(prediction, part)
        if value is not None:
            shape = (len(images), *middle, *size)
            check_unit_maps(system, part, value, shape, images.device)


def check_keypoints(
    who: str,
    keypoints: Keypoints,
    batch: int,
    size: tuple[int, int],
    device: torch.device,
    *,
    labels: int | None = None,
    ordered: bool = True,
) -> None:
    """Check detections in `batch` images of `size` (height, width).

    Args:
        who: how the component is called.
        keypoints: the detections.
        batch: number of images.
        size: (height, width) in pixels.
        device: where they must be.
        labels: number of different labels, where it is known.
        ordered: whether they must come by descending score.
    """
    _instance(who, "what holds the keypoints", keypoints, Keypoints)
    xy, score = keypoints.xy, keypoints.score
    _tensor(who, "keypoints.xy", xy, (batch, None, 2), "float", device)
    _tensor(who, "keypoints.score", score, (batch, xy.shape[1]), "float", device)
    _check_inside(who, xy.detach().float(), size)
    _within(who, "keypoints.score", score)
    if ordered and bool((score.detach().diff(dim=1) > 0).any()):
        raise ContractError(who, "keypoints.score rises", "keypoints come by descending score")
    if keypoints.label is not None:
        check_labels(who, "keypoints.label", keypoints.label, (batch, xy.shape[1]), device, labels)
    if keypoints.descriptor is not None:
        shape = (batch, xy.shape[1], None)
        _tensor(who, "keypoints.descriptor", keypoints.descriptor, shape, "float", device)
        _finite(who, "keypoints.descriptor", keypoints.descriptor)


def _check_inside(who: str, xy: Tensor, size: tuple[int, int]) -> None:
    _finite(who, "keypoints.xy", xy)
    height, width = size
    # Pixel centres are whole numbers, so the image ends half a pixel beyond them.
    limit = xy.new_tensor([width - 0.5, height - 0.5]) + _TOLERANCE
    outside = ((xy < -0.5 - _TOLERANCE) | (xy > limit)).any(-1)
    if bool(outside.any()):
        x, y = xy[outside][0].tolist()
        found = f"keypoints.xy holds (x, y) = ({x:.4g}, {y:.4g})"
        rule = f"positions lie inside the image, {width} pixels wide and {height} high"
        raise ContractError(who, found, rule)


def check_labels(
    who: str,
    part: str,
    label: Tensor,
    shape: tuple[int, ...],
    device: torch.device,
    labels: int | None = None,
) -> None:
    """Check labels: int64 of a shape, at least 0 and less than `labels`, where that is known."""
    _tensor(who, part, label, shape, "int64", device)
    if not label.numel():
        return
    lowest, highest = int(label.min()), int(label.max())
    if lowest < 0 or (labels is not None and highest >= labels):
        to = "up" if labels is None else f"to {labels - 1}"
        raise ContractError(who, f"{part} runs from {lowest} to {highest}", f"labels are 0 {to}")


def check_masks(
    who: str, masks: Tensor, batch: int, size: tuple[int, int], device: torch.device
) -> None:
    """Check masks [B, K, H, W]: every pixel is shared between them."""
    _tensor(who, "masks", masks, (batch, None, *size), "float", device)
    _within(who, "masks", masks)
    total = masks.detach().float().sum(1)
    off = (total - 1).abs().max().item()
    if off > _tolerance(masks):
        found = f"masks sum to {total.min().item():.4g} to {total.max().item():.4g}"
        raise ContractError(who, found, "masks sum to 1 over K in every pixel")


def check_unit_maps(
    who: str, part: str, value: Tensor, shape: tuple[int | None, ...], device: torch.device
) -> None:
    """Check pictures or score maps: floating point of a shape (None for any length), in [0, 1]."""
    _tensor(who, part, value, shape, "float", device)
    _within(who, part, value)


def check_features(
    who: str, features: Tensor, channels: int, images: Tensor, size: tuple[int, int]
) -> None:
    """Check an encoder's output: finite [B, channels, H, W] of the images' own size."""
    shape = (len(images), channels, *size)
    _tensor(who, "features", features, shape, "float", images.device)
    _finite(who, "features", features)


def pair(who: str, output: object, meaning: str) -> tuple[Any, Any]:
    """Return an output that is a tuple of two."""
    if not isinstance(output, tuple) or len(output) != 2:
        raise ContractError(who, f"returns a {type(output).__name__}", f"it returns {meaning}")
    return output


def check_metrics(task: str, metrics: Metrics, declared: Mapping[str, MetricInfo]) -> None:
    """Check that an evaluation holds what the task declares, as numbers.

    A value is finite, unless the metric's `undefined` says when there is none: then it may be
    NaN or absent, and so may an image's score.
    """
    _instance(task, "what evaluate returns", metrics, Metrics)
    for name in (*metrics.values, *metrics.per_image):
        if name not in declared:
            rule = f"the task declares {', '.join(declared) or 'no metric'}"
            raise ContractError(task, f"evaluate returns the metric {name!r}", rule)
    for name, info in declared.items():
        value = metrics.values.get(name, np.nan)
        if np.isfinite(value) or (np.isnan(value) and info.undefined):
            continue
        found = f"is {value}" if name in metrics.values else "is missing"
        rule = "a metric is a finite number, unless its `undefined` says when there is none"
        raise ContractError(task, f"the metric {name!r} {found}", rule)
    for name, scores in metrics.per_image.items():
        _check_scores(task, name, np.asarray(scores), declared[name])


def _check_scores(task: str, name: str, scores: np.ndarray, info: MetricInfo) -> None:
    part = f"the per-image scores of {name!r}"
    if scores.ndim != 1 or not np.issubdtype(scores.dtype, np.floating):
        found = f"{part} are {scores.dtype} {list(scores.shape)}"
        raise ContractError(task, found, "per-image scores are floating point [N]")
    if np.isinf(scores).any() or (np.isnan(scores).any() and not info.undefined):
        rule = "they are finite, or NaN where the metric's `undefined` says why"
        raise ContractError(task, f"{part} are not finite", rule)


def _instance(who: str, part: str, value: object, wanted: type) -> None:
    if not isinstance(value, wanted):
        raise ContractError(who, f"{part} is a {type(value).__name__}", f"it is {wanted.__name__}")


def _tensor(
    who: str,
    part: str,
    value: object,
    shape: tuple[int | None, ...],
    kind: str,
    device: torch.device | None = None,
) -> None:
    """Check type, dtype, shape (None for any length) and device."""
    if not isinstance(value, Tensor):
        raise ContractError(who, f"{part} is a {type(value).__name__}", "it is a tensor")
    fits = value.is_floating_point() if kind == "float" else str(value.dtype) == f"torch.{kind}"
    if not fits:
        wanted = "floating point" if kind == "float" else kind
        raise ContractError(who, f"{part} is {value.dtype}", f"it is {wanted}")
    same = len(shape) == value.ndim
    same = same and all(w in (None, g) for w, g in zip(shape, value.shape, strict=True))
    if not same:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise ContractError(who, f"{part} has shape {_shape(value)}", f"its shape is [{wanted}]")
    if device is not None:
        _on(who, part, value, device)


def _rows(who: str, part: str, value: object, count: int) -> None:
    if not isinstance(value, Tensor):
        raise ContractError(who, f"{part} is a {type(value).__name__}", "it is a tensor")
    if not value.ndim or len(value) != count:
        rule = f"its first dimension is that of the {count} images"
        raise ContractError(who, f"{part} has shape {_shape(value)}", rule)


def _on(who: str, part: str, value: Tensor, device: torch.device) -> None:
    if value.device.type != device.type:
        raise ContractError(who, f"{part} is on {value.device}", f"it is on {device}")


def _finite(who: str, part: str, value: Tensor) -> None:
    if not bool(torch.isfinite(value.detach()).all()):
        raise ContractError(who, f"{part} is not finite", "values are finite numbers")


def _within(who: str, part: str, value: Tensor) -> None:
    """Check that values are finite and in [0, 1], up to rounding."""
    _finite(who, part, value)
    if not value.numel():
        return
    lowest, highest = (float(v) for v in value.detach().aminmax())
    tolerance = _tolerance(value)
    if lowest < -tolerance or highest > 1 + tolerance:
        raise ContractError(who, f"{part} runs from {lowest:.4g} to {highest:.4g}", _IN_UNIT)


def _tolerance(value: Tensor) -> float:
    return _HALF_TOLERANCE if value.element_size() < 4 else _TOLERANCE


def _shape(value: Tensor) -> str:
    return str(list(value.shape))
