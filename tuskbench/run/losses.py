"""Losses that are not finite end a cell; on a GPU they are looked at only now and then."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tuskbench.errors import NonFiniteLossError

if TYPE_CHECKING:
    from collections.abc import Mapping

GPU_INTERVAL = 50
"""Steps between two looks at a GPU's losses, each of which waits for the GPU."""


class LossWatch:
    """Keeps the losses of the last steps until it is time to look at them.

    Args:
        device: where the losses are computed.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._interval = GPU_INTERVAL if device.type == "cuda" else 1
        self._recent: list[tuple[int, dict[str, Tensor | float]]] = []
        self.last: dict[str, float] = {}

    def add(self, step: int, losses: Mapping[str, Tensor | float]) -> None:
        """Take the losses of a step.

        Raises:
            NonFiniteLossError: if one of them, or of a step before, is not finite.
        """
        kept = {n: v.detach() if isinstance(v, Tensor) else float(v) for n, v in losses.items()}
        self._recent.append((step, kept))
        if len(self._recent) >= self._interval:
            self.check()

    def check(self) -> dict[str, float]:
        """Look at all losses not looked at yet; return those of the last step.

        Raises:
            NonFiniteLossError: if one of them is not finite.
        """
        recent, self._recent = self._recent, []
        on_device = [v for _, losses in recent for v in losses.values() if isinstance(v, Tensor)]
        # One transfer for all of them.
        read = iter(
            torch.stack([v.float().reshape(()) for v in on_device]).tolist() if on_device else ()
        )
        for step, losses in recent:
            self.last = {n: next(read) if isinstance(v, Tensor) else v for n, v in losses.items()}
            for name, value in self.last.items():
                if not math.isfinite(value):
                    raise NonFiniteLossError(name, value, step)
        return self.last
