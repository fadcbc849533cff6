"""Blobs of a given size without learning: the Laplacian of a Gaussian."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tuskbench.ops.peaks import top_peaks


def blob_response(images: Tensor, side: float) -> Tensor:
    """Return how much each pixel is the centre of something `side` pixels wide.

    Pixels count by their distance from the image's median colour, so that neither a bright nor
    a dark plain background matters.

    Args:
        images: [B, 3, H, W].
        side: diameter in pixels of the blobs with the highest response.

    Returns:
        [B, H, W], at least 0.
    """
    background = images.float().flatten(2).median(-1).values[..., None, None]
    contrast = (images.float() - background).abs().mean(1, keepdim=True)
    # A disc of radius r answers most to the deviation r / sqrt(2).
    deviation = side / 2 / math.sqrt(2)
    radius = math.ceil(3 * deviation)
    steps = torch.arange(-radius, radius + 1, device=images.device)
    square = (steps[:, None].square() + steps.square()) / deviation**2
    kernel = (2 - square) * torch.exp(-square / 2)
    kernel = kernel - kernel.mean()
    padded = F.pad(contrast, (radius,) * 4, mode="replicate")
    with torch.autocast(images.device.type, enabled=False):
        response = F.conv2d(padded, kernel[None, None] / kernel.abs().sum())
    return response[:, 0].clamp_min(0)


def find_blobs(images: Tensor, count: int, side: float) -> tuple[Tensor, Tensor]:
    """Return the `count` strongest blobs at least half a `side` apart.

    Returns:
        integer positions [B, K, 2] as floats and scores [B, K] in [0, 1], descending.
    """
    response = blob_response(images, side)
    window = 2 * max(1, round(side / 2)) + 1
    peaks = top_peaks(response, count, window)
    score = response.flatten(1).gather(1, peaks[..., 1] * response.shape[-1] + peaks[..., 0])
    order = score.argsort(dim=1, descending=True, stable=True)
    score = score.gather(1, order)
    score = score / score[:, :1].clamp_min(torch.finfo(score.dtype).tiny)
    return peaks.gather(1, order[..., None].expand_as(peaks)).float(), score
