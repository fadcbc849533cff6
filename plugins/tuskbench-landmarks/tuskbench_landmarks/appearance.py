"""The appearance stream: features read where parts are, and painted where they shall be."""

from __future__ import annotations

import torch
from torch import Tensor


def pool(features: Tensor, maps: Tensor) -> Tensor:
    """Return each part's mean feature: features [B, C, H, W] under maps [B, K, H, W].

    Maps weigh by their share of their own sum.

    Returns:
        [B, K, C].
    """
    weights = maps.flatten(2)
    total = weights.sum(-1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
    return torch.einsum("bkp,bcp->bkc", (weights / total).to(features.dtype), features.flatten(2))


def paint(features: Tensor, maps: Tensor) -> Tensor:
    """Return the sum of parts' features [B, K, C] laid out by their maps [B, K, H, W].

    Returns:
        [B, C, H, W].
    """
    return torch.einsum("bkc,bkhw->bchw", features, maps.to(features.dtype))
