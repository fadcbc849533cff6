"""Deep k-means, vector quantization and none, against their definitions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tuskbench.regularizers.kmeans import KMeans
from tuskbench.regularizers.none import NoRegularizer
from tuskbench.regularizers.vector_quantization import VectorQuantization


def points() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return F.normalize(torch.randn(20, 4, generator=generator), dim=-1)


def test_sharp_kmeans_is_the_kmeans_objective() -> None:
    torch.manual_seed(0)
    regularizer = KMeans(4, prototypes=3, sharpness=1e6)
    distances = torch.cdist(points(), regularizer.centres()).square()
    expected = distances.amin(-1).mean()
    torch.testing.assert_close(regularizer.descriptor_loss(points()), expected)
    (loss_gradient,) = torch.autograd.grad(
        regularizer.prototype_loss(points()), regularizer.prototypes
    )
    (hard_gradient,) = torch.autograd.grad(expected, regularizer.prototypes)
    torch.testing.assert_close(loss_gradient, hard_gradient, atol=1e-5, rtol=1e-4)


def test_vq_replaces_descriptors_by_codes_and_passes_gradients_through() -> None:
    torch.manual_seed(0)
    regularizer = VectorQuantization(4, prototypes=3)
    descriptors = points().requires_grad_()
    quantized = regularizer.quantize(descriptors)
    torch.testing.assert_close(quantized, regularizer.centres()[regularizer.assign(descriptors)])
    (quantized * 3).sum().backward()
    torch.testing.assert_close(descriptors.grad, torch.full_like(descriptors, 3))
    assert regularizer.prototypes.grad is None


def test_vq_losses_train_one_side_each() -> None:
    torch.manual_seed(0)
    regularizer = VectorQuantization(4, prototypes=3, commitment=0.25)
    descriptors = points().requires_grad_()
    commitment = regularizer.descriptor_loss(descriptors)
    codebook = regularizer.prototype_loss(descriptors)
    assert commitment.item() == pytest.approx(0.25 * codebook.item(), rel=1e-5)
    assert torch.autograd.grad(codebook, descriptors, allow_unused=True) == (None,)
    commitment.backward()
    assert regularizer.prototypes.grad is None


def test_none_labels_everything_alike_and_costs_nothing() -> None:
    regularizer = NoRegularizer(4)
    assert regularizer.assign(points()).tolist() == [0] * 20
    assert regularizer.descriptor_loss(points()).item() == 0
    assert torch.equal(regularizer.quantize(points()), points())
    assert list(regularizer.parameters()) == []
