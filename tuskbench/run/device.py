"""Devices: what `auto` means, which cells share them, and Lightning Fabric's set-up."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from tuskbench.errors import ConfigurationError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from tuskbench.cell import Training

# What keeps one process on one core; idle OpenMP threads that spin would slow the others.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve(device: str) -> list[str]:
    """Return the devices that `auto`, `cpu`, `cuda` or `cuda:N` stands for.

    Raises:
        ConfigurationError: if there is no such device.
    """
    import torch

    if device == "cpu":
        return ["cpu"]
    if device == "auto" or device == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count:
            return [f"cuda:{index}" for index in range(count)]
        if device == "auto":
            return ["cpu"]
        raise ConfigurationError("run", "device", device, "cpu or auto: torch sees no GPU here")
    kind, _, index = device.partition(":")
    if kind != "cuda" or not index.isdigit():
        raise ConfigurationError("run", "device", device, "auto, cpu, cuda or cuda:N")
    if not torch.cuda.is_available() or int(index) >= torch.cuda.device_count():
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        raise ConfigurationError("run", "device", device, f"one of the {count} GPUs seen by torch")
    return [device]


class DevicePool:
    """Slots on devices, taken by cells and given back.

    Args:
        devices: names from `resolve`.
        jobs: cells at a time; None for one a GPU, or one a core on CPU.
    """

    def __init__(self, devices: list[str], jobs: int | None = None) -> None:
        self.on_cpu = devices == ["cpu"]
        self.jobs = jobs or (cores() if self.on_cpu else len(devices))
        self._free = [devices[index % len(devices)] for index in range(self.jobs)]
        self._devices = devices
        self._condition = threading.Condition()

    def check(self, training: Training) -> None:
        """Raise `ConfigurationError` where a cell wants more devices than there are."""
        most = self.jobs if self.on_cpu else len(self._devices)
        if training.devices > most:
            expected = f"at most {most} on {', '.join(self._devices)}"
            raise ConfigurationError("training", "devices", training.devices, expected)

    def acquire(self, count: int) -> list[str]:
        """Wait for `count` slots on different devices (or cores) and take them."""
        with self._condition:
            self._condition.wait_for(lambda: self._choose(count) is not None)
            chosen = self._choose(count)
            assert chosen is not None
            for device in chosen:
                self._free.remove(device)
            return chosen

    def release(self, devices: list[str]) -> None:
        """Give slots back."""
        with self._condition:
            self._free += devices
            self._condition.notify_all()

    def _choose(self, count: int) -> list[str] | None:
        free = self._free if self.on_cpu else sorted(set(self._free), key=self._busyness)
        return free[:count] if len(free) >= count else None

    def _busyness(self, device: str) -> tuple[int, int]:
        return -self._free.count(device), self._devices.index(device)


def environment(on_cpu: bool) -> dict[str, str]:
    """Return the environment of a worker: one thread on CPU, unless the user says otherwise."""
    variables = {**os.environ}
    variables.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if on_cpu:
        for name in THREAD_VARIABLES:
            variables.setdefault(name, "1")
    return variables


def make_fabric(device: str, training: Training) -> Fabric:
    """Return Lightning Fabric, launched, on `cpu` or on `cuda:0,1`-style devices.

    With more than one device it starts the other processes by this one's own command line,
    so it must be called from the worker's own process.
    """
    import torch
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment

    # Else 16-bit copies of weights outlive an optimizer's step in the midst of `fit_step`.
    torch.set_autocast_cache_enabled(False)
    kind, _, indices = device.partition(":")
    devices: int | list[int] = training.devices
    if kind == "cuda":
        devices = [int(index) for index in indices.split(",")]
    # The environment is named, or else Fabric takes a batch scheduler's for its own.
    fabric = Fabric(
        accelerator=kind,
        devices=devices,
        strategy="ddp" if training.devices > 1 else "auto",
        precision=training.precision,  # type: ignore[arg-type]
        plugins=[LightningEnvironment()],
    )
    fabric.launch()
    return fabric


def process_rank(training: Training) -> int:
    """Return which of a cell's processes this is; 0 reads and writes for all."""
    return int(os.environ.get("LOCAL_RANK", "0")) if training.devices > 1 else 0
