"""Networks against published sizes and the properties that the papers state."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from tuskbench_slots.attention import SlotAttention
from tuskbench_slots.attention_unet import AttentionUNet
from tuskbench_slots.broadcast_decoder import BroadcastDecoder
from tuskbench_slots.component_vae import ComponentVAE
from tuskbench_slots.grids import corner_grid, cosine_grid, linear_grid
from tuskbench_slots.initialisation import keras, sonnet

from tuskbench import registry
from tuskbench.contracts import TaskInfo
from tuskbench.errors import ConfigurationError
from tuskbench.testing import toy_task


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def clevr6(side: int = 128) -> TaskInfo:
    info = toy_task((side, side))
    return TaskInfo("clevr6", info.image_size, info.warps, objects=6)


def test_slot_attention_has_the_published_size() -> None:
    assert parameters(registry.build("system", {"name": "slot-attention"}, clevr6())) == 890_308


def test_small_slot_attention_has_the_published_size() -> None:
    small = {"width": 32, "decoder_layers": 3, "decoder_upsamplings": 0}
    system = registry.build("system", {"name": "slot-attention", **small}, clevr6(35))
    assert parameters(system) == pytest.approx(236_000, rel=0.01)


def test_iodine_has_the_published_size() -> None:
    system = registry.build("system", {"name": "iodine"}, clevr6())
    # Torch's LSTM has a second bias of 4 x 256 that adds nothing.
    assert parameters(system) - 4 * 256 == 1_177_168


def test_monet_has_the_published_size() -> None:
    system = registry.build("system", {"name": "monet"}, clevr6())
    assert parameters(system.attention) == 632_289
    assert parameters(system.component) == 910_244
    assert [len(system.attention.down), system.attention.sizes[-1]] == [6, (4, 4)]


def test_grids() -> None:
    rows, columns = linear_grid((3, 5))
    assert rows[:, 0].tolist() == [-1, 0, 1]
    assert columns[0].tolist() == [-1, -0.5, 0, 0.5, 1]
    corners = corner_grid((3, 5))
    assert corners[:, 0, 0].tolist() == [0, 0, 1, 1]
    assert corners[:, -1, 1].tolist() == [1, 0.25, 0, 0.75]
    cosines = cosine_grid((3, 5), 3)
    assert cosines.shape == (8, 3, 5)
    # Every pair of orders but (0, 0) is there once, over a whole half wave.
    y = torch.linspace(0, math.pi, 3)[:, None]
    x = torch.linspace(0, math.pi, 5)
    for a in range(3):
        for b in range(3):
            same = ((torch.cos(a * x) * torch.cos(b * y) - cosines).abs() < 1e-5).all((1, 2))
            assert same.sum() == (1 if a or b else 0)


@pytest.mark.parametrize("size", [(35, 35), (32, 40)])
@pytest.mark.parametrize(
    "settings",
    [
        {"position": "embedding", "upsamplings": 2},
        {"position": "embedding", "upsamplings": 3, "output_kernel": 5},
        {"position": "embedding"},
        {"position": "coordinates", "upsamplings": 1},
        {"position": "coordinates", "padded": False, "output_kernel": 1},
    ],
)
def test_broadcast_decoder_draws_every_slot_by_itself(settings, size) -> None:
    decoder = BroadcastDecoder(6, size, width=4, layers=2, kernel=3, **settings)
    latents = torch.randn(2, 3, 6)
    colours, logits = decoder(latents)
    assert colours.shape == (2, 3, 3, *size)
    assert logits.shape == (2, 3, 1, *size)
    alone, _ = decoder(latents[:1, 1:2])
    torch.testing.assert_close(alone[0, 0], colours[0, 1], atol=1e-5, rtol=1e-4)
    # A latent is the same everywhere: what differs within the picture is the place.
    assert colours[0, 0, 0].std() > 0


def test_component_vae_keeps_slots_apart() -> None:
    network = ComponentVAE((35, 35), 4, 4, 8, 4, 0)
    images, log_masks = torch.rand(2, 3, 35, 35), torch.randn(2, 3, 35, 35).log_softmax(1)
    mean, log_scale = network.encode(images, log_masks)
    assert mean.shape == log_scale.shape == (2, 3, 4)
    alone, _ = network.encode(images[1:], log_masks[1:, 2:])
    torch.testing.assert_close(alone[0, 0], mean[1, 2], atol=1e-5, rtol=1e-4)


def test_attention_unet_of_odd_sizes() -> None:
    network = AttentionUNet((35, 40), 4, 4, 8)
    assert network.sizes == [(35, 40), (18, 20), (9, 10), (5, 5)]
    logits = network(torch.rand(2, 3, 35, 40), torch.zeros(2, 1, 35, 40))
    assert logits.shape == (2, 1, 35, 40)
    with pytest.raises(ConfigurationError, match="attention_blocks"):
        AttentionUNet((35, 40), 4, 7, 8)


@pytest.fixture
def attention() -> SlotAttention:
    torch.manual_seed(0)
    return SlotAttention(6, 5, 8, 3).apply(keras)


def test_slots_do_not_depend_on_the_order_of_features(attention: SlotAttention) -> None:
    features, noise = torch.randn(2, 9, 6), torch.randn(2, 4, 5)
    expected = attention(features, noise)
    torch.testing.assert_close(attention(features[:, torch.randperm(9)], noise), expected)


def test_slots_keep_the_order_of_their_noise(attention: SlotAttention) -> None:
    features, noise = torch.randn(2, 9, 6), torch.randn(2, 4, 5)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(
        attention(features, noise[:, order]), attention(features, noise)[:, order]
    )


def test_one_round_is_algorithm_1_of_the_paper() -> None:
    torch.manual_seed(0)
    module = SlotAttention(6, 5, 8, 1).apply(keras)
    features, noise = torch.randn(1, 9, 6), torch.randn(1, 4, 5)
    slots = (module.mean + module.log_scale.exp() * noise)[0]
    inputs = nn.functional.layer_norm(features[0], (6,), eps=1e-3)
    query = nn.functional.layer_norm(slots, (5,), eps=1e-3) @ module.query.weight.T
    scores = (inputs @ module.key.weight.T) @ query.T / math.sqrt(5)
    share = scores.softmax(-1) + 1e-8
    updates = (share / share.sum(0)).T @ (inputs @ module.value.weight.T)
    moved = module.update(updates, slots)
    expected = moved + module.refine(moved)
    torch.testing.assert_close(module(features, noise)[0], expected)


def test_initial_weights() -> None:
    torch.manual_seed(0)
    conv, recurrent = nn.Conv2d(16, 32, 5), nn.GRUCell(16, 16)
    keras(conv)
    keras(recurrent)
    limit = math.sqrt(6 / (25 * (16 + 32)))
    assert 0.98 * limit < conv.weight.abs().max() <= limit
    assert not conv.bias.any()
    columns = recurrent.weight_hh.T @ recurrent.weight_hh
    torch.testing.assert_close(columns, torch.eye(16), atol=1e-5, rtol=0)
    memory = nn.LSTMCell(8, 4)
    sonnet(conv)
    sonnet(memory)
    # A normal distribution cut at two sigma has 0.88 of its standard deviation.
    assert conv.weight.std().item() == pytest.approx(0.88 / math.sqrt(16 * 25), rel=0.03)
    assert memory.bias_ih.tolist() == [0] * 4 + [1] * 4 + [0] * 8
