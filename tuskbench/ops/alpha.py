"""Compositing of one RGBA image a keypoint or slot into a picture and masks."""

from __future__ import annotations

from torch import Tensor


def composite(colours: Tensor, alphas: Tensor) -> tuple[Tensor, Tensor]:
    """Blend layers by a softmax over their alpha logits.

    Args:
        colours: [B, K, 3, H, W] in [0, 1].
        alphas: [B, K, 1, H, W] logits.

    Returns:
        the picture [B, 3, H, W] and the masks [B, K, H, W], which sum to 1 over K.
    """
    masks = alphas.softmax(dim=1)
    return (masks * colours).sum(1), masks.squeeze(2)
