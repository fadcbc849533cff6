"""Randomness as a function of the seed and the step, so that no generator state is kept."""

from __future__ import annotations

import hashlib
import random
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

_EPOCH = 1


def mix(*parts: int) -> int:
    """Return a seed in [0, 2^63) that depends on every part and on their order."""
    text = ",".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 1


def seed_all(*parts: int) -> None:
    """Seed the generators of torch, NumPy and Python with a mix of `parts`."""
    seed = mix(*parts)
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - systems may use the global generator
    random.seed(seed)


@lru_cache(maxsize=2)
def _permutation(count: int, seed: int, epoch: int) -> Tensor:
    generator = torch.Generator().manual_seed(mix(seed, _EPOCH, epoch))
    return torch.randperm(count, generator=generator)


def batch_indices(count: int, batch_size: int, seed: int, step: int) -> Tensor:
    """Return which of `count` images make the batch of a step: [batch_size] int64.

    Images come in a new random order every epoch; a batch may reach into the next epoch, so
    that every image is seen equally often and all batches are of one size.
    """
    first, last = step * batch_size, (step + 1) * batch_size
    parts = []
    while first < last:
        epoch, offset = divmod(first, count)
        taken = min(count - offset, last - first)
        parts.append(_permutation(count, seed, epoch)[offset : offset + taken])
        first += taken
    return torch.cat(parts)
