"""Log-probabilities of pixels and divergences of latents, in 32 bits whatever the precision."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def normal_log_prob(value: Tensor, mean: Tensor, scale: float | Tensor) -> Tensor:
    """Return the log-density of normal distributions, element by element."""
    scale = torch.as_tensor(scale, dtype=torch.float32, device=mean.device)
    deviation = (value.float() - mean.float()) / scale
    return -0.5 * deviation.square() - scale.log() - 0.5 * math.log(2 * math.pi)


def logistic_log_prob(value: Tensor, mean: Tensor, scale: float) -> Tensor:
    """Return the log-density of logistic distributions, element by element."""
    deviation = (value.float() - mean.float()) / scale
    return -deviation - 2 * F.softplus(-deviation) - math.log(scale)


def mixture_log_prob(log_weights: Tensor, log_probs: Tensor) -> Tensor:
    """Return the log-density of mixtures over dimension 1.

    Args:
        log_weights: [B, K, ...], whose exponentials sum to 1 over K.
        log_probs: [B, K, ...] of the components.

    Returns:
        [B, ...].
    """
    return torch.logsumexp(log_weights.float() + log_probs.float(), 1)


def normal_divergence(
    mean: Tensor, variance: Tensor, prior_variance: float | Tensor = 1.0
) -> Tensor:
    """Return KL(N(mean, variance) || N(0, prior_variance)), element by element."""
    mean, variance = mean.float(), variance.float()
    prior = torch.as_tensor(prior_variance, dtype=torch.float32, device=mean.device)
    return 0.5 * ((variance + mean.square()) / prior - 1 + prior.log() - variance.log())


def categorical_divergence(log_first: Tensor, log_second: Tensor) -> Tensor:
    """Return KL(first || second) over dimension 1 of log-probabilities [B, K, ...]: [B, ...]."""
    first, second = log_first.float(), log_second.float()
    return (first.exp() * (first - second)).sum(1)
