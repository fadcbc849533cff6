"""Peaks, soft-argmax and sampling against hand-made maps and plain definitions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tuskbench.ops.peaks import (
    global_soft_argmax,
    local_soft_argmax,
    sample_bilinear,
    sample_truncated,
    top_peaks,
)


def test_peaks_come_by_score_and_suppress_their_surroundings() -> None:
    heatmap = torch.full((1, 12, 16), 0.01)
    heatmap[0, 2, 3], heatmap[0, 3, 3], heatmap[0, 8, 12] = 0.8, 0.7, 0.9
    peaks = top_peaks(heatmap, 2, window=5)
    assert peaks.tolist() == [[[12, 8], [3, 2]]]


@given(seed=st.integers(0, 1000), window=st.sampled_from([3, 5, 7]))
@settings(max_examples=20, deadline=None)
def test_every_peak_is_the_highest_of_its_window(seed: int, window: int) -> None:
    heatmap = torch.rand(1, 14, 14, generator=torch.Generator().manual_seed(seed))
    half = window // 2
    for x, y in top_peaks(heatmap, 2, window)[0].tolist():
        around = heatmap[0, max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
        assert heatmap[0, y, x] == around.max()


def test_local_soft_argmax_equals_the_definition() -> None:
    torch.manual_seed(0)
    heatmap = torch.rand(2, 9, 11)
    peaks = torch.tensor([[[5, 4], [0, 0]], [[10, 8], [3, 7]]])
    found = local_soft_argmax(heatmap, peaks, 5, 0.2)
    padded = F.pad(heatmap, (2, 2, 2, 2))
    for image in range(2):
        for k in range(2):
            x, y = peaks[image, k].tolist()
            weight = torch.exp(padded[image, y : y + 5, x : x + 5] / 0.2)
            weight = weight / weight.sum()
            step = torch.arange(-2.0, 3.0)
            expected = torch.stack(
                [x + (weight.sum(0) * step).sum(), y + (weight.sum(1) * step).sum()]
            )
            torch.testing.assert_close(found[image, k], expected)


def test_local_soft_argmax_passes_gradient_to_the_scores() -> None:
    heatmap = torch.rand(1, 9, 9, requires_grad=True)
    local_soft_argmax(heatmap, torch.tensor([[[4, 4]]]), 3, 0.2).sum().backward()
    assert heatmap.grad is not None
    assert int((heatmap.grad != 0).sum()) > 0


def test_global_soft_argmax_of_two_equal_peaks_lies_between_them() -> None:
    logits = torch.full((1, 1, 9, 9), -50.0)
    logits[0, 0, 2, 1] = logits[0, 0, 6, 7] = 50.0
    torch.testing.assert_close(global_soft_argmax(logits), torch.tensor([[[4.0, 4.0]]]))


@pytest.mark.parametrize("sample", [sample_bilinear, sample_truncated])
def test_sampling_at_pixels_reads_them(sample) -> None:
    maps = torch.rand(1, 3, 6, 7)
    xy = torch.tensor([[[2.0, 5.0], [6.0, 0.0]]])
    expected = torch.stack([maps[0, :, 5, 2], maps[0, :, 0, 6]])[None]
    torch.testing.assert_close(sample(maps, xy), expected)


def test_sampling_between_pixels() -> None:
    maps = torch.arange(20.0).view(1, 1, 4, 5)
    xy = torch.tensor([[[1.75, 2.5]]])
    assert sample_bilinear(maps, xy).item() == pytest.approx(1.75 + 5 * 2.5, abs=1e-5)
    assert sample_truncated(maps, xy).item() == 1 + 5 * 2


def test_a_position_that_is_no_number_gives_none_and_harms_nothing() -> None:
    maps = torch.rand(1, 2, 5, 6, requires_grad=True)
    xy = torch.tensor([[[1.5, 2.0], [torch.nan, 1.0]]], requires_grad=True)
    value = sample_bilinear(maps, xy)
    assert torch.isfinite(value[0, 0]).all()
    assert value[0, 1].isnan().all()
    value.sum().backward()
    assert torch.isfinite(maps.grad).all()


def _nearest(peaks: torch.Tensor) -> int:
    gaps = (peaks[:, None] - peaks[None]).abs().amax(-1)
    return int(gaps.fill_diagonal_(99).min())


def test_equal_scores_give_peaks_a_spacing_apart() -> None:
    constant = torch.full((1, 32, 32), 0.5)
    neighbours = torch.full((1, 32, 32), 0.1)
    neighbours[0, 10, 10:12], neighbours[0, 25, 25] = 0.9, 0.8
    flat = torch.full((1, 32, 32), 0.1)
    flat[0, 5:8, 5:8], flat[0, 24, 24] = 1.0, 0.95
    assert _nearest(top_peaks(constant, 4, 7)[0]) >= 4
    assert top_peaks(neighbours, 2, 7)[0].tolist() == [[10, 10], [25, 25]]
    found = top_peaks(flat, 2, 7)[0].tolist()
    assert found[1] == [24, 24]
    assert all(5 <= value <= 7 for value in found[0])


def test_scores_of_any_sign_have_peaks() -> None:
    logits = torch.full((1, 12, 16), -9.0)
    logits[0, 2, 3], logits[0, 8, 12] = -1.0, -2.0
    assert top_peaks(logits, 2, window=5).tolist() == [[[3, 2], [12, 8]]]


@given(seed=st.integers(0, 1000), levels=st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_peaks_are_distinct_and_apart_however_many_scores_tie(seed: int, levels: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    heatmap = torch.randint(levels, (1, 24, 30), generator=generator).float()
    assert _nearest(top_peaks(heatmap, 4, 7)[0]) >= 4
    assert len({tuple(point) for point in top_peaks(heatmap, 40, 7)[0].tolist()}) == 40
