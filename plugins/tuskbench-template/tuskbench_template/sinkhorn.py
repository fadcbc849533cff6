"""Self-labelling with equal shares: no prototype is left without descriptors."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from tuskbench.regularizers.prototypes import Prototypes


class Sinkhorn(Prototypes):
    """Cross-entropy to labels that share the descriptors equally among the prototypes.

    Labels are the soft assignment nearest to the descriptors' similarities of which every
    prototype gets the same share, found by Sinkhorn's iterations (Asano et al., ICLR 2020;
    Caron et al., NeurIPS 2020). k-means may give all descriptors to one prototype; this may not.
    It suits data in which the classes are about equally frequent.

    Args:
        channels: channels C of the descriptors (wired by the system).
        prototypes: M, number of prototypes.
        temperature: of the softmax over cosine similarities.
        sharpness: how much sharper the labels are than that softmax.
        iterations: number of Sinkhorn's iterations.
    """

    version = "1"
    provides = frozenset({"labels"})

    def __init__(
        self,
        channels: int,
        *,
        prototypes: Annotated[int, Ge(1)] = 10,
        temperature: Annotated[float, Gt(0)] = 0.1,
        sharpness: Annotated[float, Ge(1)] = 2.0,
        iterations: Annotated[int, Ge(1)] = 3,
    ) -> None:
        super().__init__(channels, prototypes)
        self.temperature, self.sharpness, self.iterations = temperature, sharpness, iterations

    @torch.no_grad()
    def labels(self, similarity: Tensor) -> Tensor:
        """Turn similarities [N, M] into soft labels [N, M]: rows sum to 1, columns to N / M."""
        log = similarity.float() * (self.sharpness / self.temperature)
        for _ in range(self.iterations):
            log = log.log_softmax(dim=0)
            log = log.log_softmax(dim=1)
        return log.exp()

    def loss(self, similarity: Tensor) -> Tensor:
        """Return the cross-entropy of similarities [N, M] to their labels."""
        prediction = (similarity.float() / self.temperature).log_softmax(dim=1)
        return -(self.labels(similarity) * prediction).sum(dim=1).mean()

    def descriptor_loss(self, descriptors: Tensor) -> Tensor:
        """Return the loss of unit-length descriptors [N, C]; the prototypes get no gradient."""
        return self.loss(descriptors @ self.centres().detach().T)

    def prototype_loss(self, descriptors: Tensor) -> Tensor:
        """Return the same loss; only the prototypes get its gradient."""
        return self.loss(descriptors.detach() @ self.centres().T)
