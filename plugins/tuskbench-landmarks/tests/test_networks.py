"""Networks against the published sizes, and the losses against hand-made cases."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from tuskbench_landmarks.jakab import smooth_border
from tuskbench_landmarks.keypoint_generator import Generator
from tuskbench_landmarks.lorenz import resolutions
from tuskbench_landmarks.thewlis import Tower
from tuskbench_landmarks.zhang import JITTER as ZHANG_JITTER
from tuskbench_landmarks.zhang import concentration_loss, pad_with_mean_edge, separation_loss
from tuskbench_landmarks.zhang_networks import GroupLinear, detector

from tuskbench import registry
from tuskbench.contracts import TaskInfo
from tuskbench.errors import ConfigurationError
from tuskbench.testing import toy_batch, toy_task


def parameters(*networks: nn.Module) -> int:
    return sum(p.numel() for network in networks for p in network.parameters())


def build(name: str, task: TaskInfo | None = None, **settings: Any) -> Any:
    torch.manual_seed(0)
    return registry.build("system", {"name": name, **settings}, task or toy_task())


def test_thewlis_has_the_published_size() -> None:
    tower = Tower(10, 1.0)
    assert parameters(tower) == pytest.approx(0.27e6, rel=0.05)
    assert tower(torch.rand(1, 3, 128, 96)).shape == (1, 10, 64, 48)


def test_jakab_has_the_published_size() -> None:
    mse = {"name": "mse"}
    # The code's last layer draws six maps more, which it drops.
    for keypoints, size in ((4, 4.12e6), (10, 4.14e6)):
        system = build("jakab", keypoints=keypoints, reconstruction=mse)
        assert parameters(system) == pytest.approx(size, rel=0.01)


@pytest.mark.parametrize("size", [(48, 48), (96, 80), (37, 41)])
def test_zhangs_hourglass_takes_any_size(size: tuple[int, int]) -> None:
    assert detector(11, 0.125)(torch.rand(2, 3, *size)).shape == (2, 11, *size)


def test_lorenz_draws_from_four_pixels_up() -> None:
    assert resolutions((128, 128)) == [(side, side) for side in (4, 8, 16, 32, 64, 128)]
    assert resolutions((48, 80))[0] == (3, 5)
    system = build("lorenz", TaskInfo("wide", (48, 80), toy_task().warps), width=8, depth=2)
    image = system.eval().predict(torch.rand(1, 3, 48, 80)).reconstruction
    assert image.shape == (1, 3, 48, 80)


@pytest.mark.parametrize("keypoints", [1, 3, 6])
def test_lorenz_gives_every_part_a_look_at_one_resolution(keypoints: int) -> None:
    """In the code's way, the first four parts' looks enter at the two coarsest resolutions."""
    for side in ("code", "paper"):
        system = build(
            "lorenz", keypoints=keypoints, width=8, depth=1, decoder_width=0.05, faithful_to=side
        )
        system.configure(2)
        losses = system.train().fit_step(toy_batch(toy_task()), 0)
        assert set(losses) == {"reconstruction", "mean", "covariance"}


def test_generator_places_its_background_outside_the_keypoints() -> None:
    torch.manual_seed(0)
    generator = Generator(3, (48, 64), 0.1, 8, 0.01, 1.0)
    made = generator(generator.noise(2, torch.device("cpu")))
    assert made.images.shape == (2, 3, 48, 64)
    near = generator.extents(torch.zeros(1, 3, 2), (49, 49))
    assert near[0, -1, 24, 24] == 0
    assert near[0, -1, 0, 0] == 1


def test_the_gan_comes_first_and_the_detector_after() -> None:
    system = build(
        "latent-keypoint-gan", width=0.1, detector_width=0.1, embedding=8, gan_share=0.5
    ).train()
    system.configure(4)
    changes = []
    for step in range(4):
        before = {name: value.clone() for name, value in system.named_parameters()}
        system.fit_step(toy_batch(toy_task()), step)
        after = dict(system.named_parameters())
        changed = {name.split(".")[0] for name in after if not after[name].equal(before[name])}
        changes.append(changed)
    assert changes == [{"generator", "discriminator"}] * 2 + [{"detector"}] * 2


def test_concentration_is_the_exponential_of_the_entropy() -> None:
    deviation = torch.tensor([[0.1, 0.2], [0.1, 0.2]])
    entropies = [math.log(2 * math.pi * math.e * s**2) for s in (0.1, 0.2)]
    expected = sum(math.exp(entropy) for entropy in entropies)
    assert concentration_loss(deviation).item() == pytest.approx(expected, rel=1e-5)


def test_separation_counts_ordered_pairs() -> None:
    xy = torch.tensor([[[0.0, 0.0], [0.0, 0.0], [5.0, 5.0]]])
    assert separation_loss(xy, 0.08).item() == pytest.approx(2, abs=1e-5)
    near = torch.tensor([[[0.0, 0.0], [0.08, 0.0]]])
    assert separation_loss(near, 0.08).item() == pytest.approx(2 * math.exp(-0.5), rel=1e-5)


def test_padding_has_the_mean_colour_of_the_border() -> None:
    images = torch.zeros(1, 1, 4, 4)
    images[..., 0, :] = 1
    padded = pad_with_mean_edge(images, (2, 3))
    assert padded.shape == (1, 1, 8, 10)
    # The corners of the top row are in a row and in a column: 4 + 2 of 16 values are 1.
    torch.testing.assert_close(padded[0, 0, 0, 0], torch.tensor(6 / 16))
    assert torch.equal(padded[..., 2:6, 3:7], images)


def test_group_linear_is_a_layer_a_part() -> None:
    layer = GroupLinear(3, 4, 2)
    features = torch.randn(5, 3, 4)
    expected = torch.stack([features[:, k] @ layer.weight[k] for k in range(3)], 1)
    torch.testing.assert_close(layer(features), expected)


def test_the_border_counts_for_nothing() -> None:
    mask = smooth_border((128, 128))[0, 0]
    assert mask[:10].max() == 0
    assert mask[64, 64] == 1
    assert torch.equal(mask, mask.flip(0))
    assert torch.equal(mask, mask.flip(1))
    # From 0.5 + 0.5 tanh(-2.5) to 0.5 + 0.5 tanh(2.5) over 20 pixels.
    ramp = [0.5 + 0.5 * math.tanh((-1 + 2 * step / 19) / 0.4) for step in range(20)]
    torch.testing.assert_close(mask[10:30, 64], torch.tensor(ramp))
    assert mask[30, 64] == 1
    assert mask.mean().item() == pytest.approx(0.47, abs=0.01)


def test_every_layer_is_masked_and_has_a_running_mean_of_its_own(monkeypatch) -> None:
    perceptual = {"name": "perceptual", "weights": "random", "size": 0}
    system = build("jakab", keypoints=3, width=4, reconstruction=perceptual).train()
    system.configure(2)
    drawn, target = torch.rand(2, 2, 3, 32, 32)
    mask = torch.zeros(2, 1, 32, 32)
    mask[..., :16] = 1
    terms = system._features(drawn, target, mask)
    assert len(terms) == 4
    # What is masked out of a layer's differences does not count, however features see it.
    for layer, term in zip(range(4), terms, strict=True):
        ours, theirs = (system.reconstruction.features(i)[layer] for i in (drawn, target))
        side = ours.shape[-1]
        squared = (ours - theirs).square()
        half = squared[..., : side // 2].sum() / squared.numel()
        assert term.item() == pytest.approx(half.item(), rel=1e-3)
    losses = system.fit_step(toy_batch(toy_task()), 0)
    # At the first batch every term is its own running mean: a thousand each.
    assert losses["pixels"].item() == pytest.approx(1000, rel=1e-4)
    assert losses["features"].item() == pytest.approx(4000, rel=1e-4)
    assert len(set(system.running.tolist())) == 5


def test_zhangs_slope_and_colour_changes_are_published() -> None:
    leaky = [m for m in detector(3, 0.125).modules() if isinstance(m, nn.LeakyReLU)]
    assert leaky
    assert {m.negative_slope for m in leaky} == {0.2}
    assert (ZHANG_JITTER.brightness, ZHANG_JITTER.contrast) == (32 / 255, 0.5)
    assert (ZHANG_JITTER.saturation, ZHANG_JITTER.hue) == (0, 0)


def test_landmarks_of_several_objects_keep_their_channel() -> None:
    system = build("thewlis", keypoints=2, width=0.2).eval()
    system.look_for(9)
    keypoints = system.predict(toy_batch(toy_task()).images).keypoints
    assert keypoints.label.shape == (4, 6)
    assert (keypoints.label.sort(1).values == torch.tensor([0, 0, 0, 1, 1, 1])).all()


def test_jakab_needs_sizes_divisible_by_8() -> None:
    task = TaskInfo("odd", (36, 36), toy_task().warps)
    with pytest.raises(ConfigurationError, match="divisible by 8"):
        build("jakab", task, reconstruction={"name": "mse"})
