"""The sliced Wasserstein regularizer against POT and hand-made clusters."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
import torch.nn.functional as F

from tuskbench.regularizers.sliced_wasserstein import SlicedWasserstein, sliced_wasserstein


@pytest.mark.parametrize("channels", [2, 32])
def test_distance_equals_pot(channels: int) -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, 50, channels, dtype=torch.double)
    directions = F.normalize(torch.randn(channels, 40, dtype=torch.double), dim=0)
    expected = ot.sliced_wasserstein_distance(
        first.numpy(), second.numpy(), projections=directions.numpy(), p=2
    )
    ours = sliced_wasserstein(first, second, directions)
    assert ours.item() == pytest.approx(expected**2, rel=1e-10)


def clusters(count: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Three groups of unit vectors around the axes of a sphere in 8 dimensions."""
    generator = torch.Generator().manual_seed(1)
    label = torch.arange(count) % 3
    points = torch.eye(8)[label] + 0.05 * torch.randn(count, 8, generator=generator)
    return F.normalize(points, dim=-1), label


def test_prototype_training_finds_the_clusters() -> None:
    torch.manual_seed(0)
    points, label = clusters()
    regularizer = SlicedWasserstein(8, prototypes=3)
    optimizer = torch.optim.Adam(regularizer.parameters(), 0.1, betas=(0.5, 0.999))
    for _ in range(200):
        optimizer.zero_grad()
        regularizer.prototype_loss(points).backward()
        optimizer.step()
    assigned = regularizer.assign(points)
    assert len(set(assigned.tolist())) == 3
    for cluster in range(3):
        assert len(assigned[label == cluster].unique()) == 1


def test_kmeans_start_finds_the_clusters() -> None:
    torch.manual_seed(0)
    points, label = clusters()
    regularizer = SlicedWasserstein(8, prototypes=3)
    regularizer.initialise(points)
    torch.testing.assert_close(
        regularizer.centres()[regularizer.assign(points)], torch.eye(8)[label], atol=0.1, rtol=0
    )


def test_modes_draw_in_proportion_to_their_descriptors() -> None:
    regularizer = SlicedWasserstein(2, prototypes=2, smoothing=1e-9)
    with torch.no_grad():
        regularizer.prototypes.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    points = torch.tensor([[1.0, 0.0]] * 30 + [[0.0, 1.0]] * 10)
    # Equal spreads leave no smoothing: 30 of 40 and 10 of 40, a rounding apart.
    assert regularizer.mode_ends(points)[0].item() in (29, 30)
    assert regularizer.mode_ends(points)[1].item() == 40
    samples = regularizer.sample(points)
    assert samples.shape == points.shape
    torch.testing.assert_close(samples.norm(dim=-1), torch.ones(40))


@pytest.mark.parametrize("faithful_to", ["paper", "code"])
def test_clustering_loss_pulls_towards_the_nearest_prototype(faithful_to) -> None:
    regularizer = SlicedWasserstein(2, prototypes=2, faithful_to=faithful_to)
    with torch.no_grad():
        regularizer.prototypes.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    point = F.normalize(torch.tensor([[0.6, 0.8]]), dim=-1).requires_grad_()
    loss = regularizer.descriptor_loss(point)
    loss.backward()
    assert point.grad is not None
    assert point.grad[0, 0] < 0  # a step against the gradient moves right
    assert regularizer.prototypes.grad is None


def test_clustering_loss_by_hand() -> None:
    regularizer = SlicedWasserstein(4, prototypes=2)
    with torch.no_grad():
        regularizer.prototypes.copy_(torch.eye(4)[:2])
    # At a prototype: distances 0 and 2 * 20 / 4 = 10 in the code's form.
    loss = regularizer.descriptor_loss(torch.eye(4)[:1])
    assert loss.item() == pytest.approx(np.log1p(np.exp(-10)), rel=1e-3)
    paper = SlicedWasserstein(4, prototypes=2, faithful_to="paper")
    paper.prototypes = regularizer.prototypes
    loss = paper.descriptor_loss(torch.eye(4)[:1])
    assert loss.item() == pytest.approx(np.log1p(np.exp(-np.sqrt(2))), rel=1e-3)


def test_paper_averages_and_code_sums_over_directions() -> None:
    points, _ = clusters()
    losses = []
    for side in ("paper", "code"):
        torch.manual_seed(0)
        regularizer = SlicedWasserstein(8, prototypes=3, projections=7, faithful_to=side)
        torch.manual_seed(1)
        losses.append(regularizer.prototype_loss(points).item())
    assert losses[1] == pytest.approx(7 * losses[0], rel=1e-5)


def test_a_sharp_loss_is_about_descriptors_between_prototypes() -> None:
    blunt, sharp = (SlicedWasserstein(2, prototypes=2, sharpness=s) for s in (20.0, 200.0))
    for made in (blunt, sharp):
        made.prototypes.data = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    angle = torch.tensor([0.1, torch.pi / 4 - 0.01], requires_grad=True)
    slopes = []
    for made in (blunt, sharp):
        loss = made.descriptor_loss(torch.stack([angle.cos(), angle.sin()], -1))
        (slope,) = torch.autograd.grad(loss, angle)
        slopes.append(slope[1] / slope[0])
    assert slopes[1] > 1e3 * slopes[0] > 0
