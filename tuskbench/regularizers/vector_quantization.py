"""Vector quantization (van den Oord et al. 2017), the VQ row of Table 6."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge
from torch import Tensor

from tuskbench.regularizers.prototypes import Prototypes


class VectorQuantization(Prototypes):
    """The decoder sees the nearest code in place of the descriptor, straight-through.

    Codes are trained by gradient (not by moving averages) and lie on the unit sphere as the
    descriptors do; TUSK does not say how its VQ row did either.

    Args:
        channels: channels C of the descriptors (wired by the system).
        prototypes: M, size of the codebook.
        commitment: beta of the commitment loss; 0.25 in VQ-VAE.
    """

    version = "1"
    provides = frozenset({"labels"})

    def __init__(
        self,
        channels: int,
        *,
        prototypes: Annotated[int, Ge(1)] = 10,
        commitment: Annotated[float, Ge(0)] = 0.25,
    ) -> None:
        super().__init__(channels, prototypes)
        self.commitment = commitment

    def quantize(self, descriptors: Tensor) -> Tensor:
        """Return the nearest codes [..., C]; gradients pass to the descriptors unchanged."""
        codes = self.centres()[self.assign(descriptors)].detach()
        return descriptors + (codes - descriptors).detach()

    def descriptor_loss(self, descriptors: Tensor) -> Tensor:
        """Return the commitment loss, beta |h - sg(e)|^2, of descriptors [N, C]."""
        codes = self.centres()[self.assign(descriptors)].detach()
        return self.commitment * (descriptors - codes).square().sum(-1).mean()

    def prototype_loss(self, descriptors: Tensor) -> Tensor:
        """Return the codebook loss, |sg(h) - e|^2, of descriptors [N, C]."""
        codes = self.centres()[self.assign(descriptors)]
        return (descriptors.detach() - codes).square().sum(-1).mean()
