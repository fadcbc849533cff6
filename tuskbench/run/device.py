"""Devices: what `auto` means, which cells share them, and Lightning Fabric's set-up."""

from __future__ import annotations

import os
import threading
from collections import Counter
from functools import cache
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


def joined(devices: list[str]) -> str:
    """Return devices of one kind, each once, as one name, such as `cuda:0,1`."""
    if devices[0] == "cpu":
        return "cpu"
    return "cuda:" + ",".join(name.partition(":")[2] for name in dict.fromkeys(devices))


class DevicePool:
    """Slots on devices, taken by cells and given back.

    Args:
        devices: names from `resolve`.
        jobs: cells at a time; None for `jobs_per_gpu` a GPU, or one a core on CPU.
        jobs_per_gpu: see `jobs`.
    """

    def __init__(self, devices: list[str], jobs: int | None = None, jobs_per_gpu: int = 1) -> None:
        self.on_cpu = devices == ["cpu"]
        self.jobs = jobs or (cores() if self.on_cpu else jobs_per_gpu * len(devices))
        self.shares = not self.on_cpu and self.jobs > len(devices)
        self._free = [devices[index % len(devices)] for index in range(self.jobs)]
        self._devices = devices
        self._slots = Counter(self._free)
        self._condition = threading.Condition()

    def check(self, training: Training) -> None:
        """Raise `ConfigurationError` where a cell wants more devices than there are."""
        most = self.jobs if self.on_cpu else len(self._devices)
        if training.devices > most:
            expected = f"at most {most} on {', '.join(self._devices)}"
            raise ConfigurationError("training", "devices", training.devices, expected)

    def acquire(self, count: int, alone: bool = False) -> list[str]:
        """Wait for `count` slots on different devices (or cores) and take them.

        Args:
            count: how many.
            alone: whether to take all slots of these devices; each is named as often.
        """
        choose = self._choose_alone if alone else self._choose
        with self._condition:
            self._condition.wait_for(lambda: choose(count) is not None)
            chosen = choose(count)
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

    def _choose_alone(self, count: int) -> list[str] | None:
        whole = [d for d in self._devices if self._free.count(d) == self._slots[d]]
        chosen = whole[:count]
        return [d for d in chosen for _ in range(self._slots[d])] if len(chosen) == count else None

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

    # Else 16-bit copies of weights outlive an optimizer's step in the midst of `fit_step`.
    torch.set_autocast_cache_enabled(False)
    if training.devices == 1:
        return _single(device, training.precision)
    return _launched(device, training.devices, training.precision)


def _launched(device: str, count: int, precision: str) -> Fabric:
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment

    kind, _, indices = device.partition(":")
    devices: int | list[int] = count
    if kind == "cuda":
        devices = [int(index) for index in indices.split(",")]
    # The environment is named, or else Fabric takes a batch scheduler's for its own.
    fabric = Fabric(
        accelerator=kind,
        devices=devices,
        strategy="ddp" if count > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]
        plugins=[LightningEnvironment()],
    )
    fabric.launch()
    return fabric


@cache
def _single(device: str, precision: str) -> Fabric:
    """Return what cells of one device can share: making it takes as long as a small cell."""
    return _launched(device, 1, precision)


def process_rank(training: Training) -> int:
    """Return which of a cell's processes this is; 0 reads and writes for all."""
    return int(os.environ.get("LOCAL_RANK", "0")) if training.devices > 1 else 0
