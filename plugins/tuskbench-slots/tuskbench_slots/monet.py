"""MONet: attention takes an image apart, an autoencoder codes each part (Burgess et al. 2019)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from tuskbench.contracts import TaskInfo
from tuskbench_slots.attention_unet import AttentionUNet
from tuskbench_slots.component_vae import ComponentVAE
from tuskbench_slots.likelihoods import (
    categorical_divergence,
    mixture_log_prob,
    normal_divergence,
    normal_log_prob,
)
from tuskbench_slots.slot_system import SlotSystem
from tuskbench_slots.stick_breaking import break_stick

# Smallest mask that the mask divergence tells from nothing.
SMALLEST = 1e-5


class Monet(SlotSystem):
    """Masks by recurrent attention, each part coded by a variational autoencoder.

    Minimises, summed over pixels, the negative log of the mixture of the parts' normal
    likelihoods under the attention's masks, the latents' divergence from a standard normal
    (times `beta`) and the divergence of the decoded masks from the attention's (times `gamma`).
    The first mask's likelihood is narrower, so that it takes the background. There is no official
    code; the network is the one that re-implementations agree on. Predictions use the latents'
    means.

    Args:
        task: the task (wired by the runner).
        latents: latents of a part.
        attention_width: channels of the attention network's finer blocks.
        attention_blocks: its blocks; by default one fewer than the image's side can be halved:
            6 at 128 pixels, 5 at 64, 4 at 32.
        attention_hidden: channels of its perceptron.
        width: channels of the autoencoder's first convolutions.
        hidden: channels of its perceptron.
        decoder_width: channels of its decoder.
        decoder_upsamplings: how many of the decoder's four layers double the resolution; 0 decodes
            at full resolution, as published.
        background_scale: standard deviation of the first part's pixels.
        foreground_scale: standard deviation of the others' pixels.
        likelihood: "pixel": a pixel's three colours come from one part; "channel": every colour
            of a pixel is a mixture of its own, as in GENESIS's code (Engelcke et al. 2020).
        beta: weight of the latents' divergence.
        gamma: weight of the masks' divergence.
        optimizer: RMSProp as published, or Adam as in re-implementations.
        learning_rate: highest learning rate.
        shared: settings of `SlotSystem`.
    """

    def __init__(
        self,
        task: TaskInfo,
        *,
        latents: Annotated[int, Ge(1)] = 16,
        attention_width: Annotated[int, Ge(1)] = 32,
        attention_blocks: Annotated[int, Ge(1)] | None = None,
        attention_hidden: Annotated[int, Ge(1)] = 128,
        width: Annotated[int, Ge(1)] = 32,
        hidden: Annotated[int, Ge(1)] = 256,
        decoder_width: Annotated[int, Ge(1)] = 32,
        decoder_upsamplings: Annotated[int, Ge(0)] = 0,
        background_scale: Annotated[float, Gt(0)] = 0.09,
        foreground_scale: Annotated[float, Gt(0)] = 0.11,
        likelihood: Literal["pixel", "channel"] = "pixel",
        beta: Annotated[float, Ge(0)] = 0.5,
        gamma: Annotated[float, Ge(0)] = 0.5,
        optimizer: Literal["rmsprop", "adam"] = "rmsprop",
        learning_rate: Annotated[float, Gt(0)] = 1e-4,
        **shared: Any,
    ) -> None:
        super().__init__(task, learning_rate=learning_rate, **shared)
        size = task.image_size
        blocks = attention_blocks or max(2, int(math.log2(min(size))) - 1)
        self.attention = AttentionUNet(size, attention_width, blocks, attention_hidden)
        self.component = ComponentVAE(
            size, latents, width, hidden, decoder_width, decoder_upsamplings
        )
        self.latents = latents
        self.scales = (background_scale, foreground_scale)
        self.likelihood = likelihood
        self.beta, self.gamma = beta, gamma
        self.optimizer_name = optimizer

    def make_optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimizer that the settings name."""
        if self.optimizer_name == "rmsprop":
            return torch.optim.RMSprop(parameters, self.learning_rate)
        return torch.optim.Adam(parameters, self.learning_rate, fused=True)

    def attend(self, images: Tensor) -> Tensor:
        """Return the logs of masks [B, K, H, W] that share every pixel of images [B, 3, H, W]."""
        log_scope = torch.zeros_like(images[:, :1])
        log_masks = []
        for _ in range(self.slots - 1):
            log_mask, log_scope = break_stick(log_scope, self.attention(images, log_scope))
            log_masks.append(log_mask)
        return torch.cat([*log_masks, log_scope], 1)

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        """Return the mixture's negative log-likelihood and both divergences, per image."""
        log_masks = self.attend(images)
        mean, log_scale = self.component.encode(images, log_masks)
        drawn = mean + log_scale.exp() * self.noise(*mean.shape)
        colours, logits = self.component.decode(drawn)
        log_prob = normal_log_prob(images[:, None], colours, self._pixel_scales(colours))
        if self.likelihood == "pixel":
            log_prob = log_prob.sum(2, keepdim=True)
        likelihood = mixture_log_prob(log_masks[:, :, None], log_prob)
        latent = normal_divergence(mean, (2 * log_scale).exp())
        masks = categorical_divergence(
            log_masks.clamp_min(math.log(SMALLEST)),
            logits.log_softmax(1).clamp_min(math.log(SMALLEST)),
        )
        return {
            "reconstruction": -likelihood.sum((1, 2, 3)).mean(),
            "latents": self.beta * latent.sum((1, 2)).mean(),
            "masks": self.gamma * masks.sum((1, 2)).mean(),
        }

    def _pixel_scales(self, colours: Tensor) -> Tensor:
        """Return the standard deviation of every part's pixels, [K, 1, 1, 1]."""
        background, foreground = self.scales
        scales = colours.new_full((colours.shape[1], 1, 1, 1), foreground)
        scales[0] = background
        return scales

    def explain(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean parts and the attention's masks."""
        log_masks = self.attend(images)
        mean, _ = self.component.encode(images, log_masks)
        colours, _ = self.component.decode(mean)
        return colours, log_masks.exp()
