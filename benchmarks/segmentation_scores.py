"""Foreground ARI of many images: batched counting beside scikit-learn, image by image.

Both sides score the same label maps, 10,000 of 112x112 with 6 objects and 7 segments, which
agree on most pixels as those of a trained system do, and both must come to the same scores.

    python benchmarks/segmentation_scores.py [--images 10000] [--side 112] [--segments 7]
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score
from tabulate import tabulate
from torch import Tensor

from tuskbench.metrics.segmentation import adjusted_rand_index, contingency

BATCH = 64
AGREEMENT = 0.9


def invent(images: int, side: int, segments: int) -> tuple[Tensor, Tensor]:
    """Return true and predicted label maps [N, S, S] uint8: rough blobs, and a noisy copy."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(segments, (images, 7, 7), generator=generator, dtype=torch.uint8)
    index = torch.arange(side) * 7 // side
    truth = coarse[:, index][:, :, index]
    noise = torch.randint(segments, truth.shape, generator=generator, dtype=torch.uint8)
    same = torch.rand(truth.shape, generator=generator) < AGREEMENT
    return truth, torch.where(same, truth, noise)


def batched(truth: Tensor, found: Tensor, segments: int) -> np.ndarray:
    """Return the scores [N] by `tuskbench.metrics`."""
    scores = [
        adjusted_rand_index(contingency(t, f, segments - 1, segments)[:, 1:])
        for t, f in zip(truth.split(BATCH), found.split(BATCH), strict=True)
    ]
    return torch.cat(scores).numpy()


def one_by_one(truth: Tensor, found: Tensor, segments: int) -> np.ndarray:
    """Return the scores [N] by scikit-learn."""
    pairs = zip(truth.numpy(), found.numpy(), strict=True)
    return np.array([adjusted_rand_score(t[t > 0], f[t > 0]) for t, f in pairs])


def timed(score: Callable[..., np.ndarray], *arguments: object) -> tuple[np.ndarray, float, float]:
    """Return the scores, and the wall-clock and processor seconds they took."""
    wall, processor = time.perf_counter(), time.process_time()
    scores = score(*arguments)
    return scores, time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Time both sides and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=112)
    parser.add_argument("--segments", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    truth, found = invent(arguments.images, arguments.side, arguments.segments)
    ours, our_wall, our_time = timed(batched, truth, found, arguments.segments)
    theirs, their_wall, their_time = timed(one_by_one, truth, found, arguments.segments)
    rows = [
        ["tuskbench, batched", our_wall, our_time, arguments.images / our_time],
        ["scikit-learn, image by image", their_wall, their_time, arguments.images / their_time],
    ]
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread")
    print(tabulate(rows, ["", "seconds", "processor seconds", "images a second"], floatfmt=".2f"))
    print(
        f"{their_time / our_time:.1f} times as fast; mean score {ours.mean():.4f}; "
        f"largest difference {np.abs(ours - theirs).max():.1e}"
    )


if __name__ == "__main__":
    main()
