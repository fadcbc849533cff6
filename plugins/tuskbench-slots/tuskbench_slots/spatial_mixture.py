"""An image under K pictures and their masks: how likely each pixel is, and whose it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tuskbench_slots.likelihoods import mixture_log_prob

# Keeps the posterior of a pixel that no slot explains at 0.
EPSILON = 1e-6


@dataclass(frozen=True)
class SpatialMixture:
    """Pixels as a mixture of K distributions, weighted by a softmax over mask logits.

    Attributes:
        logits: [B, K, H, W] of the masks.
        log_probs: [B, K, H, W] of a pixel under every slot, summed over its colours.
    """

    logits: Tensor
    log_probs: Tensor

    @classmethod
    def of(
        cls,
        images: Tensor,
        colours: Tensor,
        logits: Tensor,
        log_prob: Callable[[Tensor, Tensor], Tensor],
    ) -> SpatialMixture:
        """Make the mixture of images [B, 3, H, W] under colours [B, K, 3, H, W].

        Args:
            images: the images.
            colours: means of the slots' pixels.
            logits: [B, K, 1, H, W] of the masks.
            log_prob: log-density of a value under a mean, element by element.
        """
        return cls(logits.squeeze(2), log_prob(images[:, None], colours).sum(2))

    def log_prob(self) -> Tensor:
        """Return the log-density of every pixel [B, H, W]."""
        return mixture_log_prob(self.logits.log_softmax(1), self.log_probs)

    def posterior(self) -> Tensor:
        """Return whose a pixel is by its colour alone, whatever the masks say: [B, K, H, W]."""
        probs = self.log_probs.exp()
        return probs / (probs.sum(1, keepdim=True) + EPSILON)

    def without_each(self) -> Tensor:
        """Return the log-density of every pixel if slot k were not there: [B, K, H, W]."""
        slots = self.logits.shape[1]
        absent = torch.eye(slots, dtype=torch.bool, device=self.logits.device)[..., None, None]
        # [B, k, K, H, W]: the mixture of all slots but k.
        logits = self.logits[:, None].masked_fill(absent, -torch.inf)
        joint = torch.logsumexp(logits + self.log_probs[:, None], 2)
        return joint - torch.logsumexp(logits, 2)
