"""Error of every landmark, a line a variant, beside that of the mean landmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuskbench.report.figures import canvas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(arrays: Mapping[str, Mapping[str, np.ndarray]], caption: str) -> Figure | None:
    """Return the figure, or None where no variant has errors by landmark.

    Args:
        arrays: by variant: `landmark_errors` [T] and `mean_landmark_errors` [T], as shares of
            the protocol's unit, and optionally `landmark_names` [T].
        caption: what the records were measured with.
    """
    shown = {name: found for name, found in arrays.items() if "landmark_errors" in found}
    if not shown:
        return None
    count = max(len(found["landmark_errors"]) for found in shown.values())
    figure = canvas.new_figure(max(6.0, 0.32 * count), 3.6)
    axes = figure.subplots()
    first = next(iter(shown.values()))
    if "mean_landmark_errors" in first:
        mean = 100 * np.asarray(first["mean_landmark_errors"], np.float64)
        axes.plot(mean, "k--", linewidth=1.2, label="mean landmarks, looking at no image")
    for number, (variant, found) in enumerate(shown.items()):
        colour = canvas.class_colour(number, len(shown))
        errors = 100 * np.asarray(found["landmark_errors"], np.float64)
        axes.plot(errors, "o-", color=colour, markersize=4, linewidth=0.8, label=variant)
    _ticks(axes, first, count)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("mean error in percent of the protocol's unit", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", linewidth=0.4)
    columns = min(3, len(shown) + 1)
    figure.legend(loc="outside lower center", ncols=columns, fontsize=8, frameon=False)
    figure.suptitle(f"Error by landmark ({caption})", fontsize=9)
    return figure


def _ticks(axes: Axes, found: Mapping[str, np.ndarray], count: int) -> None:
    """Name the landmarks, or number them from 0."""
    names = [str(name) for name in found.get("landmark_names", np.arange(count))]
    upright = max(map(len, names)) <= 3 or count <= 6
    axes.set_xticks(range(len(names)), names, rotation=0 if upright else 90)
