"""Splatting against the plain way: a full map a keypoint, then the sum."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tuskbench.ops.gaussian import splat


def splat_plainly(xy, values, size, variance):
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    squared = (x - xy[..., 0, None, None]) ** 2 + (y - xy[..., 1, None, None]) ** 2
    maps = torch.exp(-0.5 * squared / variance)
    maps = maps / maps.sum((-1, -2), keepdim=True)
    return torch.einsum("bkhw,bkc->bchw", maps, values)


@given(seed=st.integers(0, 10_000), variance=st.sampled_from([0.05, 0.5, 2.0]))
@settings(max_examples=25, deadline=None)
def test_equals_the_plain_sum(seed: int, variance: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    size = (9, 12)
    xy = torch.rand(2, 4, 2, generator=generator, dtype=torch.double) * torch.tensor([11, 8])
    values = torch.randn(2, 4, 3, generator=generator, dtype=torch.double)
    found = splat(xy, values, size, variance)
    torch.testing.assert_close(found, splat_plainly(xy, values, size, variance), atol=1e-6, rtol=0)


def test_gradients_equal_those_of_the_plain_sum() -> None:
    torch.manual_seed(0)
    xy = (torch.rand(1, 3, 2, dtype=torch.double) * 7).requires_grad_()
    values = torch.randn(1, 3, 2, dtype=torch.double, requires_grad=True)
    target = torch.randn(1, 2, 8, 8, dtype=torch.double)
    gradients = []
    for function in (splat, splat_plainly):
        loss = (function(xy, values, (8, 8), 0.5) * target).sum()
        gradients.append(torch.autograd.grad(loss, (xy, values)))
    for ours, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-6, rtol=0)


@pytest.mark.parametrize("place", [(0.0, 0.0), (7.0, 7.0), (-0.4, 3.2)])
def test_mass_is_kept_at_the_border(place: tuple[float, float]) -> None:
    total = splat(torch.tensor([[place]]), torch.ones(1, 1, 1), (8, 8), 0.05).sum()
    assert total.item() == pytest.approx(1, abs=1e-5)
