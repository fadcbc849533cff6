"""What the rooms of the house hand to one another: data, component protocols, tasks.

This module imports no torch, so that specs, plans and reports answer at once.
All image tensors are RGB in [0, 1]; all coordinates are pixels with (0, 0) at the
centre of the top-left pixel and x before y.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

Faithful = Literal["paper", "code"]
"""Which side of a documented difference between paper and official code is followed."""

EvaluateOn = Literal["test", "validation"]
"""The split that a task scores."""

# A nested component in a system's signature: a table with `name` and the component's settings.
EncoderChoice = Mapping[str, Any]
HeadChoice = Mapping[str, Any]
DecoderChoice = Mapping[str, Any]
RegularizerChoice = Mapping[str, Any]
ReconstructionChoice = Mapping[str, Any]


@dataclass
class Keypoints:
    """Detections in a batch of images, sorted by descending score.

    Attributes:
        xy: [B, K, 2] positions (x, y) in pixels.
        score: [B, K] confidence in [0, 1].
        label: [B, K] index of the prototype or channel, int64, where the system gives one.
        descriptor: [B, K, C] features at the keypoints, where the system has them.
    """

    xy: Tensor
    score: Tensor
    label: Tensor | None = None
    descriptor: Tensor | None = None


@dataclass
class Prediction:
    """What a system says of a batch of images.

    Attributes:
        keypoints: detections.
        masks: [B, K, H, W] soft segmentation, summing to 1 over K.
        reconstruction: [B, 3, H, W] in [0, 1].
        heatmap: [B, 1 or K, H, W] score maps in [0, 1].
        layers: [B, K, 3, H, W] in [0, 1], the picture that each mask shows.
        named: whether the keypoints' labels are the task's classes, as those of a system that
            learnt from classes are, and not prototypes or channels without a name.
    """

    keypoints: Keypoints | None = None
    masks: Tensor | None = None
    reconstruction: Tensor | None = None
    heatmap: Tensor | None = None
    layers: Tensor | None = None
    named: bool = False


@dataclass
class Batch:
    """Training images with whatever labels a supervised system may read.

    Attributes:
        images: [B, 3, H, W] in [0, 1].
        targets: named tensors whose first dimension is B.
    """

    images: Tensor
    targets: dict[str, Tensor] = field(default_factory=dict)


@dataclass
class Split:
    """One part of a data set, whole.

    Attributes:
        images: [N, 1 or 3, H, W] uint8.
        targets: named tensors whose first dimension is N.
    """

    images: Tensor
    targets: dict[str, Tensor]

    def __len__(self) -> int:
        return int(self.images.shape[0])

    def to(self, device: torch.device) -> Split:
        """Return the split with every tensor on `device`."""
        targets = {name: value.to(device) for name, value in self.targets.items()}
        return Split(self.images.to(device), targets)

    def batch(self, index: Tensor) -> Batch:
        """Return the images at `index` [B] as RGB floats, with their targets."""
        images = self.images[index].float().div_(255)
        targets = {name: value[index] for name, value in self.targets.items()}
        return Batch(images.expand(-1, 3, -1, -1), targets)


@dataclass(frozen=True)
class WarpSettings:
    """Ranges of one random thin-plate-spline warp.

    Attributes:
        scale: centre and half width of the uniform scale of either axis.
        displacement: half width of the control points' displacement, in half image sides.
        offset: half width of the pivots about which scale and rotation act, in half image sides.
        rotation: half width of the rotation, in radians.
    """

    scale: tuple[float, float]
    displacement: float
    offset: float
    rotation: float


@dataclass(frozen=True)
class TaskInfo:
    """What a system may know of its task before it sees any data.

    Attributes:
        name: the task's registered name.
        image_size: (height, width) in pixels.
        warps: the two warps that make a training pair: the first is applied to the
            image, the second to the result of the first.
        border: what lies outside the image: "reflect", or a grey level in [0, 1].
        classes: number of classes where there are labels.
        objects: largest number of objects or landmarks in an image.
        box_side: side of the protocol's predicted box in pixels, where it has one.
    """

    name: str
    image_size: tuple[int, int]
    warps: tuple[WarpSettings, WarpSettings]
    border: Literal["reflect"] | float = 0.0
    classes: int | None = None
    objects: int | None = None
    box_side: float | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the task info that `dataclasses.asdict` made JSON-ready."""
        first, second = (
            WarpSettings(**{**warp, "scale": (warp["scale"][0], warp["scale"][1])})
            for warp in content["warps"]
        )
        height, width = content["image_size"]
        return cls(**{**content, "image_size": (height, width), "warps": (first, second)})


@dataclass(frozen=True)
class MetricInfo:
    """What a metric means and how it is shown.

    Attributes:
        doc: what it measures, one sentence.
        percent: whether it is shown times 100.
        higher_is_better: the order of rows.
        undefined: when there is no value, in words such as "where no digit is matched"; NaN and
            absence are refused of a metric that does not say so.
    """

    doc: str
    percent: bool = True
    higher_is_better: bool = True
    undefined: str = ""


@dataclass
class Metrics:
    """The outcome of an evaluation.

    Attributes:
        values: metric name to value; shares are fractions in [0, 1].
        per_image: metric name to one score per image of the split it is measured on, [N] float.
        counts: what the values were counted over (images, objects, skipped, ...).
        figures: arrays that the report's figures are drawn from.
    """

    values: dict[str, float]
    per_image: dict[str, np.ndarray]
    counts: dict[str, int] = field(default_factory=dict)
    figures: dict[str, np.ndarray] = field(default_factory=dict)


class Predict(Protocol):
    """A trained system as a task sees it."""

    def __call__(self, split: str, *, objects: int | None = None) -> Iterable[Prediction]:
        """Yield the system's predictions over the named split, batch by batch, in order.

        Args:
            split: a name that `Task.split` knows.
            objects: how many objects the system is to look for where the split's images hold
                more than the task's training images. None looks for as many as in training; a
                system without `look_for` always does.
        """
        ...


class Task(ABC):
    """Data, protocol and metrics. Importing a task module must not import torch.

    Keyword-only constructor parameters are the settings that a spec may give.

    Attributes:
        faithful_to: the side taken where paper and code differ, if there is such a setting.
        evaluate_on: the split that is scored: "test", or for choosing settings "validation",
            which is then no part of the split `train`; if there is such a setting.
    """

    name: ClassVar[str]
    protocol: ClassVar[str]
    needs: ClassVar[frozenset[str]]
    metrics: ClassVar[Mapping[str, MetricInfo]]
    faithful_to: Faithful = "paper"
    evaluate_on: EvaluateOn = "test"

    @abstractmethod
    def info(self) -> TaskInfo:
        """Return what a system may know before it sees data."""

    def rules(self) -> str:
        """Return the protocol, and in brackets what departs from it."""
        departures = ", ".join(self.departures())
        return f"{self.protocol} ({departures})" if departures else self.protocol

    def departures(self) -> list[str]:
        """Return the settings in force that change what the protocol's numbers mean."""
        side: list[str] = [] if self.faithful_to == "paper" else [self.faithful_to]
        return side if self.evaluate_on == "test" else [*side, "scored on validation"]

    def holds_out(self, split: str) -> bool:
        """Say whether validation data is cut for a split: to be it, or to be left out of it."""
        return split == "validation" or (split == "train" and self.evaluate_on == "validation")

    def usual(self, setting: str) -> Any:
        """Return the constructor's default of a setting."""
        return signature(type(self)).parameters[setting].default

    @abstractmethod
    def data_source(self) -> str:
        """Return a short name of the data in use, such as `digits (scikit-learn)`.

        Raises:
            DataMissingError: if the data asked for is not there.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hash of the data and of what generates it, without loading torch."""

    @abstractmethod
    def split(self, name: str) -> Split:
        """Return the split `train` or `test`, or another that the task's `evaluate` asks for.

        Tasks that can score it also have `validation`, which is cut from training data.
        """

    @abstractmethod
    def evaluate(self, predict: Predict) -> Metrics:
        """Score a system from its predictions, under the task's protocol."""


class Encoder(Protocol):
    """Images [B, 3, H, W] to features [B, channels, H, W]."""

    channels: int

    def __call__(self, images: Tensor) -> Tensor:
        """Return the features."""
        ...


class Head(Protocol):
    """Features [B, C, H, W] to keypoints and score maps [B, 1 or K, H, W] in [0, 1]."""

    def __call__(self, features: Tensor) -> tuple[Keypoints, Tensor]:
        """Return the keypoints and the score maps."""
        ...


class Decoder(Protocol):
    """Keypoints to a reconstruction [B, 3, H, W] and masks [B, K, H, W] or None."""

    def __call__(self, keypoints: Keypoints, size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
        """Return the reconstruction and the masks."""
        ...


class Reconstruction(Protocol):
    """Reconstruction and target, both [B, 3, H, W] in [0, 1], to a scalar loss."""

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        ...


class Regularizer(Protocol):
    """Owns the prototypes [M, C] and the losses that tie descriptors to them.

    `prototypes` is None for a regularizer that learns none and labels nothing.
    """

    prototypes: Tensor | None

    def assign(self, descriptors: Tensor) -> Tensor:
        """Label descriptors [..., C] by their prototype: [...] int64."""
        ...

    def initialise(self, descriptors: Tensor) -> None:
        """Place the prototypes from descriptors [N, C], where the regularizer wants that."""
        ...

    def descriptor_loss(self, descriptors: Tensor) -> Tensor:
        """Return the scalar loss whose gradient reaches the encoder, from [N, C]."""
        ...

    def prototype_loss(self, descriptors: Tensor) -> Tensor:
        """Return the scalar loss that trains the prototypes, from [N, C]."""
        ...

    def quantize(self, descriptors: Tensor) -> Tensor:
        """Return what the decoder sees in place of descriptors [..., C]."""
        ...


class PairRegularizer(Regularizer, Protocol):
    """A regularizer that also learns from two views of the same objects."""

    def pair_loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the scalar loss of unit descriptors [N, C] of two views, matched by row.

        Its gradient reaches both views and, where the loss trains them, the prototypes.
        """
        ...


@runtime_checkable
class System(Protocol):
    """What is trained and evaluated: a `torch.nn.Module` with these members besides.

    The constructor's positional parameter is the `TaskInfo`; its keyword-only parameters
    are the settings that a spec may give. A system that can look for another number of objects
    than it was trained for also has `look_for(objects: int | None) -> None`, which holds for the
    predictions that follow; None restores what training used. A system that knows how many
    different labels it can give may say so in `label_count: int`.

    `supervision` says in words what it learns from besides images, such as "class counts". With
    "none" the batches that it is trained on have no targets.
    """

    provides: ClassVar[frozenset[str]]
    supervision: ClassVar[str]

    def configure(self, total_steps: int) -> Mapping[str, torch.optim.Optimizer]:
        """Make the optimizers and return them by name, once, before the first step."""
        ...

    def fit_step(self, batch: Batch, step: int) -> Mapping[str, Tensor | float]:
        """Train on one batch; `step` counts from 0. Return losses by name for the log."""
        ...

    def predict(self, images: Tensor) -> Prediction:
        """Predict for images [B, 3, H, W] without gradient."""
        ...

    def figures(self) -> Mapping[str, Tensor]:
        """Return tensors worth drawing, such as `prototypes` [M, C]; may be empty."""
        ...
