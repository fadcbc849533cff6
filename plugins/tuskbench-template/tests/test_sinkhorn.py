"""The regularizer keeps its kind's contract, and shares descriptors as it promises."""

from __future__ import annotations

from pathlib import Path

import torch
from tuskbench_template.sinkhorn import Sinkhorn

from tuskbench.spec.load import load
from tuskbench.testing import RegularizerConformance

SPECS = Path(__file__).parent.parent / "specs"


class TestSinkhorn(RegularizerConformance):
    """Every check that tuskbench has for regularizers."""

    name = "sinkhorn"


def test_every_prototype_gets_the_same_share() -> None:
    """Though all descriptors are nearest to one prototype."""
    torch.manual_seed(0)
    similarity = torch.rand(200, 4) + torch.tensor([1.0, 0.0, 0.0, 0.0])
    labels = Sinkhorn(8, prototypes=4, iterations=50).labels(similarity)
    torch.testing.assert_close(labels.sum(1), torch.ones(200))
    torch.testing.assert_close(labels.sum(0), torch.full((4,), 50.0), atol=0.5, rtol=0)


def test_the_spec_has_no_error() -> None:
    """Everything that the shipped spec names exists and has the right type."""
    assert load(SPECS / "sinkhorn.toml").tasks == ["mnist-hard"]
