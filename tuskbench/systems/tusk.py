"""TUSK: one heatmap, descriptors clustered around prototypes, image decoded from keypoints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

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
    Keypoints,
    Prediction,
    ReconstructionChoice,
    RegularizerChoice,
    TaskInfo,
)
from tuskbench.ops.alpha import composite
from tuskbench.ops.unit_sphere import UnitSphere
from tuskbench.ops.warp import carried, random_pair

# How many descriptors k-means looks at, at most, and from how many steps, to place prototypes.
RECENT, COLLECTED_STEPS = 4096, 32


class Tusk(nn.Module):
    """The composed system of the paper (section 3), trained on warped pairs.

    Each iteration trains encoder and decoder once on reconstruction, clustering and
    equivariance, then, in alternating training, the prototypes `prototype_steps` times on the
    descriptors that the encoder gives after its step. These are computed once: the encoder does
    not change in between, so the result is that of the official code at a fraction of its cost.

    Args:
        task: the task (wired by the runner).
        encoder: component that makes features.
        head: component that detects keypoints in them.
        decoder: component that draws the image from keypoints.
        regularizer: component that owns the prototypes.
        reconstruction: component that compares images.
        faithful_to: side of paper/code differences, handed to components that do not say.
        strategy: "alternating" as the paper proposes, or "joint" (its single-stage ablation).
        prototype_steps: prototype steps an iteration; 5 on MNIST-Hard in the code, 8 elsewhere.
        reconstruction_weight: weight of the reconstruction loss.
        clustering_weight: weight of the regularizer's descriptor loss.
        heatmap_equivariance: weight of the equivariance of the score map.
        feature_equivariance: weight of the equivariance of the features.
        equivariant_features: "raw" as in the code; "relative", which divides either loss of
            equivariance by the variance of its maps; or "unit": features centred and normalised
            as the descriptors are. Raw maps grow flat under the loss, which only seems to
            satisfy it; unit features weigh a pixel of the background as much as one of an object.
        centred: subtract the mean descriptor before normalising to unit length.
        learning_rate: of Adam for encoder, head and decoder.
        prototype_learning_rate: of Adam (0.5, 0.999) for the prototypes.
        schedule: learning rate over time: "constant", or "cosine" down to zero.
        clustering_start: share of training before clustering begins; the prototypes are placed
            by k-means then and trained from there. 0 follows the paper. Without a clustering
            weight there is nothing to wait for: the prototypes are trained from the start.
        clustering_ramp: share of training over which the clustering weight rises.
        placements: how often k-means places the prototypes where clustering starts late: at its
            start, and again at equal distances within the ramp, while clustering parts the
            descriptors better than the first k-means could.
    """

    version = "4"
    provides = frozenset({"keypoints"})
    supervision = "none"
    recent: Tensor

    def __init__(
        self,
        task: TaskInfo,
        *,
        encoder: EncoderChoice = {"name": "unet"},
        head: HeadChoice = {"name": "single-heatmap"},
        decoder: DecoderChoice = {"name": "unet-sum"},
        regularizer: RegularizerChoice = {"name": "sliced-wasserstein"},
        reconstruction: ReconstructionChoice = {"name": "mse"},
        faithful_to: Faithful = "code",
        strategy: Literal["alternating", "joint"] = "alternating",
        prototype_steps: Annotated[int, Ge(0)] = 8,
        reconstruction_weight: Annotated[float, Ge(0)] = 1.0,
        clustering_weight: Annotated[float, Ge(0)] = 0.01,
        heatmap_equivariance: Annotated[float, Ge(0)] = 0.01,
        feature_equivariance: Annotated[float, Ge(0)] = 100.0,
        equivariant_features: Literal["raw", "relative", "unit"] = "raw",
        centred: bool = False,
        learning_rate: Annotated[float, Gt(0)] = 1e-3,
        prototype_learning_rate: Annotated[float, Gt(0)] = 0.1,
        schedule: Literal["constant", "cosine"] = "constant",
        clustering_start: Annotated[float, Ge(0)] = 0.0,
        clustering_ramp: Annotated[float, Ge(0)] = 0.0,
        placements: Annotated[int, Ge(1)] = 1,
    ) -> None:
        super().__init__()
        self.task = task

        def build(kind: str, choice: Mapping[str, Any], *wired: object) -> Any:
            names = {
                parameter.name for parameter in registry.signature(kind, choice["name"]).parameters
            }
            shared = {"faithful_to": faithful_to} if "faithful_to" in names else {}
            return registry.build(kind, {**shared, **choice}, *wired)

        self.encoder = build("encoder", encoder)
        channels: int = self.encoder.channels
        self.head = build("head", head, channels)
        self.decoder = build("decoder", decoder, channels)
        self.regularizer = build("regularizer", regularizer, channels)
        self.reconstruction = build("reconstruction", reconstruction)
        for part in (self.encoder, self.head, self.decoder):
            if hasattr(part, "check_size"):
                part.check_size(task.image_size)
        self.normalise = UnitSphere(channels, centred)
        self.strategy = strategy
        self.prototype_steps = prototype_steps
        self.reconstruction_weight = reconstruction_weight
        self.clustering_weight = clustering_weight
        self.heatmap_equivariance = heatmap_equivariance
        self.feature_equivariance = feature_equivariance
        self.equivariant_features = equivariant_features
        self.learning_rate = learning_rate
        self.prototype_learning_rate = prototype_learning_rate
        self.schedule, self.clustering_start = schedule, clustering_start
        self.clustering_ramp, self.placements = clustering_ramp, placements
        self.total_steps = 0
        self.waiting = False
        self.register_buffer("recent", torch.zeros(RECENT, channels))

    def configure(self, total_steps: int) -> Mapping[str, torch.optim.Optimizer]:
        """Make one optimizer for the networks and, with prototypes, one for those."""
        self.total_steps = total_steps
        prototypes = list(self.regularizer.parameters())
        owned = {id(parameter) for parameter in prototypes}
        networks = [p for p in self.parameters() if id(p) not in owned and p.requires_grad]
        self.network_optimizer = torch.optim.Adam(networks, self.learning_rate, fused=True)
        optimizers: dict[str, torch.optim.Optimizer] = {"networks": self.network_optimizer}
        self.prototype_optimizer: torch.optim.Optimizer | None = None
        if prototypes:
            self.prototype_optimizer = torch.optim.Adam(
                prototypes, self.prototype_learning_rate, betas=(0.5, 0.999), fused=True
            )
            optimizers["prototypes"] = self.prototype_optimizer
        return optimizers

    def fit_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Train once on the batch, as pairs of warped images; return the losses."""
        self._schedule(step)
        self.waiting = waiting = step < self._first_clustering_step()
        first, second, grid = random_pair(batch.images, self.task.warps, self.task.border)
        images = torch.cat([first, second])
        descriptors, losses = self._losses(images, grid, self._clustering_weight(step))
        self._place_prototypes(batch.images, step)
        joint = self.strategy == "joint" and self.prototype_optimizer and not waiting
        if joint:
            losses["prototypes"] = self.regularizer.prototype_loss(descriptors)
        self.network_optimizer.zero_grad(set_to_none=True)
        if self.prototype_optimizer:
            self.prototype_optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()  # type: ignore[union-attr]
        self.network_optimizer.step()
        if joint and self.prototype_optimizer:
            self.prototype_optimizer.step()
        elif not waiting:
            losses["prototypes"] = self._train_prototypes(images)
        return {name: loss.detach() for name, loss in losses.items()}

    def _place_prototypes(self, images: Tensor, step: int) -> None:
        """Where clustering starts late, collect descriptors and let k-means start from them.

        They are those of images as they are, which form clearer clusters than warped ones.
        """
        placements = self._placement_steps()
        if any(0 <= placement - step < COLLECTED_STEPS for placement in placements):
            self._collect(images)
        if step in placements and (self.prototype_steps or self.strategy == "joint"):
            self.regularizer.initialise(self.recent[self.recent.any(-1)])

    @torch.no_grad()
    def _collect(self, images: Tensor) -> None:
        self.eval()
        _, _, keypoints = self._encode(images)
        self.train()
        assert keypoints.descriptor is not None
        new = keypoints.descriptor.flatten(0, 1)[:RECENT]
        self.recent.copy_(torch.cat([new, self.recent[: RECENT - len(new)]]))

    def _placement_steps(self) -> list[int]:
        """Return the steps at which k-means places the prototypes: none from step 0 on."""
        start = self._first_clustering_step()
        ramp = self.clustering_ramp * self.total_steps
        steps = (start + round(ramp * part / self.placements) for part in range(self.placements))
        return sorted(set(steps)) if start else []

    def _losses(
        self, images: Tensor, grid: Tensor, clustering: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return unit descriptors [2BK, C] and the networks' weighted losses.

        Args:
            images: [2B, 3, H, W] of warped pairs, all first ones before the second ones.
            grid: [B, H, W, 2] of the second warp.
            clustering: weight of the clustering loss.
        """
        features, heatmap, keypoints = self._encode(images)
        assert keypoints.descriptor is not None
        descriptors = keypoints.descriptor.flatten(0, 1)
        decoded, _ = self._decode(keypoints)
        losses = {
            "reconstruction": self.reconstruction_weight * self.reconstruction(decoded, images)
        }
        if clustering:
            losses["clustering"] = clustering * self.regularizer.descriptor_loss(descriptors)
        for name, weight, maps in (
            ("heatmap_equivariance", self.heatmap_equivariance, heatmap),
            ("feature_equivariance", self.feature_equivariance, features),
        ):
            if weight:
                before, after = maps.float().chunk(2)
                loss = F.mse_loss(carried(before, grid), after)
                if self.equivariant_features == "relative":
                    loss = loss / _variance(after)
                losses[name] = weight * loss
        return descriptors, losses

    def _encode(self, images: Tensor) -> tuple[Tensor, Tensor, Keypoints]:
        """Return the features that are to be equivariant, score maps and unit descriptors."""
        features = self.encoder(images)
        keypoints, heatmap = self.head(features)
        centre = self.normalise.centre(keypoints.descriptor)
        keypoints.descriptor = F.normalize(keypoints.descriptor - centre, dim=-1)
        if self.equivariant_features == "unit":
            features = F.normalize(features.float() - centre[:, None, None], dim=1)
        return features, heatmap, keypoints

    def _decode(self, keypoints: Keypoints) -> tuple[Tensor, Tensor | None]:
        seen, size = self._seen(keypoints), self.task.image_size
        decoded: tuple[Tensor, Tensor | None] = self.decoder(seen, size)
        return decoded

    def _seen(self, keypoints: Keypoints) -> Keypoints:
        """Return the keypoints as the decoder sees them.

        Codes replace descriptors from the step on at which they are trained.
        """
        if self.waiting:
            return keypoints
        quantized = self.regularizer.quantize(keypoints.descriptor)
        return Keypoints(keypoints.xy, keypoints.score, descriptor=quantized)

    def _train_prototypes(self, images: Tensor) -> Tensor:
        """Take the prototype steps of one iteration on its images; return the last loss."""
        loss = images.new_zeros(())
        if self.prototype_optimizer and self.prototype_steps:
            with torch.no_grad():
                descriptor = self._encode(images)[2].descriptor
            assert descriptor is not None
            for _ in range(self.prototype_steps):
                loss = self.regularizer.prototype_loss(descriptor.flatten(0, 1))
                self.prototype_optimizer.zero_grad(set_to_none=True)
                loss.backward()
                self.prototype_optimizer.step()
        return loss

    def _first_clustering_step(self) -> int:
        """Return the step from which prototypes and descriptors are pulled together."""
        return round(self.clustering_start * self.total_steps) if self.clustering_weight else 0

    def _clustering_weight(self, step: int) -> float:
        """Return the weight of the clustering loss: nothing, then a ramp, then all."""
        ramp = self.clustering_ramp * self.total_steps
        since = step - self._first_clustering_step()
        if since < 0:
            return 0.0
        return self.clustering_weight * (min(1.0, since / ramp) if ramp else 1.0)

    def _schedule(self, step: int) -> None:
        factor = 1.0
        if self.schedule == "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * step / max(1, self.total_steps)))
        for optimizer, rate in (
            (self.network_optimizer, self.learning_rate),
            (self.prototype_optimizer, self.prototype_learning_rate),
        ):
            for group in optimizer.param_groups if optimizer else ():
                group["lr"] = rate * factor

    def look_for(self, objects: int | None) -> None:
        """Detect as many keypoints an object as in training, in images of `objects` objects.

        Only a head that can change its number of keypoints does.
        """
        if hasattr(self.head, "look_for"):
            share = objects / (self.task.objects or 1) if objects else 1
            self.head.look_for(round(share * self.head.trained))

    @torch.no_grad()
    def predict(self, images: Tensor) -> Prediction:
        """Detect, label and decode images [B, 3, H, W] in [0, 1]."""
        _, heatmap, keypoints = self._encode(images)
        if keypoints.label is None:
            keypoints.label = self.regularizer.assign(keypoints.descriptor)
        if hasattr(self.decoder, "layers"):
            layers, alphas = self.decoder.layers(self._seen(keypoints), self.task.image_size)
            return Prediction(keypoints, *composite(layers, alphas)[::-1], heatmap, layers)
        decoded, masks = self._decode(keypoints)
        return Prediction(keypoints, masks, decoded, heatmap)

    @torch.no_grad()
    def figures(self) -> dict[str, Tensor]:
        """Return the prototypes [M, C] and each decoded alone at the centre [M, 3, H, W] uint8."""
        if self.regularizer.prototypes is None:
            return {}
        prototypes = F.normalize(self.regularizer.prototypes, dim=-1)
        height, width = self.task.image_size
        centre = prototypes.new_tensor([(width - 1) / 2, (height - 1) / 2])
        count = len(prototypes)
        keypoint = Keypoints(
            centre.expand(count, 1, 2), prototypes.new_ones(count, 1), None, prototypes[:, None]
        )
        images, _ = self.decoder(keypoint, self.task.image_size)
        pictures = images.clamp(0, 1).mul(255).round().to(torch.uint8)
        return {"prototypes": prototypes, "prototype_images": pictures}


def _variance(maps: Tensor) -> Tensor:
    """Return the mean over channels of the variance of maps [B, C, H, W], never 0."""
    variance = maps.var((0, 2, 3), correction=0).mean()
    return variance.clamp_min(torch.finfo(maps.dtype).tiny)
