"""Zhang et al. 2018: landmarks as structural representations (CVPR, arXiv 1804.04412)."""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt
from torch import Tensor

from tuskbench import registry
from tuskbench.contracts import ReconstructionChoice, TaskInfo
from tuskbench_landmarks.appearance import paint, pool
from tuskbench_landmarks.colour import ColourJitter
from tuskbench_landmarks.landmark_system import Detection, LandmarkSystem
from tuskbench_landmarks.rendering import gaussian_mass
from tuskbench_landmarks.soft_argmax import moments, normalised
from tuskbench_landmarks.warps import (
    Similarity,
    compose,
    displaced_spline,
    move_points,
    warp_images,
)
from tuskbench_landmarks.zhang_networks import SLOPE, GroupLinear, describer, detector, renderer

CONTROL_POINTS, DEFORMATION = 7, 0.1
# 10 degrees; a factor of 1.25; 0.15 image sides.
SIMILARITY = Similarity(rotation=math.radians(10), scale=math.log(1.25), translation=0.3)
JITTER = ColourJitter(contrast=0.5, brightness=32 / 255, saturation=0.0, hue=0.0)
DRAWN_DEVIATION = 0.25  # 1/8 of the image side
DRAWN_LEVELS = tuple(DRAWN_DEVIATION * math.sqrt(2) ** level for level in range(5))
PUBLISHED_STEPS = 224_500
# Where in training the rates fall and the reconstruction gains, by the published schedule.
TURNS = (100_000 / PUBLISHED_STEPS, 200_000 / PUBLISHED_STEPS)
# Half the sum over an image of 80 x 80 pixels and 3 channels, from the mean.
LIKELIHOOD = 0.5 * 3 * 80**2


class Structure(NamedTuple):
    """Landmarks of padded images, in half sides of the padded image.

    Attributes:
        confidence: [B, K + 1, H, W] which landmark, or none, each pixel belongs to.
        maps: [B, K, H, W] the first K of them, each scaled to sum 1.
        xy: [B, K, 2] their means.
        deviation: [B, K] their isotropic standard deviations.
    """

    confidence: Tensor
    maps: Tensor
    xy: Tensor
    deviation: Tensor


def pad_with_mean_edge(images: Tensor, margin: tuple[int, int]) -> Tensor:
    """Pad images [B, C, H, W] on every side with the mean colour of their border.

    Args:
        images: any.
        margin: pixels above and below, and left and right.
    """
    ends = [images[..., [0, -1], :].flatten(2), images[..., [0, -1]].flatten(2)]
    colour = torch.cat(ends, -1).mean(-1)[..., None, None]
    rows, columns = margin
    return F.pad(images - colour, (columns, columns, rows, rows)) + colour


def concentration_loss(deviation: Tensor) -> Tensor:
    """Return the exponential of the entropy of Gaussians, summed over landmarks.

    2 pi e s^2 with s [B, K] in image sides; the mean over the batch.
    """
    return 2 * math.pi * math.e * deviation.square().sum(-1).mean()


def separation_loss(xy: Tensor, bandwidth: float) -> Tensor:
    """Return how close landmarks xy [B, K, 2] are: the sum over ordered pairs of different ones.

    exp(-d^2 / (2 b^2)); the mean over the batch. `bandwidth` b is in the unit of xy.
    """
    squared = (xy[:, :, None] - xy[:, None]).square().sum(-1)
    near = torch.exp(-squared / (2 * bandwidth**2))
    return (near.sum((-2, -1)) - xy.shape[1]).mean()


class Zhang(LandmarkSystem):
    """An autoencoder whose bottleneck is K landmarks with a short descriptor each.

    A pixel's softmax over K landmarks and the background gives K maps, of which mean and
    variance make an isotropic Gaussian. Descriptors are pooled from a second network's features
    under these Gaussians and put through a linear layer of each landmark's own. The decoder sees
    nothing but positions, drawn as Gaussians of five fixed widths, and descriptors. Besides the
    reconstruction, landmarks shall be concentrated, apart from each other, and equivariant
    under splines and similarities.

    Everything is measured as in the official code: separation and concentration in image sides,
    equivariance in half sides of the padded image. Drawn Gaussians are probability masses as in
    the paper; the code divides them by their variance and their area once more. The optical-flow
    term, with which the paper's number on Human3.6M was made, is out of scope: it needs video,
    and its code for flow was never released. Brightness and contrast change by the code's ranges,
    drawn for each image, not once a batch.

    Args:
        task: the task (wired by the runner).
        width: multiplies the channels of all networks.
        descriptor: channels of a landmark's descriptor.
        padding: side of the padded image, in sides of the image: 1.2 for 80-pixel faces, 1.5
            in the code's network for 128 pixels.
        reconstruction: component that compares images.
        reconstruction_weight: of the reconstruction loss at the start; times 10 after 45 % and
            100 after 89 % of training.
        concentration_weight: of 2 pi e s^2.
        separation_weight: of exp(-d^2 / (2 b^2)).
        bandwidth: b, in image sides.
        equivariance_weight: of the squared distance to the landmarks of a warped copy.
        weight_decay: of all weights.
        shared: settings of `LandmarkSystem`.
    """

    version = "4"

    def __init__(
        self,
        task: TaskInfo,
        *,
        width: Annotated[float, Gt(0)] = 1.0,
        descriptor: Annotated[int, Ge(1)] = 8,
        padding: Annotated[float, Ge(1)] = 1.2,
        reconstruction: ReconstructionChoice = {"name": "mse"},  # noqa: B006
        reconstruction_weight: Annotated[float, Ge(0)] = 0.1,
        concentration_weight: Annotated[float, Ge(0)] = 100.0,
        separation_weight: Annotated[float, Ge(0)] = 20.0,
        bandwidth: Annotated[float, Gt(0)] = 0.08,
        equivariance_weight: Annotated[float, Ge(0)] = 1e4,
        weight_decay: Annotated[float, Ge(0)] = 1e-6,
        **shared: Any,
    ) -> None:
        super().__init__(task, **shared)
        parts = self.keypoints + 1
        self.detector = detector(parts, width)
        self.describer = describer(width)
        features = self.describer.channels
        self.compress = GroupLinear(parts, features, descriptor)
        self.expand = GroupLinear(parts, descriptor, features)
        self.renderer = renderer(len(DRAWN_LEVELS) * (parts + features), width)
        self.reconstruction = registry.build("reconstruction", reconstruction)
        self.padding = padding
        self.weights = {
            "reconstruction": reconstruction_weight * LIKELIHOOD,
            "concentration": concentration_weight,
            "separation": separation_weight,
            "equivariance": equivariance_weight,
        }
        self.bandwidth, self.weight_decay = bandwidth, weight_decay

    def parameter_groups(self) -> list[dict[str, object]]:
        """Decay all weights."""
        return [
            {**group, "weight_decay": self.weight_decay} for group in super().parameter_groups()
        ]

    def published_rate(self, progress: float) -> float:
        """Return 1, then a tenth, then a hundredth."""
        return float(0.1 ** sum(progress >= turn for turn in TURNS))

    def losses(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """Return the four losses of images [B, 3, H, W] and a warped copy of each."""
        count, device = len(images), images.device
        images = JITTER(images)
        padded, ratio = self.pad(images)
        spline = displaced_spline(count, CONTROL_POINTS, DEFORMATION, device)
        warp = compose(spline, SIMILARITY.draw(count, device))
        both = self.locate(torch.cat([padded, warp_images(padded, warp, self.task.border)]))
        original, warped = both.xy.chunk(2)
        drift = (move_points(warped, warp) - original).square().sum((-2, -1)).mean()
        drawn = self.render(padded, Structure(*(part[:count] for part in both)), images, ratio)
        sides = ratio / 2
        gain = 10.0 ** sum(progress >= turn for turn in TURNS)
        losses = {
            "reconstruction": gain * self.reconstruction(drawn, images).float(),
            "concentration": concentration_loss(both.deviation * sides),
            "separation": separation_loss(both.xy * sides, self.bandwidth),
            "equivariance": ratio * drift,
        }
        return {name: self.weights[name] * loss for name, loss in losses.items()}

    def pad(self, images: Tensor) -> tuple[Tensor, float]:
        """Return images with a margin of their mean border colour, and their growth."""
        height, width = images.shape[-2:]
        rows, columns = (round((self.padding - 1) * side / 2) for side in (height, width))
        growth = math.sqrt((1 + 2 * rows / height) * (1 + 2 * columns / width))
        return pad_with_mean_edge(images, (rows, columns)), growth

    def locate(self, padded: Tensor) -> Structure:
        """Return the landmarks of padded images."""
        confidence = (self.sharpness * self.detector(padded).float()).softmax(1)
        maps = normalised(confidence[:, :-1])
        xy, covariance = moments(maps)
        variances = covariance.diagonal(dim1=-2, dim2=-1)
        # A floor under the root, whose slope is infinite at 0.
        return Structure(confidence, maps, xy, (variances + 1e-8).sqrt().mean(-1))

    def render(self, padded: Tensor, found: Structure, images: Tensor, ratio: float) -> Tensor:
        """Draw images [B, 3, H, W] from landmarks and their descriptors."""
        size = (padded.shape[-2], padded.shape[-1])
        here = gaussian_mass(found.xy, size, found.deviation)
        everywhere = torch.ones_like(here[:, :1])
        features = pool(self.describer(padded), torch.cat([here, everywhere], 1))
        features = F.leaky_relu(self.expand(self.compress(features)), SLOPE)
        size = (images.shape[-2], images.shape[-1])
        drawn = []
        for deviation in DRAWN_LEVELS:
            mass = gaussian_mass(found.xy * ratio, size, deviation)
            background = torch.full_like(mass[:, :1], 1 / (size[0] * size[1]))
            share = torch.cat([mass, background], 1)
            share = share / share.sum(1, keepdim=True)
            drawn += [share, paint(features.float(), share)]
        image: Tensor = self.renderer(torch.cat(drawn, 1))
        return image.float().sigmoid()

    def detect(self, images: Tensor) -> Detection:
        """Return the landmarks and the decoded images."""
        padded, ratio = self.pad(images)
        found = self.locate(padded)
        drawn = self.render(padded, found, images, ratio)
        rows, columns = (
            (p - i) // 2 for p, i in zip(padded.shape[-2:], images.shape[-2:], strict=True)
        )
        height, width = images.shape[-2:]
        inside = found.maps[..., rows : rows + height, columns : columns + width]
        return Detection(normalised(inside), found.xy * ratio, drawn)
