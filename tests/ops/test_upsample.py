"""Upsampling by matrices against torch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tuskbench.ops.upsample import double


@pytest.mark.parametrize("size", [(5, 7), (1, 4), (10, 10)])
def test_equals_torch(size: tuple[int, int]) -> None:
    maps = torch.randn(2, 3, *size, dtype=torch.double, requires_grad=True)
    expected = F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=True)
    torch.testing.assert_close(double(maps), expected)
    weight = torch.randn_like(expected)
    ours = torch.autograd.grad((double(maps) * weight).sum(), maps)
    theirs = torch.autograd.grad((expected * weight).sum(), maps)
    torch.testing.assert_close(ours, theirs)
