"""Thewlis et al. 2017: landmarks that move with the image (ICCV, arXiv 1705.02193)."""

from __future__ import annotations

from typing import Annotated, Any

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt
from torch import Tensor, nn

from tuskbench.contracts import TaskInfo
from tuskbench_landmarks.coordinates import mesh
from tuskbench_landmarks.landmark_system import Detection, LandmarkSystem
from tuskbench_landmarks.soft_argmax import mean, spatial_softmax
from tuskbench_landmarks.warps import (
    Similarity,
    Warp,
    compose,
    displaced_spline,
    move_points,
    warp_images,
)

FILTERS = (20, 48, 64, 80, 256)
KERNELS = (5, 3, 3, 3, 3)
DILATIONS = (1, 1, 2, 4, 2)
HALF_SIDE = 21.0
"""Pixels a half side of the 42-pixel maps on which the published weights hold."""
CONTROL_POINTS = 5
SIMILARITY = Similarity(rotation=0.17, scale=0.15, translation=0.15)


class Tower(nn.Sequential):
    """Six convolutions, the first followed by max-pooling: images to logits at half the size.

    Batch normalisation and ReLU follow all but the last, so that a softmax can suppress. Borders
    are reflected: with zeros, which tell where they are, landmarks settle at constant places.

    Args:
        keypoints: K, number of maps.
        width: multiplies the published filters 20, 48, 64, 80 and 256.
    """

    def __init__(self, keypoints: int, width: float) -> None:
        layers: list[nn.Module] = []
        before = 3
        for level, (filters, kernel, dilation) in enumerate(
            zip(FILTERS, KERNELS, DILATIONS, strict=True)
        ):
            channels = max(8, round(filters * width))
            padding = dilation * (kernel // 2)
            layers += [
                nn.Conv2d(
                    before,
                    channels,
                    kernel,
                    padding=padding,
                    dilation=dilation,
                    padding_mode="reflect",
                ),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            ]
            if level == 0:
                layers.append(nn.MaxPool2d(2))
            before = channels
        super().__init__(*layers, nn.Conv2d(before, keypoints, 1))


def alignment(first: Tensor, second: Tensor, warp: Warp) -> Tensor:
    """Return the expected squared distance between landmarks of an image and of its warp.

    The expectation of |u - g(v)|^2 over u under `first` and v under `second`, expanded so that
    it takes two sums over the pixels instead of one over all pairs.

    Args:
        first: maps [B, K, H, W] of the images.
        second: maps [B, K, H, W] of the warped images.
        warp: g, from positions in the warped images to those in the images.

    Returns:
        the mean over images and landmarks, in square half sides.
    """
    here = mesh((first.shape[-2], first.shape[-1]), first.device)[None]
    there = move_points(here, warp)
    p, q = first.flatten(2), second.flatten(2)
    with torch.autocast(first.device.type, enabled=False):
        means = (p @ here * (q @ there)).sum(-1)
        squares = p @ here.square().sum(-1, keepdim=True) + q @ there.square().sum(-1, keepdim=True)
    return (squares[..., 0] - 2 * means).mean()


def diversity(maps: Tensor, window: int) -> Tensor:
    """Return how far landmarks share pixels: K minus the sum of the highest map at each place.

    Maps [B, K, H, W] are first summed over squares of `window` pixels, so that landmarks keep
    that distance. It is 0 when no two maps meet, and K - 1 when all are the same.
    """
    pooled = F.avg_pool2d(maps, window, ceil_mode=True, count_include_pad=False)
    share = pooled / pooled.sum((-2, -1), keepdim=True)
    return maps.shape[1] - share.amax(1).sum((-2, -1)).mean()


class Thewlis(LandmarkSystem):
    """Factorised spatial embeddings: landmarks that follow every warp and keep apart.

    A small convolutional tower gives a softmax map a landmark. Two losses train it on pairs of
    warped images: alignment, the expected squared distance between a landmark and its
    counterpart carried back by the known warp (in the form over all pixels rather than between
    the means), and diversity on both images. Nothing is reconstructed.

    The paper gives no weights; those here are of an unofficial TensorFlow port, which pools
    means of 4 x 4 pixels and weighs them with 500: here sums with 500 / 16. Alignment is in
    square pixels of the port's 42-pixel maps whatever the resolution, so that the balance holds.
    Ranges of the warps' affine part are not published and chosen here; their spline's
    deviation is the port's, and so is the weight decay. The port's convolutions have no padding.

    Args:
        task: the task (wired by the runner).
        width: multiplies the channels of the tower.
        alignment_weight: of the expected squared distance.
        diversity_weight: of the diversity loss.
        diversity_window: side of its squares, in pixels of the maps.
        deformation: standard deviation of the control points of the second warp, in half sides.
        weight_decay: of the convolutions' filters.
        shared: settings of `LandmarkSystem`.
    """

    version = "4"
    betas = (0.5, 0.999)

    def __init__(
        self,
        task: TaskInfo,
        *,
        width: Annotated[float, Gt(0)] = 1.0,
        alignment_weight: Annotated[float, Ge(0)] = 1.0,
        diversity_weight: Annotated[float, Ge(0)] = 31.25,
        diversity_window: Annotated[int, Ge(1)] = 4,
        deformation: Annotated[float, Ge(0)] = 0.1,
        weight_decay: Annotated[float, Ge(0)] = 5e-4,
        **shared: Any,
    ) -> None:
        super().__init__(task, **shared)
        self.tower = Tower(self.keypoints, width)
        self.alignment_weight, self.diversity_weight = alignment_weight, diversity_weight
        self.diversity_window, self.deformation = diversity_window, deformation
        self.weight_decay = weight_decay

    def parameter_groups(self) -> list[dict[str, object]]:
        """Decay the filters and nothing else."""
        filters = [p for p in self.parameters() if p.ndim > 1]
        others = [p for p in self.parameters() if p.ndim <= 1]
        return [{"params": filters, "weight_decay": self.weight_decay}, {"params": others}]

    def losses(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """Return alignment and diversity of a pair of warps of images [B, 3, H, W]."""
        count, device = len(images), images.device
        once = SIMILARITY.draw(count, device)
        spline = displaced_spline(count, CONTROL_POINTS, self.deformation, device)
        again = compose(SIMILARITY.draw(count, device), spline)
        first = warp_images(images, once, self.task.border)
        second = warp_images(first, again, self.task.border)
        maps = spatial_softmax(self.sharpness * self.tower(torch.cat([first, second])))
        near, far = maps.chunk(2)
        return {
            "alignment": self.alignment_weight * HALF_SIDE**2 * alignment(near, far, again),
            "diversity": self.diversity_weight * 2 * diversity(maps, self.diversity_window),
        }

    def detect(self, images: Tensor) -> Detection:
        """Return the maps' means."""
        maps = spatial_softmax(self.sharpness * self.tower(images))
        return Detection(maps, mean(maps))
