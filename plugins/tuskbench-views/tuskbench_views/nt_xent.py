"""NT-Xent: two views of an object closer to one another than to any other object's."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt
from torch import Tensor

from tuskbench_views.placement import PlacedPrototypes


class NTXent(PlacedPrototypes):
    """The normalised, temperature-scaled cross-entropy of SimCLR (Chen et al., ICML 2020, eq. 1).

    It learns descriptors alone: prototypes stay where they are placed. Where descriptors come
    without a second view, each is its own, which spreads them over the sphere.

    Args:
        channels: channels C of the descriptors (wired by the system).
        prototypes: M, number of prototypes.
        neighbours: edges of every descriptor in the graph that places the prototypes; 0 for
            k-means.
        temperature: of the softmax over cosine similarities.
    """

    version = "1"
    provides = frozenset({"labels"})

    def __init__(
        self,
        channels: int,
        *,
        prototypes: Annotated[int, Ge(1)] = 10,
        neighbours: Annotated[int, Ge(0)] = 10,
        temperature: Annotated[float, Gt(0)] = 0.2,
    ) -> None:
        super().__init__(channels, prototypes, neighbours)
        self.temperature = temperature

    def pair_loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of unit descriptors [N, C] of two views of N objects."""
        both = torch.cat([first, second])
        similarity = both @ both.T / self.temperature
        itself = torch.eye(len(both), dtype=torch.bool, device=both.device)
        index = torch.arange(len(both), device=both.device)
        partner = index.roll(len(first))
        return F.cross_entropy(similarity.masked_fill(itself, -torch.inf), partner)

    def descriptor_loss(self, descriptors: Tensor) -> Tensor:
        """Return the loss of unit descriptors [N, C], each its own second view."""
        return self.pair_loss(descriptors, descriptors)

    def prototype_loss(self, descriptors: Tensor) -> Tensor:
        """Return the mean squared distance to the nearest prototype, of k-means."""
        return self.squared_distances(descriptors.detach()).amin(-1).mean()
