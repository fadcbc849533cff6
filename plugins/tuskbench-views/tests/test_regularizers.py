"""The pair losses keep the regularizers' contract and have the values of their formulas."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from sklearn.datasets import make_moons
from sklearn.metrics import mutual_info_score
from tuskbench_views.assignments import balanced_labels
from tuskbench_views.iic import IIC, mutual_information
from tuskbench_views.nt_xent import NTXent
from tuskbench_views.placement import spectral_clusters
from tuskbench_views.swapped_prediction import SwappedPrediction

from tuskbench.testing import RegularizerConformance


class TestNTXent(RegularizerConformance):
    name = "nt-xent"
    settings: ClassVar[dict[str, Any]] = {"prototypes": 4}


class TestSwappedPrediction(RegularizerConformance):
    name = "swapped-prediction"
    settings: ClassVar[dict[str, Any]] = {"prototypes": 4}


class TestIIC(RegularizerConformance):
    name = "iic"
    settings: ClassVar[dict[str, Any]] = {"prototypes": 4, "fine": 8}


def unit(count: int, channels: int = 8, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, channels, generator=generator), dim=-1)


def test_nt_xent_is_the_published_sum() -> None:
    first, second, temperature = unit(5), unit(5, seed=1), 0.3
    views = [*first.tolist(), *second.tolist()]

    def similarity(i: int, j: int) -> float:
        return sum(a * b for a, b in zip(views[i], views[j], strict=True)) / temperature

    expected = 0.0
    for i in range(10):
        others = sum(math.exp(similarity(i, k)) for k in range(10) if k != i)
        expected -= math.log(math.exp(similarity(i, (i + 5) % 10)) / others) / 10
    loss = NTXent(8, temperature=temperature).pair_loss(first, second)
    assert abs(loss.item() - expected) < 1e-5


def test_mutual_information_is_that_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(1, 20, (4, 4), generator=generator)
    pairs = [(i, j) for i in range(4) for j in range(4) for _ in range(int(counts[i, j]))]
    first, second = zip(*pairs, strict=True)
    joint = counts.double() / counts.sum()
    assert abs(mutual_information(joint).item() - mutual_info_score(first, second)) < 1e-9


def test_iic_is_lowest_for_sure_labels_of_equal_shares() -> None:
    regularizer = IIC(4, prototypes=4, fine=0, temperature=0.01)
    regularizer.prototypes.data = torch.eye(4)
    even = torch.eye(4).repeat(6, 1)
    assert abs(regularizer.pair_loss(even, even).item() + math.log(4)) < 1e-4
    one_label = torch.eye(4)[:1].repeat(24, 1)
    assert abs(regularizer.pair_loss(one_label, one_label).item()) < 1e-4


def test_labels_are_shared_equally_where_all_are_nearest_to_one_prototype() -> None:
    similarity = torch.rand(200, 4, generator=torch.Generator().manual_seed(0))
    similarity[:, 0] += 1
    labels = balanced_labels(similarity, 0.1, 200)
    torch.testing.assert_close(labels.sum(1), torch.ones(200))
    torch.testing.assert_close(labels.sum(0), torch.full((4,), 50.0), atol=0.5, rtol=0)


def test_swapped_prediction_reads_the_label_of_the_other_view() -> None:
    """Equal views reach the labels' entropy; exchanged objects do not."""
    regularizer = SwappedPrediction(4, prototypes=4)
    regularizer.prototypes.data = torch.eye(4)
    views = torch.eye(4).repeat(6, 1)
    assert regularizer.pair_loss(views, views) < 0.01
    assert regularizer.pair_loss(views, views.roll(1, 0)) > 5


def test_prototypes_follow_what_hangs_together() -> None:
    """Two half moons on a sphere, which k-means cuts across."""
    flat, truth = make_moons(600, noise=0.04, random_state=0)
    points = torch.tensor(flat, dtype=torch.float32)
    points = F.normalize(torch.cat([points - points.mean(0), torch.ones(600, 1) * 3], 1), dim=-1)
    labels = spectral_clusters(points, 2, 10, 0)
    agreement = (labels == truth).mean()
    assert max(agreement, 1 - agreement) > 0.99
