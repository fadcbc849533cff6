"""The three systems keep the contract, follow their schedules and learn."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch

from tuskbench import registry
from tuskbench.contracts import Batch, TaskInfo
from tuskbench.errors import ConfigurationError
from tuskbench.testing import SystemConformance, toy_batch, toy_task

SETTINGS: dict[str, dict[str, Any]] = {
    "slot-attention": {
        "width": 8,
        "slot_size": 8,
        "hidden": 8,
        "encoder_downsamplings": 2,
        "decoder_layers": 2,
        "decoder_upsamplings": 2,
    },
    "monet": {
        "latents": 4,
        "attention_width": 4,
        "attention_hidden": 8,
        "width": 4,
        "hidden": 8,
        "decoder_width": 4,
    },
    "iodine": {
        "latents": 4,
        "iterations": 2,
        "width": 4,
        "decoder_layers": 2,
        "decoder_upsamplings": 2,
        "refinement_layers": 3,
        "hidden": 8,
    },
}


class TestSlotAttention(SystemConformance):
    name = "slot-attention"
    settings: ClassVar[dict[str, Any]] = SETTINGS["slot-attention"]


class TestMonet(SystemConformance):
    name = "monet"
    settings: ClassVar[dict[str, Any]] = SETTINGS["monet"]


class TestIodine(SystemConformance):
    name = "iodine"
    settings: ClassVar[dict[str, Any]] = SETTINGS["iodine"]


def build(name: str, task: TaskInfo | None = None, **settings: Any) -> Any:
    torch.manual_seed(0)
    choice = {"name": name, **SETTINGS[name], **settings}
    return registry.build("system", choice, task or toy_task())


@pytest.mark.parametrize("name", SETTINGS)
def test_one_slot_an_object_and_one_for_the_background(name: str) -> None:
    images = toy_batch(toy_task()).images
    system = build(name).eval()
    assert system.predict(images).masks.shape[1] == toy_task().objects + 1
    system.look_for(6)
    assert system.predict(images).masks.shape[1] == 7
    system.look_for(None)
    assert system.predict(images).masks.shape[1] == 4


def test_spare_slots_are_kept_when_looking_for_more() -> None:
    system = build("slot-attention", slots=6).eval()
    system.look_for(7)
    assert system.predict(toy_batch(toy_task()).images).masks.shape[1] == 10


@pytest.mark.parametrize("name", SETTINGS)
def test_predictions_are_the_same_again(name: str) -> None:
    images = toy_batch(toy_task()).images
    system = build(name).eval()
    first = system.predict(images)
    torch.manual_seed(7)
    second = system.predict(images.flip(0))
    torch.testing.assert_close(first.masks, second.masks.flip(0), atol=1e-5, rtol=1e-4)
    assert not first.masks.requires_grad


@pytest.mark.parametrize("name", SETTINGS)
def test_the_loss_falls(name: str) -> None:
    batch = toy_batch(toy_task(), 8)
    system = build(name, learning_rate=3e-3, warmup=0.0, decay=1.0).train()
    system.configure(40)
    totals = []
    for step in range(40):
        torch.manual_seed(step)
        totals.append(sum(loss.item() for loss in system.fit_step(batch, step).values()))
    assert sum(totals[-5:]) < sum(totals[:5]) - 0.2 * abs(sum(totals[:5]))


def test_slot_attention_warms_up_and_halves_its_rate_as_published() -> None:
    system = build("slot-attention")
    optimizer = system.configure(500_000)["all"]
    batch = Batch(toy_batch(toy_task()).images)
    for step, expected in (
        (4_999, 4e-4 * 0.5 * 0.5**0.05),
        (9_999, 4e-4 * 0.5**0.1),
        (99_999, 2e-4),
        (499_999, 4e-4 / 32),
    ):
        system.fit_step(batch, step)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)


def test_iodine_falls_tenfold_and_limits_its_gradient() -> None:
    system = build("iodine")
    system.configure(1_000_000)
    assert system.rate_factor(999_999) == pytest.approx(0.1)
    system.fit_step(toy_batch(toy_task()), 0)
    norm = torch.stack([p.grad.norm() for p in system.parameters() if p.grad is not None]).norm()
    assert norm.item() <= 5.001


def test_iodine_sees_the_gradients_of_its_loss() -> None:
    system = build("iodine").train()
    images = toy_batch(toy_task()).images
    noise = torch.randn(4, 4, 4)
    parameters = system.initial.expand(4, 4, -1)
    explanation = system.explanation(images, parameters, noise)
    gradient, _, in_logits = explanation.gradients(torch.tensor(4.0), keep_graph=True)
    assert not gradient.requires_grad
    # A finite difference in one parameter of one slot.
    losses = []
    for step in (1e-2, -1e-2):
        moved = parameters.detach().clone()
        moved[1, 2, 3] += step
        found = system.explanation(images, moved, noise)
        losses.append((found.error + found.divergence).mean())
    slope = ((losses[0] - losses[1]) / 2e-2).item()
    assert gradient[1, 2, 3].item() == pytest.approx(slope, rel=0.05, abs=0.1)
    # Softmax masks: what one slot gains the others lose.
    torch.testing.assert_close(
        in_logits.sum(1), torch.zeros_like(in_logits[:, 0]), atol=1e-3, rtol=0
    )


def test_iodine_keeps_the_size_of_its_training_batch_for_predictions() -> None:
    system = build("iodine")
    system.configure(2)
    system.train().fit_step(toy_batch(toy_task()), 0)
    assert system.state_dict()["batch"] == 4
    images = toy_batch(toy_task()).images
    masks = system.eval().predict(images).masks
    torch.testing.assert_close(system.predict(images[:1]).masks, masks[:1], atol=1e-5, rtol=1e-4)


def test_monets_likelihood_of_a_pixel_or_of_a_channel() -> None:
    losses = {}
    for likelihood in ("pixel", "channel"):
        system = build("monet", likelihood=likelihood).train()
        torch.manual_seed(1)
        images = toy_batch(toy_task()).images
        losses[likelihood] = system.losses(images)["reconstruction"].item()
        torch.manual_seed(1)
        with torch.no_grad():
            log_masks = system.attend(images)
            mean, log_scale = system.component.encode(images, log_masks)
            drawn = mean + log_scale.exp() * system.noise(*mean.shape)
            colours, _ = system.component.decode(drawn)
        scale = torch.tensor([0.09, 0.11, 0.11, 0.11]).view(4, 1, 1, 1)[: colours.shape[1]]
        density = torch.distributions.Normal(colours, scale).log_prob(images[:, None]).double()
        weights = log_masks[:, :, None].double()
        if likelihood == "pixel":
            density = density.sum(2, keepdim=True)
        expected = -(weights + density).logsumexp(1).sum((1, 2, 3)).mean()
        assert losses[likelihood] == pytest.approx(expected.item(), rel=1e-4)


def test_iodine_weighs_later_explanations_more() -> None:
    system = build("iodine").train()
    images = toy_batch(toy_task()).images
    torch.manual_seed(3)
    found = system.refinements(images)
    torch.manual_seed(3)
    losses = system.losses(images)
    expected = 0.5 * found[1].error.mean() + found[2].error.mean()
    torch.testing.assert_close(losses["reconstruction"], expected)


def test_monet_leaves_the_rest_to_its_last_mask() -> None:
    system = build("monet").eval()
    images = toy_batch(toy_task()).images
    with torch.no_grad():
        log_masks = system.attend(images)
        first = system.attention(images, torch.zeros_like(images[:, :1])).sigmoid()
    torch.testing.assert_close(log_masks[:, :1].exp(), first)
    torch.testing.assert_close(log_masks.exp().sum(1), torch.ones(4, 32, 32))


@pytest.mark.parametrize(
    ("name", "settings", "parameter"),
    [
        ("slot-attention", {"decoder_upsamplings": 4}, "decoder_upsamplings"),
        ("slot-attention", {"encoder_downsamplings": 5}, "encoder_downsamplings"),
        ("slot-attention", {"kernel": 4}, "kernel"),
        ("monet", {"attention_blocks": 6}, "attention_blocks"),
        ("monet", {"decoder_upsamplings": 6}, "decoder_upsamplings"),
        ("iodine", {"decoder_upsamplings": 4}, "decoder_upsamplings"),
        ("iodine", {"kernel": 4}, "kernel"),
    ],
)
def test_settings_that_cannot_work(name: str, settings: dict[str, int], parameter: str) -> None:
    with pytest.raises(ConfigurationError, match=parameter):
        build(name, **settings)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_task_that_does_not_say_how_many_objects_there_are(name: str) -> None:
    info = toy_task()
    unknown = TaskInfo("unknown", info.image_size, info.warps)
    with pytest.raises(ConfigurationError, match="slots"):
        build(name, unknown)
    system = build(name, unknown, slots=5)
    system.look_for(8)
    assert system.slots == 9


def test_monet_needs_images_that_its_encoder_can_shrink() -> None:
    with pytest.raises(ConfigurationError, match="31"):
        build("monet", toy_task((24, 24)))
