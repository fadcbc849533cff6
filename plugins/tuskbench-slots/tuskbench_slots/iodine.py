"""IODINE: slots refined by the gradient of how well they explain the image (Greff et al. 2019)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from tuskbench.contracts import TaskInfo
from tuskbench_slots.broadcast_decoder import BroadcastDecoder
from tuskbench_slots.grids import cosine_grid, linear_grid
from tuskbench_slots.initialisation import sonnet
from tuskbench_slots.likelihoods import logistic_log_prob, normal_divergence, normal_log_prob
from tuskbench_slots.refinement import RefinementNetwork, State
from tuskbench_slots.refinement_inputs import Explanation, RefinementInputs
from tuskbench_slots.slot_system import SlotSystem
from tuskbench_slots.spatial_mixture import SpatialMixture

# The official code shows its decoder this beside the latents, for historical reasons.
CONSTANT = 5.0
# Variance that the official code's latent distribution has at parameters of zero: its prior.
PRIOR_VARIANCE = math.log(2)
COSINES = 3


class Iodine(SlotSystem):
    """Variational slots under a spatial mixture, inferred by iterative amortised refinement.

    Every iteration decodes a sample of the slots' latents, and a network sees image, pictures,
    masks, likelihoods and gradients and corrects the slots' distributions. All iterations are
    trained on the negative log-likelihood and the latents' divergence, with weights that rise
    linearly from 0 to 1. Gradients are inputs, held constant, so that no second derivative is
    needed. Defaults are the official code's for CLEVR6: logistic pixels of scale 0.03 (the paper
    writes normal, 0.1), a prior of variance ln 2, Adam (0.95, 0.999) at 1e-3 for batches of 32,
    falling tenfold. Predictions always use the same noise, so that they can be repeated, and
    gradients of the scale that a training batch has.

    Args:
        task: the task (wired by the runner).
        latents: latents of a slot; 64 on CLEVR6, 32 on Tetrominoes.
        iterations: refinements.
        width: channels of decoder and refinement network.
        kernel: side of their kernels, odd.
        decoder_layers: convolutions of the decoder before the last.
        decoder_upsamplings: how many of all of these, the first ones, double the resolution; 0
            decodes at full resolution, as published.
        refinement_layers: convolutions of the refinement network.
        hidden: channels of its perceptron and LSTM.
        hidden_layers: layers of its perceptron.
        recurrent: whether it has an LSTM; not on Tetrominoes.
        coordinates: what tells it places: "linear" on CLEVR6, "cosine" on Tetrominoes.
        likelihood: distribution of a pixel: "logistic", or "normal".
        scale: its scale.
        learning_rate: highest learning rate.
        beta1: Adam's first decay.
        decay: factor that the learning rate has fallen by, exponentially, at the end of training.
        gradient_norm: longest gradient; a longer one is scaled down. None for no limit.
        shared: settings of `SlotSystem`.
    """

    version = "2"
    coordinate_grid: Tensor
    batch: Tensor

    def __init__(
        self,
        task: TaskInfo,
        *,
        latents: Annotated[int, Ge(1)] = 64,
        iterations: Annotated[int, Ge(1)] = 5,
        width: Annotated[int, Ge(1)] = 64,
        kernel: Annotated[int, Ge(1)] = 3,
        decoder_layers: Annotated[int, Ge(1)] = 4,
        decoder_upsamplings: Annotated[int, Ge(0)] = 0,
        refinement_layers: Annotated[int, Ge(1)] = 4,
        hidden: Annotated[int, Ge(1)] = 256,
        hidden_layers: Annotated[int, Ge(1)] = 2,
        recurrent: bool = True,
        coordinates: Literal["linear", "cosine"] = "linear",
        likelihood: Literal["logistic", "normal"] = "logistic",
        scale: Annotated[float, Gt(0)] = 0.03,
        learning_rate: Annotated[float, Gt(0)] = 1e-3,
        beta1: Annotated[float, Ge(0), Le(1)] = 0.95,
        decay: Annotated[float, Gt(0), Le(1)] = 0.1,
        gradient_norm: Annotated[float, Gt(0)] | None = 5.0,
        **shared: Any,
    ) -> None:
        super().__init__(
            task, learning_rate=learning_rate, decay=decay, gradient_norm=gradient_norm, **shared
        )
        size = task.image_size
        self.latents, self.iterations, self.beta1 = latents, iterations, beta1
        pixel = logistic_log_prob if likelihood == "logistic" else normal_log_prob
        self.pixel_log_prob = partial(pixel, scale=scale)
        self.decoder = BroadcastDecoder(
            latents + 1,
            size,
            width=width,
            layers=decoder_layers,
            kernel=kernel,
            upsamplings=decoder_upsamplings,
            output_kernel=kernel,
            activation=nn.ELU,
        )
        grid = linear_grid(size) if coordinates == "linear" else cosine_grid(size, COSINES)
        self.register_buffer("coordinate_grid", grid, persistent=False)
        self.register_buffer("batch", torch.ones(()))
        self.inputs = RefinementInputs(2 * latents)
        self.refine = RefinementNetwork(
            RefinementInputs.CHANNELS + len(grid),
            2 * latents,
            width=width,
            layers=refinement_layers,
            kernel=kernel,
            hidden=hidden,
            hidden_layers=hidden_layers,
            recurrent=recurrent,
        )
        limit = math.sqrt(6 / (4 * latents))
        self.initial = nn.Parameter(torch.empty(2 * latents).uniform_(-limit, limit))
        self.apply(sonnet)

    def make_optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return Adam."""
        betas = (self.beta1, 0.999)
        return torch.optim.Adam(parameters, self.learning_rate, betas, fused=True)

    def refinements(self, images: Tensor) -> list[Explanation]:
        """Return the explanations of images [B, 3, H, W] before and after every refinement.

        In training they are one graph; else none has one.
        """
        batch, slots = len(images), self.slots
        noise = self.noise(batch, self.iterations + 1, slots, self.latents)
        parameters = self.initial.expand(batch, slots, -1)
        state: State = None
        found = []
        for step in range(self.iterations + 1):
            if not self.training:
                parameters = parameters.detach().requires_grad_()
            explanation = self.explanation(images, parameters, noise[:, step])
            found.append(explanation)
            if step < self.iterations:
                gradients = explanation.gradients(self.batch, keep_graph=self.training)
                with torch.set_grad_enabled(self.training):
                    seen = self.inputs(images, self.coordinate_grid, explanation, gradients)
                    update, state = self.refine(*seen, state)
                parameters = parameters + update
        return found

    def explanation(self, images: Tensor, parameters: Tensor, noise: Tensor) -> Explanation:
        """Explain images by a sample of slots of the given parameters.

        Args:
            images: [B, 3, H, W].
            parameters: [B, K, 2 L]: means, and variances before a softplus.
            noise: [B, K, L], standard normal.
        """
        mean, raw = parameters.chunk(2, -1)
        variance = F.softplus(raw)
        latents = mean + variance.sqrt() * noise
        constant = torch.full_like(latents[..., :1], CONSTANT)
        colours, logits = self.decoder(torch.cat([latents, constant], -1))
        mixture = SpatialMixture.of(images, colours, logits, self.pixel_log_prob)
        error = -mixture.log_prob().sum((1, 2))
        divergence = normal_divergence(mean, variance, PRIOR_VARIANCE).sum((1, 2))
        return Explanation(parameters, colours, logits, mixture, error, divergence)

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        """Return error and divergence per image, summed over iterations by rising weights."""
        self.batch.fill_(len(images))
        found = self.refinements(images)
        weights = torch.linspace(0, 1, len(found), device=images.device)[:, None]
        error = torch.stack([explanation.error for explanation in found])
        divergence = torch.stack([explanation.divergence for explanation in found])
        return {
            "reconstruction": (weights * error).mean(1).sum(),
            "latents": (weights * divergence).mean(1).sum(),
        }

    def explain(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pictures and masks of the last explanation."""
        with torch.enable_grad():
            last = self.refinements(images)[-1]
        return last.colours.detach(), last.logits.detach().softmax(1).squeeze(2)
