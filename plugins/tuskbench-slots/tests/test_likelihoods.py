"""Densities, divergences and mixtures against scipy, torch and their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch.distributions import Normal, kl_divergence
from tuskbench_slots.likelihoods import (
    categorical_divergence,
    logistic_log_prob,
    mixture_log_prob,
    normal_divergence,
    normal_log_prob,
)
from tuskbench_slots.spatial_mixture import SpatialMixture
from tuskbench_slots.stick_breaking import break_stick


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("function", "distribution"),
    [(normal_log_prob, scipy.stats.norm), (logistic_log_prob, scipy.stats.logistic)],
)
def test_log_densities_are_scipys(function, distribution) -> None:
    value, mean = randn(50), randn(50, seed=1)
    expected = distribution.logpdf(value.numpy(), mean.numpy(), 0.3)
    np.testing.assert_allclose(function(value, mean, 0.3).numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize("function", [normal_log_prob, logistic_log_prob])
def test_log_densities_of_far_and_coarse_values_are_finite(function) -> None:
    mean = torch.tensor([-40.0, 0.0, 40.0], dtype=torch.bfloat16, requires_grad=True)
    log_prob = function(torch.tensor([0.5]), mean, 0.03)
    assert log_prob.dtype == torch.float32
    log_prob.sum().backward()
    assert torch.isfinite(log_prob).all()
    assert torch.isfinite(mean.grad).all()


def test_normal_divergence_is_torchs() -> None:
    mean, variance = randn(20), randn(20, seed=1).exp()
    expected = kl_divergence(Normal(mean, variance.sqrt()), Normal(0.0, math.sqrt(0.7)))
    torch.testing.assert_close(normal_divergence(mean, variance, 0.7), expected)


def test_categorical_divergence_is_torchs() -> None:
    first, second = (randn(3, 4, 5, seed=seed).log_softmax(1) for seed in (0, 1))
    distributions = [
        torch.distributions.Categorical(logits=part.movedim(1, -1)) for part in (first, second)
    ]
    expected = kl_divergence(*distributions)
    torch.testing.assert_close(categorical_divergence(first, second), expected)


def test_mixture_is_the_sum_of_weighted_densities() -> None:
    weights, log_probs = randn(2, 3, 4).softmax(1), randn(2, 3, 4, seed=1)
    expected = (weights * log_probs.exp()).sum(1).log()
    torch.testing.assert_close(mixture_log_prob(weights.log(), log_probs), expected)


def test_sticks_break_into_masks_that_share_every_pixel() -> None:
    scope = torch.zeros(2, 5)
    parts = []
    for seed in range(3):
        mask, scope = break_stick(scope, 8 * randn(2, 5, seed=seed))
        parts.append(mask)
    total = torch.stack([*parts, scope]).exp().sum(0)
    torch.testing.assert_close(total, torch.ones(2, 5))
    # The first mask takes its share of everything.
    torch.testing.assert_close(parts[0].exp(), (8 * randn(2, 5)).sigmoid())


def test_a_stick_that_is_used_up_leaves_no_gradient_that_is_not_finite() -> None:
    logit = torch.tensor([500.0, -500.0], requires_grad=True)
    mask, scope = break_stick(torch.tensor([-300.0, 0.0]), logit)
    (mask + scope).sum().backward()
    assert torch.isfinite(mask + scope).all()
    assert torch.isfinite(logit.grad).all()


@pytest.fixture
def mixture() -> SpatialMixture:
    images, colours = randn(2, 3, 4, 5), randn(2, 3, 3, 4, 5, seed=1)
    logits = randn(2, 3, 1, 4, 5, seed=2)
    return SpatialMixture.of(
        images, colours, logits, lambda value, mean: normal_log_prob(value, mean, 0.8)
    )


def test_pixels_of_a_mixture(mixture: SpatialMixture) -> None:
    images, colours = randn(2, 3, 4, 5), randn(2, 3, 3, 4, 5, seed=1)
    weights = randn(2, 3, 1, 4, 5, seed=2).softmax(1)[:, :, 0].numpy()
    density = scipy.stats.norm.pdf(images[:, None].numpy(), colours.numpy(), 0.8).prod(2)
    expected = np.log((weights * density).sum(1))
    np.testing.assert_allclose(mixture.log_prob().numpy(), expected, rtol=1e-4)
    # The official code's guard against pixels that nothing explains.
    posterior = density / (density.sum(1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(mixture.posterior().numpy(), posterior, rtol=1e-3)


def test_without_each_slot_is_the_mixture_of_the_others(mixture: SpatialMixture) -> None:
    for slot in range(3):
        kept = [other for other in range(3) if other != slot]
        expected = SpatialMixture(mixture.logits[:, kept], mixture.log_probs[:, kept]).log_prob()
        torch.testing.assert_close(mixture.without_each()[:, slot], expected)


def test_a_pixel_that_nothing_explains_belongs_to_nobody() -> None:
    nothing = SpatialMixture(torch.zeros(1, 2, 1, 1), torch.full((1, 2, 1, 1), -1e4))
    assert (nothing.posterior() == 0).all()
