"""Intervals, paired tests and tie groups: what may be said of a few seeds and many images."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MINIMUM_SEEDS = 3
"""Fewer seeds than this give no rank."""

_RESAMPLES = 2000
_CHUNK = 100


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval.

    Attributes:
        mean: the estimate.
        low: lower end of the interval, None where there is none.
        high: upper end of the interval, None where there is none.
        n: number of observations that the interval is over.
        unit: what an observation is, `seeds` or `images`.
        method: how the interval was made, or why there is none.
        level: confidence level in (0, 1).
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    unit: str
    method: str
    level: float = 0.95

    @property
    def sentence(self) -> str:
        """Method and n, as printed below a table."""
        n = f"n = {self.n} {self.unit.removesuffix('s') if self.n == 1 else self.unit}"
        if self.low is None:
            return f"No interval: {self.method}, {n}"
        return f"Interval: {self.level:.0%} {self.method}, {n}"


@dataclass(frozen=True)
class PairedTest:
    """A comparison of two systems on the same images.

    Attributes:
        difference: interval of the mean of first minus second.
        p: two-sided p value.
        n: number of images where both scores are defined.
        method: name of the test.
    """

    difference: Interval
    p: float
    n: int
    method: str


@dataclass(frozen=True)
class Ranking:
    """Variants from best to worst; those in one group cannot be told apart.

    Attributes:
        groups: tie groups, best first, each ordered by mean.
        unranked: variants with fewer than `MINIMUM_SEEDS` seeds.
        method: how ties were decided, with n.
    """

    groups: tuple[tuple[str, ...], ...]
    unranked: tuple[str, ...]
    method: str


def over_seeds(values: Iterable[float], level: float = 0.95) -> Interval:
    """Return the mean over seeds with its Student t interval.

    Args:
        values: one finite value a seed; at least one.
        level: confidence level in (0, 1).

    Raises:
        ValueError: if there is no value.
    """
    sample = np.asarray(list(values), dtype=np.float64)
    if sample.size == 0:
        raise ValueError("an interval needs at least one value")
    mean = float(sample.mean())
    if sample.size == 1:
        return Interval(mean, None, None, 1, "seeds", "one seed", level)
    from scipy import stats

    error = float(sample.std(ddof=1)) / math.sqrt(sample.size)
    half = float(stats.t.ppf(0.5 + level / 2, sample.size - 1)) * error
    return Interval(mean, mean - half, mean + half, sample.size, "seeds", "Student t", level)


def over_images(scores: Iterable[float], level: float = 0.95, seed: int = 0) -> Interval:
    """Return the mean over images with its percentile bootstrap interval.

    Args:
        scores: one score an image; NaN marks an image without a score and is left out.
        level: confidence level in (0, 1).
        seed: seed of the resampling.

    Raises:
        ValueError: if no image has a score.
    """
    sample = _defined(scores)
    if sample.size == 0:
        raise ValueError("an interval needs at least one scored image")
    mean = float(sample.mean())
    if sample.size == 1:
        return Interval(mean, None, None, 1, "images", "one image", level)
    means = _resampled_means(sample, np.random.default_rng(seed))
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    method = "percentile bootstrap"
    return Interval(mean, float(low), float(high), sample.size, "images", method, level)


def summarise(
    values: Sequence[float], scores: Iterable[float] | None = None, level: float = 0.95
) -> Interval:
    """Return the interval over seeds, or over images where there is only one seed.

    A metric that is not the mean of its per-image scores (a ratio of sums, say) gets no
    interval from them unless that mean comes close to it.

    Args:
        values: the metric, one value a seed; at least one.
        scores: per-image scores of the only seed.
        level: confidence level in (0, 1).

    Raises:
        ValueError: if there is no value.
    """
    interval = over_seeds(values, level)
    if interval.n > 1 or scores is None:
        return interval
    sample = _defined(scores)
    if sample.size < 2:
        return interval
    images = over_images(sample, level)
    width = (images.high or 0.0) - (images.low or 0.0)
    tolerance = max(0.1 * width, 1e-6)
    if abs(images.mean - interval.mean) > tolerance:
        method = "one seed, and the metric is not a mean over images"
        return Interval(interval.mean, None, None, 1, "seeds", method, level)
    return Interval(
        interval.mean, images.low, images.high, images.n, "images", images.method, level
    )


def paired_test(first: Iterable[float], second: Iterable[float]) -> PairedTest:
    """Compare two systems by their scores on the same images (Wilcoxon signed-rank test).

    Args:
        first: one score an image.
        second: scores of the same images in the same order; images where either is NaN
            are left out.

    Raises:
        ValueError: if the lengths differ or no image has both scores.
    """
    from scipy import stats

    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != two.shape:
        raise ValueError(f"scores of {one.size} and {two.size} images cannot be paired")
    difference = _defined(one - two)
    interval = over_images(difference)
    if np.all(difference == 0):
        p = 1.0
    else:
        p = float(stats.wilcoxon(difference, zero_method="pratt", correction=False).pvalue)
    return PairedTest(interval, p, int(difference.size), "Wilcoxon signed-rank test")


def rank(
    samples: Mapping[str, Sequence[float]],
    *,
    higher_is_better: bool = True,
    significance: float = 0.05,
) -> Ranking | None:
    """Order variants by their mean over seeds and group those that cannot be told apart.

    A variant belongs to the group of the best one not yet grouped unless Welch's t test,
    with Holm's correction for all pairs, tells the two apart.

    Args:
        samples: the metric by variant, one value a seed.
        higher_is_better: whether larger values are better.
        significance: family-wise error rate of the tests.

    Returns:
        None where fewer than two variants have `MINIMUM_SEEDS` seeds.
    """
    enough = {name: values for name, values in samples.items() if len(values) >= MINIMUM_SEEDS}
    if len(enough) < 2:
        return None
    sign = -1.0 if higher_is_better else 1.0
    order = sorted(enough, key=lambda name: sign * float(np.mean(enough[name])))
    p_values = _holm(
        {
            (one, two): _welch(enough[one], enough[two])
            for index, one in enumerate(order)
            for two in order[index + 1 :]
        }
    )
    groups: list[list[str]] = []
    for name in order:
        if groups and p_values[groups[-1][0], name] >= significance:
            groups[-1].append(name)
        else:
            groups.append([name])
    counts = sorted({len(values) for values in enough.values()})
    n = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    method = f"Welch t test, Holm-corrected, significance {significance:g}, n = {n} seeds"
    unranked = tuple(name for name in samples if name not in enough)
    return Ranking(tuple(tuple(group) for group in groups), unranked, method)


def _defined(scores: Iterable[float]) -> np.ndarray:
    sample = np.asarray(scores if isinstance(scores, np.ndarray) else list(scores), np.float64)
    return sample[~np.isnan(sample)]


def _resampled_means(sample: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    values, counts = np.unique(sample, return_counts=True)
    chunks = []
    for _ in range(_RESAMPLES // _CHUNK):
        if len(values) > sample.size // 10:
            drawn = sample[generator.integers(0, sample.size, (_CHUNK, sample.size))]
            chunks.append(drawn.mean(axis=1))
        else:
            # Scores such as "7 of 9 right" take few values: drawing how often each occurs
            # is the same as drawing images, and much faster.
            often = generator.multinomial(sample.size, counts / sample.size, size=_CHUNK)
            chunks.append(often @ values / sample.size)
    return np.concatenate(chunks)


def _welch(one: Sequence[float], two: Sequence[float]) -> float:
    from scipy import stats

    if np.ptp(one) == 0 and np.ptp(two) == 0:
        return 1.0 if one[0] == two[0] else 0.0
    with warnings.catch_warnings():
        # Seeds that agree almost to the last digit make scipy warn of lost precision.
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(stats.ttest_ind(one, two, equal_var=False).pvalue)


def _holm(p_values: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    corrected: dict[tuple[str, str], float] = {}
    largest = 0.0
    for index, pair in enumerate(sorted(p_values, key=lambda pair: p_values[pair])):
        largest = max(largest, min(1.0, p_values[pair] * (len(p_values) - index)))
        corrected[pair] = largest
    return corrected
