"""Prototypes on the unit sphere: what every clustering regularizer owns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuskbench.errors import ConfigurationError


class Prototypes(nn.Module):
    """M free vectors in C dimensions, read on the unit sphere as the descriptors are.

    They start from a standard normal distribution (TUSK code).

    Args:
        channels: C.
        prototypes: M.
    """

    prototypes: nn.Parameter

    def __init__(self, channels: int, prototypes: int) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(torch.randn(prototypes, channels))

    def centres(self) -> Tensor:
        """Return the prototypes [M, C] at unit length."""
        return F.normalize(self.prototypes, dim=-1)

    def squared_distances(self, descriptors: Tensor) -> Tensor:
        """Return squared distances [..., M] of unit-length descriptors [..., C] to the centres."""
        return (2 - 2 * descriptors @ self.centres().T).clamp_min(0)

    def assign(self, descriptors: Tensor) -> Tensor:
        """Return the index of the nearest prototype: [..., C] to [...] int64."""
        return (descriptors @ self.centres().T).argmax(-1)

    @torch.no_grad()
    def initialise(self, descriptors: Tensor) -> None:
        """Move the prototypes to the k-means centres of unit-length descriptors [N, C].

        Raises:
            ConfigurationError: if there are fewer descriptors than prototypes.
        """
        if len(descriptors) < len(self.prototypes):
            expected = f"at most {len(descriptors)}, the descriptors that k-means can place them by"
            name, count = "prototypes", len(self.prototypes)
            raise ConfigurationError("regularizer", name, count, expected)
        from sklearn.cluster import KMeans as ScikitKMeans

        points = descriptors.detach().float().cpu().numpy()
        seed = int(torch.randint(2**31, ()).item())
        fit = ScikitKMeans(len(self.prototypes), n_init=10, random_state=seed).fit(points)
        # New memory, because a loss that was computed before may still be waiting for its gradient.
        self.prototypes.data = torch.from_numpy(fit.cluster_centers_).to(self.prototypes)

    def quantize(self, descriptors: Tensor) -> Tensor:
        """Return the descriptors as they are; the decoder sees them unquantized."""
        return descriptors
