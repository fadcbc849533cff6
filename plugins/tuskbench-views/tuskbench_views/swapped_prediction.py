"""Swapped prediction: the balanced label of one view is predicted from the other."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from tuskbench_views.assignments import balanced_labels
from tuskbench_views.placement import PlacedPrototypes


class SwappedPrediction(PlacedPrototypes):
    """Cross-entropy of one view to the Sinkhorn label of the other (SwAV, Caron et al. 2020).

    It suits data in which the classes are about equally frequent.

    Args:
        channels: channels C of the descriptors (wired by the system).
        prototypes: M, number of prototypes.
        neighbours: edges of every descriptor in the graph that places the prototypes; 0 for
            k-means.
        temperature: of the softmax that predicts.
        epsilon: entropy of Sinkhorn's labels.
        iterations: number of Sinkhorn's iterations.
    """

    version = "1"
    provides = frozenset({"labels"})

    def __init__(
        self,
        channels: int,
        *,
        prototypes: Annotated[int, Ge(1)] = 10,
        neighbours: Annotated[int, Ge(0)] = 10,
        temperature: Annotated[float, Gt(0)] = 0.1,
        epsilon: Annotated[float, Gt(0)] = 0.05,
        iterations: Annotated[int, Ge(1)] = 3,
    ) -> None:
        super().__init__(channels, prototypes, neighbours)
        self.temperature, self.epsilon, self.iterations = temperature, epsilon, iterations

    def pair_loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of unit descriptors [N, C] of two views of N objects."""
        return self._loss(first, second, self.centres())

    def descriptor_loss(self, descriptors: Tensor) -> Tensor:
        """Return the loss of unit descriptors [N, C], each its own second view."""
        return self._loss(descriptors, descriptors, self.centres().detach())

    def prototype_loss(self, descriptors: Tensor) -> Tensor:
        """Return the same loss; only the prototypes get its gradient."""
        return self._loss(descriptors.detach(), descriptors.detach(), self.centres())

    def _loss(self, first: Tensor, second: Tensor, centres: Tensor) -> Tensor:
        similarities = torch.stack([first @ centres.T, second @ centres.T])
        labels = [
            balanced_labels(similarity, self.epsilon, self.iterations)
            for similarity in similarities.detach()
        ]
        predictions = (similarities / self.temperature).log_softmax(-1)
        return -(torch.stack(labels[::-1]) * predictions).sum(-1).mean()
