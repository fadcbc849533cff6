"""Lorenz et al. 2019: part-based disentangling of shape and appearance (CVPR, arXiv 1903.06946)."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from tuskbench.contracts import Faithful, TaskInfo, WarpSettings
from tuskbench_landmarks.appearance import paint, pool
from tuskbench_landmarks.colour import ColourJitter
from tuskbench_landmarks.landmark_system import Detection, LandmarkSystem
from tuskbench_landmarks.lorenz_networks import Decoder, Encoder
from tuskbench_landmarks.rendering import inverse_cholesky, student
from tuskbench_landmarks.soft_argmax import mean, moments, normalised
from tuskbench_landmarks.warps import Warp, scattered_spline, warp_grid, warp_images

CONTROL = [(x * r, y * r) for r in (0.5, 0.2) for x in (-1, 1) for y in (-1, 1)]
CONTROL_JITTER = 0.2
WARP = WarpSettings(scale=(0.8, 0.04), displacement=0.05, offset=0.15, rotation=0.1)
JITTER = ColourJitter(contrast=0.5, brightness=0.3, saturation=0.1, hue=0.3)
CIRCLE = 10.0
"""Precision of the drawn circles, in 1 / half sides."""
COVARIANCE_SCALE = 0.8
FOLD_PRECISION, FOLD_THRESHOLD = 10.0, 0.2
SMALLEST, LARGEST_FIRST = 4, (512, 512, 512, 256, 256, 128, 64)
# Which parts' features enter at the coarsest resolution, the next and the one after that, and
# how many parts' shapes enter at the coarsest two.
FEATURE_SLICES = (slice(0, 2), slice(2, 4), slice(4, None))
SHAPE_PARTS = (2, 4)


def resolutions(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the sizes of the decoder, from about 4 pixels up to (height, width)."""
    sizes = [size]
    while min(sizes[0]) > SMALLEST and len(sizes) < len(LARGEST_FIRST):
        sizes.insert(0, ((sizes[0][0] + 1) // 2, (sizes[0][1] + 1) // 2))
    return sizes


def area_change(grid: Tensor) -> Tensor:
    """Return how much area each pixel of a warp's grid [B, H, W, 2] covers, up to a factor."""
    along_y, along_x = torch.gradient(grid, dim=(1, 2))
    return (along_x[..., 0] * along_y[..., 1] - along_x[..., 1] * along_y[..., 0]).abs()


def carried_moments(maps: Tensor, warp: Warp) -> tuple[Tensor, Tensor]:
    """Return mean [B, K, 2] and covariance [B, K, 2, 2] of maps carried back by their warp.

    Both views of an image are compared in its own frame: pixels of a map [B, K, H, W] stand
    where the warp took them from and weigh by the area that they cover there.
    """
    size = (maps.shape[-2], maps.shape[-1])
    grid = warp_grid(warp, size, maps.device)
    area, places = area_change(grid), grid.flatten(1, 2)
    weights = normalised(maps * area[:, None]).flatten(2)
    with torch.autocast(maps.device.type, enabled=False):
        centre = weights @ places
        offset = places[:, None] - centre[:, :, None]
        covariance = torch.einsum("bkp,bkpi,bkpj->bkij", weights, offset, offset)
    return centre, covariance


class Lorenz(LandmarkSystem):
    """Parts' shapes from one view, their looks from another, together the image.

    Two random splines of each image make two views, and two colour changes make two looks. The
    network sees view 1 in look A and view 2 in look B; parts' features are exchanged and both
    views are redrawn in the other look, from the parts' positions and the exchanged features
    alone. Shape therefore cannot depend on colour, and appearance cannot depend on pose.
    Besides, the parts' means and covariances in both views must agree in the image's own frame.

    The squared error counts near the parts only. Views are black beyond the image. Where paper
    and code differ: "paper" draws parts with their covariances and gives every resolution all
    parts; the released code's flags leave circles, and the coarsest resolutions get two parts
    each. The pair of views is of one image (the code's `--static`); frames of one video, with
    which the paper's number on Human3.6M was made, are not available to a system that sees single
    images.

    Args:
        task: the task (wired by the runner).
        width: channels of the hourglasses; 256 in the code.
        depth: resolutions of the first hourglass below half the image's.
        features: channels of a part's appearance.
        decoder_width: multiplies the decoder's channels.
        faithful_to: side of paper/code differences.
        reconstruction_weight: of the squared error.
        mean_weight: of the squared distance of the means, in square half sides.
        covariance_weight: of the distance of the covariances.
        shared: settings of `LandmarkSystem`.
    """

    version = "4"

    def __init__(
        self,
        task: TaskInfo,
        *,
        width: Annotated[int, Ge(4)] = 256,
        depth: Annotated[int, Ge(1)] = 5,
        features: Annotated[int, Ge(1)] = 64,
        decoder_width: Annotated[float, Gt(0)] = 1.0,
        faithful_to: Faithful = "code",
        reconstruction_weight: Annotated[float, Ge(0)] = 1.0,
        mean_weight: Annotated[float, Ge(0)] = 5.0,
        covariance_weight: Annotated[float, Ge(0)] = 0.1,
        **shared: Any,
    ) -> None:
        super().__init__(task, **shared)
        self.encoder = Encoder(self.keypoints, features, width, depth, self.sharpness)
        self.faithful_to = faithful_to
        self.sizes = resolutions(task.image_size)
        widths = [max(8, round(decoder_width * c)) for c in LARGEST_FIRST[-len(self.sizes) :]]
        self.decoder = Decoder(
            [self._shapes(i) + features * self._has_features(i) for i in range(len(self.sizes))],
            widths,
        )
        self.weights = {
            "reconstruction": reconstruction_weight,
            "mean": mean_weight,
            "covariance": covariance_weight,
        }

    def _shapes(self, index: int) -> int:
        """Return how many parts' shapes enter at a resolution, counted from the coarsest."""
        if self.faithful_to == "code" and index < len(SHAPE_PARTS):
            return min(self.keypoints, SHAPE_PARTS[index])
        return self.keypoints

    def _features(self, index: int) -> slice:
        """Return which parts' features enter at a resolution, counted from the coarsest."""
        if self.faithful_to == "paper":
            return slice(None)
        return FEATURE_SLICES[index] if index < len(FEATURE_SLICES) else slice(0, 0)

    def _has_features(self, index: int) -> bool:
        return bool(range(self.keypoints)[self._features(index)])

    def losses(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """Return the losses of two views of images [B, 3, H, W] with exchanged looks."""
        count, device = len(images), images.device
        twice = images.repeat(2, 1, 1, 1)
        warp = scattered_spline(2 * count, CONTROL, CONTROL_JITTER, WARP, device)
        views = warp_images(twice, warp, 0.0)
        looks = torch.stack([JITTER(views, 2), JITTER(views, 2)])
        second = (torch.arange(2 * count, device=device) >= count)[:, None, None, None]
        seen = torch.where(second, looks[1], looks[0])
        wanted = torch.where(second, looks[0], looks[1])
        maps, features = self.encoder(seen)
        look = pool(features.float(), maps).roll(count, 0)
        drawn = self.draw(maps, look)
        centre, covariance = carried_moments(maps, warp)
        apart = (centre[:count] - centre[count:]).square().mean()
        spread = (covariance[:count] - covariance[count:]).square().sum((-2, -1))
        losses = {
            "reconstruction": self.folded_error(drawn, wanted, mean(maps).detach()),
            "mean": apart,
            "covariance": (spread + 1e-6).sqrt().mean(),
        }
        return {name: self.weights[name] * loss for name, loss in losses.items()}

    def folded_error(self, drawn: Tensor, wanted: Tensor, xy: Tensor) -> Tensor:
        """Return the squared error near parts at xy [B, K, 2], a mean over weights and channels."""
        size = (wanted.shape[-2], wanted.shape[-1])
        near = student(xy, size, FOLD_PRECISION).sum(1, keepdim=True).clamp(0, 1)
        near = near * (near > FOLD_THRESHOLD)
        weight = near / near.sum((-2, -1), keepdim=True).clamp_min(1e-6)
        return ((drawn - wanted).square() * weight).sum((-2, -1)).mean()

    def draw(self, maps: Tensor, look: Tensor) -> Tensor:
        """Draw images [B, 3, H, W] from part maps [B, K, h, w] and features [B, K, C]."""
        xy, covariance = moments(maps)
        precision: Tensor | float = CIRCLE
        if self.faithful_to == "paper":
            precision = COVARIANCE_SCALE * inverse_cholesky(covariance)
        encodings = []
        for index, size in enumerate(self.sizes):
            shape = student(xy, size, precision)
            parts = [shape[:, : self._shapes(index)]]
            if self._has_features(index):
                chosen = self._features(index)
                share = shape[:, chosen] / (1 + shape[:, chosen].sum(1, keepdim=True))
                parts.append(paint(look[:, chosen], share))
            encodings.append(torch.cat(parts, 1))
        image: Tensor = self.decoder(encodings)
        return image

    def detect(self, images: Tensor) -> Detection:
        """Return the parts' means and the images redrawn in their own look."""
        maps, features = self.encoder(images)
        return Detection(maps, mean(maps), self.draw(maps, pool(features.float(), maps)))
