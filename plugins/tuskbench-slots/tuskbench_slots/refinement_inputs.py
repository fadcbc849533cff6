"""What IODINE's refinement network is shown of an explanation and its gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tuskbench_slots.refinement import ImageNorm
from tuskbench_slots.spatial_mixture import SpatialMixture

CAPACITY = 0.5
"""A constant that the official code shows its network for historical reasons."""


@dataclass(frozen=True)
class Explanation:
    """Slots of B images after some number of refinements.

    Attributes:
        parameters: [B, K, P] of the slots' distributions.
        colours: [B, K, 3, H, W] pictures of a sample.
        logits: [B, K, 1, H, W] of its masks.
        mixture: the images under both.
        error: [B] negative log-likelihood of the images.
        divergence: [B] of the slots' distributions from the prior.
    """

    parameters: Tensor
    colours: Tensor
    logits: Tensor
    mixture: SpatialMixture
    error: Tensor
    divergence: Tensor

    def gradients(self, batch: Tensor, *, keep_graph: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of the loss in parameters, colours and logits, as constants.

        The loss is the mean over a training batch, so that the gradients of an image do not
        depend on how many others there are at test time.

        Args:
            batch: [] images in a training batch.
            keep_graph: whether the explanation will be differentiated again.
        """
        loss = (self.error + self.divergence).sum() / batch
        inputs = (self.parameters, self.colours, self.logits)
        found = torch.autograd.grad(loss, inputs, retain_graph=keep_graph)
        return found[0].detach(), found[1].detach(), found[2].detach()


class RefinementInputs(nn.Module):
    """Inputs of the refinement network; gradients and likelihoods are normalised constants.

    Args:
        parameters: P of a slot's distribution.
    """

    CHANNELS = 16
    """Channels of the inputs that are images, without coordinates."""

    def __init__(self, parameters: int) -> None:
        super().__init__()
        self.parameter_gradient = nn.LayerNorm(parameters)
        self.colour_gradient, self.mask_gradient = ImageNorm(3), ImageNorm(1)
        self.likelihood, self.counterfactual = ImageNorm(1), ImageNorm(1)

    def forward(
        self,
        images: Tensor,
        coordinates: Tensor,
        explanation: Explanation,
        gradients: tuple[Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Return images [B, K, 16 + C, H, W] and vectors [B, K, 2 P + 1].

        Args:
            images: [B, 3, H, W].
            coordinates: [C, H, W].
            explanation: of the images.
            gradients: of its loss, from `Explanation.gradients`.
        """
        mixture = explanation.mixture
        in_parameters, in_colours, in_logits = gradients
        log_prob = mixture.log_prob().detach()[:, None]
        # What is lost in every pixel if a slot goes.
        loss = log_prob - mixture.without_each().detach()
        shape = (-1, mixture.logits.shape[1], -1, -1, -1)
        seen = [
            images[:, None].expand(shape),
            self.likelihood(log_prob[:, None]).expand(shape),
            explanation.logits,
            mixture.logits.softmax(1)[:, :, None],
            explanation.colours,
            self.mask_gradient(in_logits),
            self.colour_gradient(in_colours),
            mixture.posterior()[:, :, None],
            torch.full_like(explanation.logits, CAPACITY),
            coordinates.expand(len(images), *shape[1:2], -1, -1, -1),
            self.counterfactual(loss[:, :, None]),
        ]
        parameters = explanation.parameters
        constant = torch.full_like(parameters[..., :1], CAPACITY)
        vectors = [parameters, self.parameter_gradient(in_parameters), constant]
        return torch.cat(seen, 2), torch.cat(vectors, 2)
