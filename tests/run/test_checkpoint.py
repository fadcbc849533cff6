"""A restored system goes on exactly as the one that was saved."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tuskbench.errors import CheckpointMismatchError, StoreError
from tuskbench.run import checkpoint

KINDS = {
    "adam": lambda p: torch.optim.Adam(p, 0.1, betas=(0.5, 0.999)),
    "amsgrad": lambda p: torch.optim.AdamW(p, 0.1, amsgrad=True),
    "momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, centered=True),
}


def _made(kind: str) -> tuple[nn.Module, dict[str, torch.optim.Optimizer]]:
    torch.manual_seed(5)
    system = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 4))
    system.tied = system[2].weight  # shares memory, which safetensors refuses to write
    return system, {"all": KINDS[kind](system.parameters())}


def _train(system: nn.Module, optimizers: dict[str, torch.optim.Optimizer], steps: range) -> None:
    for step in steps:
        torch.manual_seed(step)
        optimizers["all"].zero_grad()
        system(torch.randn(8, 3)).square().mean().backward()
        optimizers["all"].step()


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_equals_uninterrupted(tmp_path: Path, kind: str) -> None:
    system, optimizers = _made(kind)
    _train(system, optimizers, range(4))
    optimizers["all"].param_groups[0]["lr"] = 0.05
    checkpoint.save(tmp_path / "file", system, optimizers, 4, {"name": "é"})
    _train(system, optimizers, range(4, 9))
    resumed, fresh = _made(kind)
    assert checkpoint.load(tmp_path / "file", resumed, fresh) == (4, {"name": "é"})
    _train(resumed, fresh, range(4, 9))
    for name, value in system.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_weights_and_metadata_alone(tmp_path: Path) -> None:
    system, _ = _made("adam")
    checkpoint.save(tmp_path / "file", system, {}, 7, {"cell": {"seed": 1}})
    other, optimizers = _made("adam")
    nn.init.zeros_(other[0].weight)
    assert checkpoint.read_metadata(tmp_path / "file") == {"cell": {"seed": 1}}
    assert checkpoint.load_weights(tmp_path / "file", other) == {"cell": {"seed": 1}}
    assert torch.equal(other[0].weight, system[0].weight)
    assert checkpoint.load(tmp_path / "file", other, optimizers)[0] == 7


def test_damage_and_mismatch_are_told_in_a_sentence(tmp_path: Path) -> None:
    system, optimizers = _made("adam")
    path = tmp_path / "file"
    with pytest.raises(StoreError, match="no such checkpoint"):
        checkpoint.read_metadata(path)
    checkpoint.save(path, system, optimizers, 1, {})
    with pytest.raises(CheckpointMismatchError, match="does not fit"):
        checkpoint.load(path, nn.Linear(2, 2), {})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(StoreError, match="not a whole checkpoint"):
        checkpoint.load_weights(path, system)


def test_an_unwritable_place_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        checkpoint.save(tmp_path / "file" / "deeper", _made("adam")[0], {}, 0, {})


@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(max_examples=40, deadline=None)
def test_a_flipped_bit_is_found(place: int, bit: int) -> None:
    system, optimizers = _made("adam")
    _train(system, optimizers, range(1))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        checkpoint.save(path, system, optimizers, 1, {"name": "é"})
        content = bytearray(path.read_bytes())
        content[place % len(content)] ^= 1 << bit
        path.write_bytes(content)
        before = {name: value.clone() for name, value in system.state_dict().items()}
        try:
            loaded = checkpoint.load(path, *_made("adam"))
        except StoreError:
            return
        # Spaces that fill up the header mean nothing.
        fresh = _made("adam")
        assert checkpoint.load(path, *fresh) == loaded == (1, {"name": "é"})
        for name, value in before.items():
            assert torch.equal(value, fresh[0].state_dict()[name])
