"""Matching and mapping of MNIST-Hard beside a loop over images: seconds and the ratio.

10,000 images of 9 digits, by default: overlaps of the predicted with the true boxes, Hungarian
and greedy matching, then bipartite and majority mapping of 10 prototypes to 10 classes. The loop
does for one image at a time what the metrics do for all at once: its overlaps, SciPy's
assignment, the greedy rule digit by digit, a count a pair. Both must agree on every digit.
In pixels of 80, `distance` is the smallest between two digits and `spread` the standard deviation
of predicted around true centres.

    python benchmarks/matching.py [--images 10000] [--repeats 3]
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from tabulate import tabulate

from tuskbench.data.generators.digits import Layout, throw_darts
from tuskbench.metrics.boxes import match_greedy, match_hungarian, square_iou
from tuskbench.metrics.mapping import count_pairs, fit_mapping

CANVAS, BOX, DIGITS, CLASSES, THRESHOLD = 80, 20.0, 9, 10, 0.5


@dataclass(frozen=True)
class Scenes:
    """Predictions and truth: centres [N, 9, 2], true sides, prototypes and labels [N, 9]."""

    xy: NDArray[np.float64]
    true_xy: NDArray[np.float64]
    true_sides: NDArray[np.float64]
    prototypes: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    """Matches [N, 9] by both rules and correct objects under both mappings of the first."""

    hungarian: NDArray[np.int64]
    greedy: NDArray[np.int64]
    bipartite: int
    majority: int


def draw(images: int, spread: float, distance: float) -> Scenes:
    """Return scenes whose predictions scatter around the digits, in random order."""
    random = np.random.default_rng(0)
    layout = Layout(CANVAS, (DIGITS, DIGITS), distance=distance / CANVAS)
    true_xy = throw_darts(layout, 0, "benchmark", np.arange(images)) * CANVAS
    labels = random.integers(0, CLASSES, (images, DIGITS))
    xy = true_xy + random.normal(0, spread, true_xy.shape)
    order = random.permuted(np.tile(np.arange(DIGITS), (images, 1)), axis=1)
    rows = np.arange(images)[:, None]
    guessed = np.where(random.random(labels.shape) < 0.9, labels, (labels + 1) % CLASSES)
    sides = random.uniform(0.2, 0.3, labels.shape) * CANVAS
    return Scenes(xy[rows, order], true_xy, sides, guessed[rows, order], labels)


def at_once(scenes: Scenes) -> Outcome:
    """Score with tuskbench."""
    iou = square_iou(scenes.xy, BOX, scenes.true_xy, scenes.true_sides)
    hungarian, greedy = match_hungarian(iou, THRESHOLD), match_greedy(iou, THRESHOLD)
    image, digit = np.nonzero(hungarian >= 0)
    prototype = scenes.prototypes[image, hungarian[image, digit]]
    counts = count_pairs(prototype, scenes.labels[image, digit], CLASSES, CLASSES)
    hits = [int(counts[fit_mapping(counts, rule)].sum()) for rule in ("bipartite", "majority")]
    return Outcome(hungarian, greedy, *hits)


def one_by_one(scenes: Scenes) -> Outcome:
    """Score with a loop over images."""
    hungarian = np.full(scenes.labels.shape, -1)
    greedy = np.full(scenes.labels.shape, -1)
    counts = np.zeros((CLASSES, CLASSES), int)
    for image in range(len(scenes.xy)):
        sides = np.full(DIGITS, BOX)
        iou = _iou(scenes.xy[image], sides, scenes.true_xy[image], scenes.true_sides[image])
        gain = np.where(iou >= THRESHOLD, DIGITS + iou, 0)
        for k, digit in zip(*linear_sum_assignment(gain, maximize=True), strict=True):
            if gain[k, digit]:
                hungarian[image, digit] = k
                counts[scenes.prototypes[image, k], scenes.labels[image, digit]] += 1
        for digit in range(DIGITS):
            best = iou[:, digit].argmax()
            if iou[best, digit] > THRESHOLD:
                greedy[image, digit] = best
                iou[best] = -1
    bipartite = counts[linear_sum_assignment(counts, maximize=True)].sum()
    return Outcome(hungarian, greedy, int(bipartite), int(counts.max(1).sum()))


def _iou(
    xy: NDArray[np.float64],
    sides: NDArray[np.float64],
    true_xy: NDArray[np.float64],
    true_sides: NDArray[np.float64],
) -> NDArray[np.float64]:
    reach = (sides[:, None] + true_sides)[..., None] / 2
    smaller = np.minimum(sides[:, None], true_sides)[..., None]
    intersection = np.clip(reach - np.abs(xy[:, None] - true_xy), 0, smaller).prod(-1)
    union = np.square(sides)[:, None] + np.square(true_sides) - intersection
    overlap: NDArray[np.float64] = intersection / union
    return overlap


def fastest(
    way: Callable[[Scenes], Outcome], scenes: Scenes, repeats: int
) -> tuple[float, Outcome]:
    """Return the seconds of the best of `repeats` runs, and what a run found."""
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        found = way(scenes)
        best = min(best, time.perf_counter() - started)
    return best, found


def main() -> None:
    """Print the table; fail where the two ways disagree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for distance, spread in ((17, 1), (17, 4), (10, 1), (10, 4)):
        scenes = draw(options.images, spread, distance)
        ours, found = fastest(at_once, scenes, options.repeats)
        plain, wanted = fastest(one_by_one, scenes, 1)
        for name in ("hungarian", "greedy"):
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), name)
        assert (found.bipartite, found.majority) == (wanted.bipartite, wanted.majority)
        share = (found.hungarian >= 0).mean()
        rows.append([distance, spread, share, plain, ours, plain / ours])
    print(f"{options.images} images, {platform.processor() or platform.machine()}, one thread")
    headers = ["distance", "spread", "matched", "loop s", "tuskbench s", "times"]
    print(tabulate(rows, headers, floatfmt=(".0f", ".0f", ".2f", ".2f", ".3f", ".0f")))


if __name__ == "__main__":
    main()
