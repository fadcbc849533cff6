"""TUSK's regularizer: sliced Wasserstein prototypes and the soft-min clustering loss."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt
from torch import Tensor

from tuskbench.contracts import Faithful
from tuskbench.regularizers.prototypes import Prototypes


class SlicedWasserstein(Prototypes):
    """Prototypes follow the descriptors' distribution; descriptors gather around them.

    The prototypes are the modes of a Gaussian mixture from which as many samples are drawn as
    there are descriptors; the squared sliced Wasserstein distance between the two sets trains
    the prototypes (section 3.3, L_sw). The clustering loss is the negative logarithm of the
    largest soft-min over prototypes (L_km).

    Args:
        channels: channels C of the descriptors (wired by the system).
        prototypes: M, number of prototypes.
        projections: number of random directions.
        noise: standard deviation of the mixture's modes, per dimension; 1/50 in the code.
        sharpness: factor on the channel-averaged squared distance in the code's L_km; 20 in the
            code. The sharper, the more of its gradient goes to descriptors between prototypes.
        smoothing: constant part of the weight given to every prototype; 0.01 in the code.
        faithful_to: distance and average of the losses. "paper": plain distance in L_km, mean
            over directions in L_sw; "code": squared distance averaged over channels times
            `sharpness`, sum over directions.
    """

    version = "1"
    provides = frozenset({"labels"})

    def __init__(
        self,
        channels: int,
        *,
        prototypes: Annotated[int, Ge(1)] = 10,
        projections: Annotated[int, Ge(1)] = 100,
        noise: Annotated[float, Ge(0)] = 0.02,
        sharpness: Annotated[float, Gt(0)] = 20.0,
        smoothing: Annotated[float, Gt(0)] = 0.01,
        faithful_to: Faithful = "code",
    ) -> None:
        super().__init__(channels, prototypes)
        self.projections, self.noise, self.smoothing = projections, noise, smoothing
        self.sharpness, self.faithful_to = sharpness, faithful_to

    def descriptor_loss(self, descriptors: Tensor) -> Tensor:
        """Return L_km for unit-length descriptors [N, C]; the prototypes get no gradient.

        In the "code" form it has a positive floor: squared distances on the sphere are at most
        4, so the soft-min never reaches 1.
        """
        squared = (2 - 2 * descriptors @ self.centres().detach().T).clamp_min(0)
        if self.faithful_to == "paper":
            distance = (squared + 1e-12).sqrt()
        else:
            distance = squared * (self.sharpness / descriptors.shape[-1])
        return -F.log_softmax(-distance, dim=-1).amax(-1).mean()

    def prototype_loss(self, descriptors: Tensor) -> Tensor:
        """Return L_sw between unit-length descriptors [N, C] and samples of the mixture."""
        samples = self.sample(descriptors)
        # Drawn on the CPU, so that a seed gives the same directions on every device.
        directions = F.normalize(torch.randn(descriptors.shape[-1], self.projections), dim=0)
        directions = directions.to(descriptors.device)
        distance = sliced_wasserstein(descriptors, samples, directions)
        return distance if self.faithful_to == "paper" else distance * self.projections

    def sample(self, descriptors: Tensor) -> Tensor:
        """Draw as many unit vectors from the mixture as there are descriptors: [N, C].

        A mode's share follows the number of descriptors nearest to it, smoothed so that an
        unused prototype still draws; the rounding remainder goes to the last one (TUSK code).
        """
        count = len(descriptors)
        with torch.no_grad():
            last = self.mode_ends(descriptors)
            rank = torch.arange(count, device=descriptors.device)
            mode = torch.searchsorted(last, rank, right=True).clamp_max(len(last) - 1)
            noise = torch.randn(count, descriptors.shape[-1]).to(descriptors.device)
        return F.normalize(self.centres()[mode] + self.noise * noise, dim=-1)

    def mode_ends(self, descriptors: Tensor) -> Tensor:
        """Return [M] int64: the index after the last sample of each prototype's mode."""
        label = self.assign(descriptors)
        modes = len(self.prototypes)
        number = torch.bincount(label, minlength=modes).to(descriptors.dtype)
        residual = (descriptors - self.centres()[label]).square().mean(-1)
        spread = torch.zeros_like(number).index_add(0, label, residual) / number.clamp_min(1)
        spread = torch.where(number > 0, spread, 1.0)
        smoothing = self.smoothing + spread.var(correction=0)
        weight = number + len(descriptors) * smoothing
        share = (weight / weight.sum() * len(descriptors)).floor().long()
        ends = share.cumsum(0)
        ends[-1] = len(descriptors)
        return ends


def sliced_wasserstein(first: Tensor, second: Tensor, directions: Tensor) -> Tensor:
    """Return the mean over directions [C, D] of the squared 1D Wasserstein-2 distance.

    Both sets are [N, C]. The distance along one direction is the mean squared difference of the
    sorted projections.
    """
    projected_first = (directions.T @ first.T).sort(dim=-1).values
    projected_second = (directions.T @ second.T).sort(dim=-1).values
    return (projected_first - projected_second).square().mean()
