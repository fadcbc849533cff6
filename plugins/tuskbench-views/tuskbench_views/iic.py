"""Invariant information clustering: labels of two views that tell most of one another."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from tuskbench_views.placement import PlacedPrototypes


class IIC(PlacedPrototypes):
    """Minus the mutual information of two views' labels (Ji et al., ICCV 2019, eq. 3).

    Labels are softmax assignments to the prototypes. A second head of more prototypes learns
    beside them, so that the descriptors keep the styles within a class apart (section 3.3).

    Args:
        channels: channels C of the descriptors (wired by the system).
        prototypes: M, number of prototypes.
        fine: prototypes of the head of over-clustering; 0 for none.
        neighbours: edges of every descriptor in the graph that places the prototypes; 0 for
            k-means.
        temperature: of the assignments.
    """

    version = "1"
    provides = frozenset({"labels"})

    def __init__(
        self,
        channels: int,
        *,
        prototypes: Annotated[int, Ge(2)] = 10,
        fine: Annotated[int, Ge(0)] = 50,
        neighbours: Annotated[int, Ge(0)] = 10,
        temperature: Annotated[float, Gt(0)] = 0.1,
    ) -> None:
        super().__init__(channels, prototypes, neighbours)
        self.temperature = temperature
        self.fine = PlacedPrototypes(channels, fine, neighbours) if fine else None

    @torch.no_grad()
    def initialise(self, descriptors: Tensor) -> None:
        """Move the prototypes of both heads to clusters of unit descriptors [N, C]."""
        super().initialise(descriptors)
        if self.fine is not None:
            self.fine.initialise(descriptors)

    def pair_loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the mean over heads of the loss of unit descriptors [N, C] of two views."""
        heads = [self, *([self.fine] if self.fine is not None else [])]
        return torch.stack([self._loss(first, second, head.centres()) for head in heads]).mean()

    def descriptor_loss(self, descriptors: Tensor) -> Tensor:
        """Return the loss of unit descriptors [N, C], each its own second view."""
        return self._loss(descriptors, descriptors, self.centres().detach())

    def prototype_loss(self, descriptors: Tensor) -> Tensor:
        """Return the same loss; only the prototypes get its gradient."""
        return self.pair_loss(descriptors.detach(), descriptors.detach())

    def _loss(self, first: Tensor, second: Tensor, centres: Tensor) -> Tensor:
        labels = [(side @ centres.T / self.temperature).softmax(-1) for side in (first, second)]
        joint = labels[0].T @ labels[1] / len(first)
        return -mutual_information((joint + joint.T) / 2)


def mutual_information(joint: Tensor) -> Tensor:
    """Return the mutual information, in nats, of a joint distribution [M, M]."""
    joint = joint.clamp_min(torch.finfo(joint.dtype).eps)
    joint = joint / joint.sum()
    independent = joint.sum(0, keepdim=True) * joint.sum(1, keepdim=True)
    return (joint * (joint.log() - independent.log())).sum()
