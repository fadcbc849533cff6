"""Counter-based random numbers: sample i is the same whatever the batch, order or machine."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

# Constants of the SplitMix64 generator (Steele, Lea and Flood 2014).
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))


def uniform(
    seed: int, stream: str, index: NDArray[np.int64], count: int, start: int = 0
) -> NDArray[np.float64]:
    """Return numbers `start` to `start + count` of every index's own sequence.

    Args:
        seed: the generator's seed.
        stream: name that keeps independent uses apart, such as `mnist-hard/train/position`.
        index: [N] sample numbers.
        count: how many numbers a sample.
        start: the first number's place in the sequence.

    Returns:
        [N, count] in [0, 1).
    """
    with np.errstate(over="ignore"):
        key = np.array([seed & (2**64 - 1)], np.uint64) + np.uint64(zlib.crc32(stream.encode()))
        sample = _mix(_mix(key * _GAMMA) + (index.astype(np.uint64) + np.uint64(1)) * _GAMMA)
        place = np.arange(start + 1, start + count + 1, dtype=np.uint64)
        bits = _mix(sample[:, None] + place * _GAMMA)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
