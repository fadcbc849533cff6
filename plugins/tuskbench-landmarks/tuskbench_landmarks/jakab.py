"""Jakab et al. 2018: landmarks by conditional image generation (NeurIPS, arXiv 1806.07823)."""

from __future__ import annotations

from typing import Annotated, Any

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt
from torch import Tensor, nn

from tuskbench import registry
from tuskbench.contracts import ReconstructionChoice, TaskInfo
from tuskbench.errors import ConfigurationError
from tuskbench_landmarks.jakab_networks import Renderer, Trunk
from tuskbench_landmarks.landmark_system import Detection, LandmarkSystem
from tuskbench_landmarks.rendering import bells
from tuskbench_landmarks.soft_argmax import mean, separable_maps
from tuskbench_landmarks.warps import (
    Similarity,
    Warp,
    apply_warp,
    superpose,
    warp_grid,
    warp_images,
    weighted_spline,
)

CONTROL_POINTS = 10
TARGET = Similarity(shift=0.1)
TARGET_SPLINE = (0.001, 0.005)
SOURCE = Similarity(rotation=0.0873, scale=0.1, shift=0.1)  # 5 degrees
SOURCE_SPLINE = (0.001, 0.01)
LOSS_SCALE = 1000.0
CLIP = 1.0
KEPT = 0.99
"""Share of its past that a running mean keeps at each step."""
DECAY, DECAY_STEPS = 0.95, 1e5
# Of 128 pixels, how many at the border count for nothing and over how many they come to count.
EMPTY, RAMP = 10 / 128, 20 / 128
SOFTNESS = 0.4
"""Of the tanh along the ramp, whose ends are -1 and 1."""


def smooth_border(size: tuple[int, int]) -> Tensor:
    """Return a mask [1, 1, H, W] that is 0 at the border and rises to 1 as a tanh from -1 to 1.

    Args:
        size: (height, width); both margins are shares of it.
    """
    sides = []
    for length in size:
        empty, steps = round(EMPTY * length), round(RAMP * length)
        ramp = 0.5 + 0.5 * torch.tanh(torch.linspace(-1, 1, steps) / SOFTNESS)
        half = torch.cat([torch.zeros(empty), ramp, torch.ones(length)])
        sides.append(torch.minimum(half[:length], half[:length].flip(0)))
    return (sides[0][:, None] * sides[1])[None, None]


def masked_mean(error: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of errors [B, C, h, w] times a mask [B, 1, H, W], scaled to their size."""
    mask = F.interpolate(mask, error.shape[-2:], mode="bilinear")
    return (mask * error).mean()


class Jakab(LandmarkSystem):
    """Conditional image generation: an image redrawn from its landmarks and a deformed copy.

    A source is a random warp of the target. Features of the source carry appearance, landmarks
    of the target alone carry geometry, through a bottleneck of K isotropic bells; the renderer
    joins them at the coarsest resolution. Landmarks are read by a separable soft-argmax.
    The squared differences of the pixels and of every layer of features are divided by a running
    mean each, within a border that is masked because the warps leave it empty and black.

    Where this differs from the official code: features are those of the `perceptual` component
    (four layers of an ImageNet VGG16 on colours) in place of five of a self-supervised VGG16 on
    grey; another component's loss, of masked images, counts as one layer; `mse` leaves the pixels
    alone. Running means start at the first batch's values, because the code's belong to its own
    features. The scale's deviation is of its logarithm. The learning rate falls by 5 % each 1e5
    steps only if training is that long.

    Args:
        task: the task (wired by the runner).
        width: channels of the first layer; 32 in the code.
        levels: how often the networks halve the size; 3 leaves 16 of 128 pixels, on which
            landmarks are drawn.
        bell_width: sigma of exp(-d^2 / sigma^2), in half sides.
        reconstruction: component that compares images beside the pixels' squared differences.
        deformation: multiplies all ranges of both warps.
        weight_decay: of all weights.
        shared: settings of `LandmarkSystem`.
    """

    version = "3"
    running: Tensor
    border: Tensor

    def __init__(
        self,
        task: TaskInfo,
        *,
        width: Annotated[int, Ge(1)] = 32,
        levels: Annotated[int, Ge(1)] = 3,
        bell_width: Annotated[float, Gt(0)] = 0.1,
        reconstruction: ReconstructionChoice = {"name": "perceptual", "size": 0},  # noqa: B006
        deformation: Annotated[float, Ge(0)] = 1.0,
        weight_decay: Annotated[float, Ge(0)] = 1e-5,
        **shared: Any,
    ) -> None:
        super().__init__(task, **shared)
        factor = 2**levels
        if task.image_size[0] % factor or task.image_size[1] % factor:
            expected = f"height and width divisible by {factor}"
            raise ConfigurationError("Jakab", "image_size", task.image_size, expected)
        self.appearance, self.pose = Trunk(width, levels), Trunk(width, levels)
        channels = factor * width
        self.landmarks = nn.Conv2d(channels, self.keypoints, 1)
        self.renderer = Renderer(channels + self.keypoints, width, levels)
        self.reconstruction = registry.build("reconstruction", reconstruction)
        layers = getattr(self.reconstruction, "layers", int(reconstruction["name"] != "mse"))
        self.bell_width, self.deformation = bell_width, deformation
        self.weight_decay = weight_decay
        self.register_buffer("running", torch.zeros(1 + layers))
        self.register_buffer("border", smooth_border(task.image_size))

    def parameter_groups(self) -> list[dict[str, object]]:
        """Decay all weights."""
        return [
            {**group, "weight_decay": self.weight_decay} for group in super().parameter_groups()
        ]

    def published_rate(self, progress: float) -> float:
        """Return 0.95 to the number of whole 1e5 steps."""
        return float(DECAY ** (progress * self.total_steps // DECAY_STEPS))

    def clip_gradients(self) -> None:
        """Bound each weight's own gradient to norm 1."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                nn.utils.clip_grad_norm_(parameter, CLIP)

    def losses(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """Return the normalised losses between targets and what is redrawn from their sources."""
        count, device = len(images), images.device
        target_warp, source_warp = (
            self._warp(count, similarity, spline, device)
            for similarity, spline in ((TARGET, TARGET_SPLINE), (SOURCE, SOURCE_SPLINE))
        )
        grid = warp_grid(target_warp, self.task.image_size, device)
        target = apply_warp(images, grid, 0.0)
        source = warp_images(target, source_warp, 0.0)
        mask = apply_warp(self.border.expand(count, -1, -1, -1), grid, 0.0)
        drawn = self.render(source, self.locate(target).xy)
        terms = [masked_mean((drawn - target).square(), mask), *self._features(drawn, target, mask)]
        pixels, *features = self._balance(terms)
        return (
            {"pixels": pixels, "features": torch.stack(features).sum()}
            if features
            else {"pixels": pixels}
        )

    def _features(self, drawn: Tensor, target: Tensor, mask: Tensor) -> list[Tensor]:
        """Return one masked loss a layer of features, or that of another component, if any."""
        if len(self.running) == 1:
            return []
        if not hasattr(self.reconstruction, "features"):
            return [self.reconstruction(mask * drawn, mask * target)]
        with torch.no_grad():
            wanted = self.reconstruction.features(target)
        found = self.reconstruction.features(drawn)
        return [
            masked_mean((ours.float() - theirs.float()).square(), mask)
            for ours, theirs in zip(found, wanted, strict=True)
        ]

    def _warp(
        self, count: int, similarity: Similarity, spline: tuple[float, float], device: torch.device
    ) -> Warp:
        ranges = {name: self.deformation * value for name, value in vars(similarity).items()}
        weights = (self.deformation * spline[0], self.deformation * spline[1])
        bend = weighted_spline(count, CONTROL_POINTS, weights, device)
        return superpose(Similarity(**ranges).draw(count, device), bend)

    def _balance(self, terms: list[Tensor]) -> list[Tensor]:
        """Divide each loss by its running mean, so that each is about `LOSS_SCALE`."""
        values = torch.stack([term.detach().float() for term in terms])
        running = self.running
        kept = torch.where(running > 0, KEPT, 0.0)
        running.copy_(kept * running + (1 - kept) * values)
        tiny = torch.finfo(running.dtype).tiny
        return [LOSS_SCALE * t / r.clamp_min(tiny) for t, r in zip(terms, running, strict=True)]

    def locate(self, images: Tensor) -> Detection:
        """Return the landmarks of images [B, 3, H, W]."""
        maps = separable_maps(self.sharpness * self.landmarks(self.pose(images)))
        return Detection(maps, mean(maps))

    def render(self, source: Tensor, xy: Tensor) -> Tensor:
        """Draw images [B, 3, H, W] that look like `source` and have landmarks at xy."""
        look = self.appearance(source)
        bell = bells(xy, (look.shape[-2], look.shape[-1]), self.bell_width)
        image: Tensor = self.renderer(torch.cat([look, bell.to(look.dtype)], 1))
        return image.float()

    def detect(self, images: Tensor) -> Detection:
        """Return the landmarks, and the images redrawn from themselves."""
        found = self.locate(images)
        found.reconstruction = self.render(images, found.xy).clamp(0, 1)
        return found
