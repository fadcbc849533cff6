"""What training costs: time, memory, energy, parameters."""

from __future__ import annotations

import resource
import sys
import time
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuskbench.store import Cost


class Meter:
    """Seconds and GPU joules of one phase, added to those of the runs before.

    Args:
        devices: where the work is done.
        seconds: seconds of earlier runs of the cell.
        joules: joules of earlier runs; None where they were not read.
    """

    def __init__(
        self,
        devices: Sequence[torch.device],
        seconds: float = 0.0,
        joules: float | None = 0.0,
    ) -> None:
        self._seconds, self._joules = seconds, joules
        self._counters = [_energy_counter(device) for device in devices]
        self._began, self._energy = time.perf_counter(), self._read()

    @property
    def seconds(self) -> float:
        """Return the wall-clock seconds so far."""
        return self._seconds + time.perf_counter() - self._began

    @property
    def joules(self) -> float | None:
        """Return the energy so far, or None where it cannot be read."""
        now = self._read()
        if now is None or self._energy is None or self._joules is None:
            return None
        return self._joules + now - self._energy

    def _read(self) -> float | None:
        read = [counter() if counter else None for counter in self._counters]
        known = [joules for joules in read if joules is not None]
        # The sum of some of the devices would pass for that of all.
        return sum(known) if len(known) == len(read) else None


def _energy_counter(device: torch.device) -> Callable[[], float | None] | None:
    """Return what reads a GPU's counter in joules, where it has one."""
    if device.type != "cuda":
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        # By identifier, because CUDA_VISIBLE_DEVICES renumbers GPUs for torch but not for NVML.
        name = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        handle = pynvml.nvmlDeviceGetHandleByUUID(name)
    except (pynvml.NVMLError, AttributeError):
        return None

    def read() -> float | None:
        try:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
        except pynvml.NVMLError:
            return None

    return read


def peak_memory(device: torch.device) -> int:
    """Return the most bytes allocated on a GPU, or the process's largest resident set."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def parameters(system: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in system.parameters() if p.requires_grad)


def cost(
    system: nn.Module,
    device: torch.device,
    steps: int,
    batch_size: int,
    train_seconds: float,
    evaluate_seconds: float,
    joules: float | None,
) -> Cost:
    """Return the cost of a cell, see `tuskbench.store.Cost`."""
    return {
        "train_seconds": train_seconds,
        "evaluate_seconds": evaluate_seconds,
        "images_per_second": steps * batch_size / train_seconds if train_seconds else 0.0,
        "step_seconds": train_seconds / steps if steps else 0.0,
        "steps": steps,
        "peak_memory_bytes": peak_memory(device),
        "parameters": parameters(system),
        "gpu_energy_joules": joules,
    }
