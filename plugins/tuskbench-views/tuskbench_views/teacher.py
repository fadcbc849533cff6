"""Self-labels: a slow copy of the describer says what a glimpse is, where it is sure."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Teacher(nn.Module):
    """A moving average of a describer and its prototypes, and of how often it gives each label.

    Args:
        describer: the network that it follows.
        regularizer: owner of the prototypes [M, C] that it follows.
        rate: share of the followed weights taken over at every step.
        temperature: of the softmax over cosine similarities.
    """

    prototypes: Tensor
    shares: Tensor

    def __init__(
        self, describer: nn.Module, regularizer: Any, rate: float, temperature: float
    ) -> None:
        super().__init__()
        self.describer = copy.deepcopy(describer).requires_grad_(False)
        self.rate, self.temperature = rate, temperature
        labels = len(regularizer.prototypes)
        self.register_buffer("prototypes", regularizer.prototypes.detach().clone())
        self.register_buffer("shares", torch.full((labels,), 1 / labels))

    @torch.no_grad()
    def follow(self, describer: nn.Module, regularizer: Any, rate: float | None = None) -> None:
        """Move towards the followed weights; a rate of 1 copies them."""
        rate = self.rate if rate is None else rate
        pairs = zip(
            [*self.describer.state_dict().values(), self.prototypes],
            [*describer.state_dict().values(), regularizer.prototypes],
            strict=True,
        )
        for slow, fast in pairs:
            if slow.is_floating_point():
                slow.lerp_(fast.to(slow.dtype), rate)
            else:
                slow.copy_(fast)

    @torch.no_grad()
    def labels(self, views: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the label [N] of objects seen in several views, and its probability [N].

        Probabilities are averaged over the views [N, C, S, S] and divided by how often each label
        was given of late, so that no label takes over its neighbours.
        """
        self.describer.eval()
        count = len(views[0])
        descriptors = self.describer(torch.cat(views))
        with torch.autocast(descriptors.device.type, enabled=False):
            similarity = descriptors @ F.normalize(self.prototypes, dim=-1).T
            seen = (similarity / self.temperature).softmax(-1).view(len(views), count, -1).mean(0)
        self.shares.lerp_(seen.mean(0), self.rate)
        even = seen / self.shares
        even = even / even.sum(-1, keepdim=True)
        certainty, label = even.max(-1)
        return label, certainty
