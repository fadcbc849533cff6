"""Patches: identity, shift, what lies outside, gradient to the position."""

from __future__ import annotations

import torch

from tuskbench.ops.patches import sample_patches


def test_a_patch_of_the_same_size_is_a_crop() -> None:
    images = torch.rand(2, 3, 20, 24)
    # A square of side 4 around (9.5, 6.5) covers pixels 8 to 11 and 5 to 8 exactly.
    xy = torch.tensor([[[9.5, 6.5]], [[3.5, 10.5]]])
    patches = sample_patches(images, xy, 4.0, 4)
    assert patches.shape == (2, 1, 3, 4, 4)
    torch.testing.assert_close(patches[0, 0], images[0, :, 5:9, 8:12])
    torch.testing.assert_close(patches[1, 0], images[1, :, 9:13, 2:6])


def test_a_ramp_is_sampled_at_the_pixels_centres() -> None:
    ramp = torch.arange(30.0).expand(1, 1, 30, 30)
    patch = sample_patches(ramp, torch.tensor([[[12.25, 15.0]]]), 10.0, 5)[0, 0, 0]
    torch.testing.assert_close(patch[2], torch.tensor([8.25, 10.25, 12.25, 14.25, 16.25]))


def test_the_outermost_pixels_may_lie_on_the_squares_edges() -> None:
    ramp = torch.arange(30.0).expand(1, 1, 30, 30)
    patch = sample_patches(ramp, torch.tensor([[[12.0, 15.0]]]), 10.0, 5, edges=True)[0, 0, 0]
    torch.testing.assert_close(patch[2], torch.tensor([7.0, 9.5, 12.0, 14.5, 17.0]))


def test_outside_is_black() -> None:
    patch = sample_patches(torch.ones(1, 3, 8, 8), torch.tensor([[[-20.0, 4.0]]]), 4.0, 4)
    assert patch.abs().max() == 0


def test_gradient_to_the_position() -> None:
    images = torch.rand(1, 1, 9, 9, dtype=torch.float64)
    xy = torch.tensor([[[4.3, 3.6]]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda at: sample_patches(images, at, 3.0, 3), (xy,))
