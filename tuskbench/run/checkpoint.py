"""Checkpoints: a module and its optimizers in one safetensors file, replaced atomically."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tuskbench.errors import CheckpointMismatchError, StoreError
from tuskbench.store import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from torch.optim import Optimizer

_TENSOR = "$tensor"
_ITEMS = "$items"


def save(
    path: Path,
    system: nn.Module,
    optimizers: Mapping[str, Optimizer],
    step: int,
    metadata: Mapping[str, Any],
) -> None:
    """Write weights, optimizer states, the step and JSON-ready metadata.

    Args:
        path: the file, replaced whole or not at all.
        system: the module.
        optimizers: by name; none for weights alone.
        step: training steps done.
        metadata: JSON-ready values that `read_metadata` returns.

    Raises:
        StoreError: if the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    state = {
        "system": _flatten(system.state_dict(), "system", tensors),
        "optimizers": {
            name: _flatten(optimizer.state_dict(), f"optimizer.{name}", tensors)
            for name, optimizer in optimizers.items()
        },
        "step": step,
    }
    header = {"state": json.dumps(state), "metadata": json.dumps(metadata)}
    header["tensors"] = _tensors_checksum(tensors)
    header["checksum"] = _header_checksum(header)

    def write(temporary: Path) -> None:
        try:
            save_file(tensors, temporary, metadata=header)
        except SafetensorError as error:
            # The library reports a full disk as its own exception.
            raise StoreError(path, f"cannot be written: {error}") from error

    write_atomically(path, write)


def load(
    path: Path, system: nn.Module, optimizers: Mapping[str, Optimizer]
) -> tuple[int, dict[str, Any]]:
    """Restore a module and its optimizers; return the step and the metadata.

    Optimizers of which the file holds no state are left as they are.

    Raises:
        StoreError: if the file is missing or damaged.
        CheckpointMismatchError: if it is of another system.
    """
    header, tensors = _read(path)
    state = json.loads(header["state"])
    try:
        system.load_state_dict(_restore(state["system"], tensors))
        for name, optimizer in optimizers.items():
            if name in state["optimizers"]:
                optimizer.load_state_dict(_restore(state["optimizers"][name], tensors))
    except (RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointMismatchError(path, reason) from error
    return int(state["step"]), json.loads(header["metadata"])


def load_weights(path: Path, system: nn.Module) -> dict[str, Any]:
    """Restore a module alone; return the metadata.

    Raises:
        StoreError: if the file is missing or damaged.
        CheckpointMismatchError: if it is of another system.
    """
    return load(path, system, {})[1]


def read_metadata(path: Path) -> dict[str, Any]:
    """Return what was given to `save`, without reading the tensors.

    Raises:
        StoreError: if the file is missing or damaged.
    """
    metadata: dict[str, Any] = json.loads(_read(path, tensors=False)[0]["metadata"])
    return metadata


def _read(path: Path, tensors: bool = True) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            names = file.keys() if tensors else []
            found = {name: file.get_tensor(name) for name in names}
    except FileNotFoundError as error:
        raise StoreError(path, "there is no such checkpoint") from error
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise StoreError(path, f"is not a whole checkpoint: {error}") from error
    if header.keys() != {"state", "metadata", "tensors", "checksum"}:
        raise StoreError(path, "is not a whole checkpoint of this version of tuskbench")
    if header["checksum"] != _header_checksum(header):
        raise StoreError(path, "is not a whole checkpoint: its header does not match its checksum")
    if tensors and header["tensors"] != _tensors_checksum(found):
        raise StoreError(path, "is not a whole checkpoint: its tensors do not match their checksum")
    return header, found


def _header_checksum(header: Mapping[str, str]) -> str:
    parts = [header[name] for name in ("state", "metadata", "tensors")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _tensors_checksum(tensors: Mapping[str, Tensor]) -> str:
    checksum = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        checksum.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        # As bytes, because NumPy lacks some of torch's types.
        checksum.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return checksum.hexdigest()


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Move the tensors of a nested value to `tensors`; return the rest as JSON."""
    if isinstance(value, Tensor):
        # A copy, because safetensors refuses tensors that share memory.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {_TENSOR: name}
    if isinstance(value, Mapping):
        items = [(key, _flatten(part, f"{name}.{key}", tensors)) for key, part in value.items()]
        return {_ITEMS: items}
    if isinstance(value, list | tuple):
        return [_flatten(part, f"{name}.{i}", tensors) for i, part in enumerate(value)]
    return value


def _restore(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if _TENSOR in value:
            return tensors[value[_TENSOR]]
        return {key: _restore(part, tensors) for key, part in value[_ITEMS]}
    if isinstance(value, list):
        return [_restore(part, tensors) for part in value]
    return value
