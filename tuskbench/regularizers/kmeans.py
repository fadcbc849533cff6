"""The loss of Deep k-means (Moradi Fard et al. 2020), the k-means row of Table 6."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt
from torch import Tensor

from tuskbench.regularizers.prototypes import Prototypes


class KMeans(Prototypes):
    """Soft assignments times squared distances, with gradient to both sides.

    Nothing balances the clusters: all descriptors may fall to one prototype, which is the
    paper's argument against it (section 4.4.3).

    Args:
        channels: channels C of the descriptors (wired by the system).
        prototypes: M, number of prototypes.
        sharpness: alpha of the soft assignment; 1000 is nearly hard on unit vectors (the
            constant of the original after pre-training).
    """

    version = "1"
    provides = frozenset({"labels"})

    def __init__(
        self,
        channels: int,
        *,
        prototypes: Annotated[int, Ge(1)] = 10,
        sharpness: Annotated[float, Gt(0)] = 1000.0,
    ) -> None:
        super().__init__(channels, prototypes)
        self.sharpness = sharpness

    def descriptor_loss(self, descriptors: Tensor) -> Tensor:
        """Return the loss for unit-length descriptors [N, C]."""
        distance = self.squared_distances(descriptors)
        return ((-self.sharpness * distance).softmax(-1) * distance).sum(-1).mean()

    def prototype_loss(self, descriptors: Tensor) -> Tensor:
        """Return the same loss; the prototypes' optimizer uses its other gradient."""
        return self.descriptor_loss(descriptors)
