"""Named random numbers of a generated image: each depends on seed, stream and index alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from tuskbench.data import counter


@dataclass(frozen=True)
class Draws:
    """The random numbers of the images `index` [N] of a stream."""

    seed: int
    stream: str
    index: NDArray[np.int64]
    device: torch.device | None = None

    def uniform(self, name: str, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return numbers [N, *shape] in [low, high)."""
        return self._tensor(low + (high - low) * self._raw(name, shape))

    def normal(self, name: str, *shape: int, mean: float = 0.0, deviation: float = 1.0) -> Tensor:
        """Return normal numbers [N, *shape]."""
        # Half a step away from 0, whose quantile is infinite.
        return self._tensor(mean + deviation * ndtri(self._raw(name, shape) + 2.0**-54))

    def chance(self, name: str, probability: float, *shape: int) -> Tensor:
        """Return [N, *shape] bool, true with that probability."""
        return torch.from_numpy(self._raw(name, shape) < probability).to(self.device)

    def integer(self, name: str, choices: int, *shape: int) -> Tensor:
        """Return integers [N, *shape] from 0 to `choices` - 1."""
        return torch.from_numpy((self._raw(name, shape) * choices).astype(np.int64)).to(self.device)

    def _raw(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        values = counter.uniform(self.seed, f"{self.stream}/{name}", self.index, prod(shape))
        return values.reshape(len(self.index), *shape)

    def _tensor(self, values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)
