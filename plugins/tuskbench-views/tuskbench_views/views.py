"""The system: a detector, then descriptors from pairs of views of what it finds, then labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt
from torch import Tensor, nn

from tuskbench import registry
from tuskbench.contracts import (
    Batch,
    DecoderChoice,
    EncoderChoice,
    Faithful,
    HeadChoice,
    Prediction,
    ReconstructionChoice,
    RegularizerChoice,
    TaskInfo,
)
from tuskbench.errors import ConfigurationError
from tuskbench_views.describer import Describer, Painter
from tuskbench_views.detector import ReducedTusk
from tuskbench_views.glimpses import ViewRanges, cut, plain_grid, random_views, recentred
from tuskbench_views.teacher import Teacher

STAGES = ("detector", "contrast", "clustering", "self-labels")
# Descriptors that the prototypes are placed by, at most.
RECENT = 16384
# Images of every batch whose glimpses the painter learns.
PAINTED = 4
# Views that the teacher labels an object from, and their ranges beside those of training.
TEACHER_VIEWS, WEAK = 4, 0.35
# Steps over which the describer's learning rate rises.
WARM_UP = 50


class Views(nn.Module):
    """Detect as TUSK does without clustering; tell objects apart by two views of each.

    Training has four stages. The detector is TUSK without prototypes, on reduced images; it is
    held from then on. A describer reads glimpses cut around its keypoints, and learns from two
    random views of every object: first by a contrast of objects (`contrast`), then, with
    prototypes placed by k-means, by a loss between the labels of two views (`regularizer`), and
    last from the labels of a slow copy of itself where that is sure. The label of a keypoint is
    its nearest prototype. No stage reads a class.

    Args:
        task: the task (wired by the runner).
        encoder: component that makes the detector's features.
        head: component that detects keypoints in them.
        decoder: component that draws the image from keypoints, to train the detector.
        reconstruction: component that compares images, to train the detector.
        contrast: regularizer whose `pair_loss` trains the describer before there are prototypes.
        regularizer: regularizer that owns the prototypes; its `pair_loss` trains the describer
            and them.
        faithful_to: side of paper/code differences, handed to the detector.
        stages: how training is shared among detector, contrast, clustering and self-labels, by
            steps. A stage of 0 is left out; prototypes are placed at the end of the contrast.
        reduction: whole number that images are reduced by for the detector.
        detector_batch: images of every batch that the detector is trained on.
        detector_rate: learning rate of Adam for the detector, falling to zero by a cosine.
        heatmap_equivariance: weight of the equivariance of the detector's score map.
        feature_equivariance: weight of the equivariance of its features.
        equivariant_features: which features these are; see the system `tusk`.
        colour: whether glimpses keep their colours; grey ones otherwise.
        side: of a glimpse, as a share of the image's smaller side.
        recentre: side of the window whose content keypoints are moved to the centre of, as a share
            of a glimpse's side; 0 leaves them where they were detected.
        glimpse: side of a glimpse in its own pixels, a multiple of 4.
        width: channels of the describer's first convolution.
        channels: C, width of the descriptor.
        rotation: half range of a view's rotation, in radians.
        scale: half range of the logarithm of its scale.
        aspect: half range of the logarithm of its aspect.
        shear: half range of its horizontal shear.
        bend: half range of a sine across it, in half sides of a glimpse.
        shift: half range of its shift, in half sides of a glimpse.
        gamma: half range of the logarithm of its intensities' exponent.
        learning_rate: of Adam for the describer during contrast and clustering, after a short
            rise falling to zero by a cosine.
        self_label_rate: the same for self-labels.
        certainty: probability from which on a self-label counts.
        temperature: of the softmax over similarities that gives and learns self-labels.
        smoothing: of the labels that are learnt.
        slowness: share of the weights that the slow copy takes over at every step.
    """

    version = "2"
    provides = frozenset({"keypoints"})
    supervision = "none"
    settings = "views.toml"
    recent: Tensor

    def __init__(
        self,
        task: TaskInfo,
        *,
        encoder: EncoderChoice = {"name": "unet"},
        head: HeadChoice = {"name": "single-heatmap"},
        decoder: DecoderChoice = {"name": "unet-sum"},
        reconstruction: ReconstructionChoice = {"name": "mse"},
        contrast: RegularizerChoice = {"name": "nt-xent"},
        regularizer: RegularizerChoice = {"name": "iic"},
        faithful_to: Faithful = "paper",
        stages: tuple[float, float, float, float] = (0.25, 0.35, 0.2, 0.2),
        reduction: Annotated[int, Ge(1)] = 1,
        detector_batch: Annotated[int, Ge(1)] = 8,
        detector_rate: Annotated[float, Gt(0)] = 3e-3,
        heatmap_equivariance: Annotated[float, Ge(0)] = 0.01,
        feature_equivariance: Annotated[float, Ge(0)] = 0.03,
        equivariant_features: Literal["raw", "relative", "unit"] = "unit",
        colour: bool = False,
        side: Annotated[float, Gt(0)] = 0.275,
        recentre: Annotated[float, Ge(0)] = 0.0,
        glimpse: Annotated[int, Ge(4)] = 20,
        width: Annotated[int, Ge(1)] = 32,
        channels: Annotated[int, Ge(1)] = 64,
        rotation: Annotated[float, Ge(0)] = 0.25,
        scale: Annotated[float, Ge(0)] = 0.3,
        aspect: Annotated[float, Ge(0)] = 0.25,
        shear: Annotated[float, Ge(0)] = 0.25,
        bend: Annotated[float, Ge(0)] = 0.1,
        shift: Annotated[float, Ge(0)] = 0.18,
        gamma: Annotated[float, Ge(0)] = 0.9,
        learning_rate: Annotated[float, Gt(0)] = 2e-3,
        self_label_rate: Annotated[float, Gt(0)] = 1e-3,
        certainty: Annotated[float, Ge(0)] = 0.9,
        temperature: Annotated[float, Gt(0)] = 0.1,
        smoothing: Annotated[float, Ge(0)] = 0.05,
        slowness: Annotated[float, Gt(0)] = 0.02,
    ) -> None:
        super().__init__()
        if glimpse % 4:
            raise ConfigurationError("views", "glimpse", glimpse, "a multiple of 4")
        if min(stages) < 0 or not sum(stages):
            raise ConfigurationError("views", "stages", stages, "shares of 0 or more, not all 0")
        self.task, self.stages, self.detector_batch = task, stages, detector_batch
        self.detector = ReducedTusk(
            task,
            reduction,
            encoder=encoder,
            head=head,
            decoder=decoder,
            reconstruction=reconstruction,
            faithful_to=faithful_to,
            heatmap_equivariance=heatmap_equivariance,
            feature_equivariance=feature_equivariance,
            equivariant_features=equivariant_features,
            learning_rate=detector_rate,
        )
        self.colour, self.side, self.glimpse = colour, side * min(task.image_size), glimpse
        self.recentre = recentre * self.side
        self.ranges = ViewRanges(rotation, scale, aspect, shear, bend, shift, gamma)
        shown = 3 if colour else 1
        self.describer = Describer(shown, channels, glimpse, width)
        self.painter = Painter(channels, shown, glimpse, 8 * width)
        self.contrast = registry.build("regularizer", contrast, channels)
        self.regularizer = registry.build("regularizer", regularizer, channels)
        for setting, choice, part in (
            ("contrast", contrast, self.contrast),
            ("regularizer", regularizer, self.regularizer),
        ):
            if not hasattr(part, "pair_loss") or part.prototypes is None:
                expected = "a regularizer with prototypes and a pair_loss, such as nt-xent"
                raise ConfigurationError("views", setting, choice["name"], expected)
        self.teacher = Teacher(self.describer, self.regularizer, slowness, temperature)
        self.learning_rate, self.self_label_rate = learning_rate, self_label_rate
        self.certainty, self.temperature, self.smoothing = certainty, temperature, smoothing
        self.register_buffer("recent", torch.zeros(RECENT, channels))

    def configure(self, total_steps: int) -> Mapping[str, torch.optim.Optimizer]:
        """Make the optimizers of detector, describer with prototypes, and painter."""
        shares = torch.tensor((0.0, *self.stages), dtype=torch.float64).cumsum(0)
        self.bounds = (shares / shares[-1] * total_steps).round().long().tolist()
        parts = nn.ModuleList([self.describer, self.contrast, self.regularizer])
        self.optimizer = torch.optim.Adam(parts.parameters(), self.learning_rate, fused=True)
        self.painting = torch.optim.Adam(self.painter.parameters(), 1e-3, fused=True)
        detecting = self.detector.configure(self.bounds[1])
        return {**detecting, "describer": self.optimizer, "painter": self.painting}

    def fit_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Train what the step's stage trains; return its losses."""
        stage = next(name for name, end in zip(STAGES, self.bounds[1:], strict=True) if step < end)
        if stage == "detector":
            losses = dict(self.detector.fit_step(batch.images[: self.detector_batch], step))
        else:
            losses = self._train_describer(batch.images, stage, step)
        if stage == "contrast":
            self._place_prototypes(batch.images, step)
        return {name: loss.detach() for name, loss in losses.items()}

    def _train_describer(self, images: Tensor, stage: str, step: int) -> dict[str, Tensor]:
        xy = self._centred(images, self.detector.locate(images))
        glimpses = self._colours(images)
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(stage, step)
        if stage == "self-labels":
            loss = self._self_label_loss(glimpses, xy, step)
        else:
            descriptors = self.describer(torch.cat([self._views(glimpses, xy) for _ in range(2)]))
            part = self.contrast if stage == "contrast" else self.regularizer
            with torch.autocast(images.device.type, enabled=False):
                loss = part.pair_loss(*descriptors.chunk(2))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return {stage: loss, "painting": self._paint(glimpses, xy)}

    def _self_label_loss(self, images: Tensor, xy: Tensor, step: int) -> Tensor:
        """Return the cross-entropy of a view to the labels that the slow copy is sure of."""
        first = step == self.bounds[3]
        self.teacher.follow(self.describer, self.regularizer, 1.0 if first else None)
        weak = self.ranges.times(WEAK)
        label, certainty = self.teacher.labels(
            [self._views(images, xy, weak) for _ in range(TEACHER_VIEWS)]
        )
        descriptors = self.describer(self._views(images, xy))
        with torch.autocast(images.device.type, enabled=False):
            centres = F.normalize(self.regularizer.prototypes, dim=-1)
            logits = descriptors @ centres.T / self.temperature
            each = F.cross_entropy(logits, label, reduction="none", label_smoothing=self.smoothing)
            sure = (certainty >= self.certainty).to(each.dtype)
            return (each * sure).sum() / len(sure)

    def _paint(self, images: Tensor, xy: Tensor) -> Tensor:
        """Train the painter on what it is to draw, from descriptors that learn nothing of it."""
        glimpses = self._plain(images[:PAINTED], xy[:PAINTED])
        loss = F.mse_loss(self.painter(self._describe(glimpses)).float(), glimpses)
        self.painting.zero_grad(set_to_none=True)
        loss.backward()
        self.painting.step()
        return loss

    def _place_prototypes(self, images: Tensor, step: int) -> None:
        """Gather descriptors of images as they are; at the contrast's end let k-means place."""
        seen = len(images) * self.detector.tusk.head.keypoints
        if step >= self.bounds[2] - math.ceil(RECENT / seen):
            xy = self._centred(images, self.detector.locate(images))
            new = self._describe(self._plain(self._colours(images), xy))
            new = new[:RECENT]
            self.recent.copy_(torch.cat([new, self.recent[: RECENT - len(new)]]))
        if step == self.bounds[2] - 1:
            self.regularizer.initialise(self.recent[self.recent.any(-1)])

    @torch.no_grad()
    def _describe(self, glimpses: Tensor) -> Tensor:
        """Return descriptors [N, C] by the statistics of training, whatever the batch holds."""
        training = self.describer.training
        descriptors: Tensor = self.describer.eval()(glimpses)
        self.describer.train(training)
        return descriptors

    def _views(self, images: Tensor, xy: Tensor, ranges: ViewRanges | None = None) -> Tensor:
        return random_views(images, xy, self.side, self.glimpse, ranges or self.ranges)

    def _plain(self, images: Tensor, xy: Tensor) -> Tensor:
        return cut(images, xy, self.side, plain_grid(self.glimpse, images.device))

    def _centred(self, images: Tensor, xy: Tensor) -> Tensor:
        return recentred(images, xy, self.recentre, self.glimpse) if self.recentre else xy

    def _colours(self, images: Tensor) -> Tensor:
        return images if self.colour else images.mean(1, keepdim=True)

    def _rate(self, stage: str, step: int) -> float:
        """Return the describer's learning rate: it rises and falls, for self-labels once more."""
        start, end, rate = self.bounds[1], self.bounds[3], self.learning_rate
        if stage == "self-labels":
            start, end, rate = self.bounds[3], self.bounds[4], self.self_label_rate
        rise = min(1.0, (step - start + 1) / WARM_UP)
        fall = 0.5 * (1 + math.cos(math.pi * (step - start) / (end - start)))
        return float(rate * rise * fall)

    def look_for(self, objects: int | None) -> None:
        """Detect as many keypoints an object as in training, in images of `objects` objects."""
        self.detector.look_for(objects)

    @torch.no_grad()
    def predict(self, images: Tensor) -> Prediction:
        """Detect, describe and label images [B, 3, H, W] in [0, 1]."""
        found = self.detector.predict(images)
        keypoints = found.keypoints
        assert keypoints is not None
        keypoints.xy = self._centred(images, keypoints.xy)
        descriptors = self._describe(self._plain(self._colours(images), keypoints.xy))
        with torch.autocast(images.device.type, enabled=False):
            label = self.regularizer.assign(descriptors)
        keypoints.descriptor = descriptors.unflatten(0, keypoints.score.shape)
        keypoints.label = label.view(keypoints.score.shape)
        return found

    @torch.no_grad()
    def figures(self) -> dict[str, Tensor]:
        """Return the prototypes [M, C] and each painted at the centre [M, 3, H, W] uint8."""
        prototypes = F.normalize(self.regularizer.prototypes, dim=-1)
        glimpses = self.painter(prototypes).expand(-1, 3, -1, -1)
        height, width = self.task.image_size
        side = min(max(1, round(self.side)), height, width)
        small = F.interpolate(glimpses, size=(side, side), mode="bilinear", align_corners=False)
        pictures = small.new_zeros(len(small), 3, height, width)
        top, left = (height - side) // 2, (width - side) // 2
        pictures[..., top : top + side, left : left + side] = small
        pictures = pictures.clamp(0, 1).mul(255).round().to(torch.uint8)
        return {"prototypes": prototypes, "prototype_images": pictures}
