"""Detections and regressed landmarks on test images (Figure 6 of the paper)."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from tuskbench.report.figures import canvas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMAGES = 6
"""Test images drawn a variant."""

TRUE, REGRESSED = "#1fbf4c", "#ff3b30"


def draw(arrays: Mapping[str, Mapping[str, np.ndarray]], caption: str) -> Figure | None:
    """Return the figure, or None where no variant has regressed landmarks.

    Args:
        arrays: by variant: `landmark_images` [n, H, W, 3] uint8; `keypoints_xy` [n, K, 2] and
            `keypoints_label` [n, K], the prototype or channel of each; `landmarks_true` and
            `landmarks_regressed` [n, T, 2]; all in pixels.
        caption: what the records were measured with.
    """
    shown = {name: found for name, found in arrays.items() if "landmarks_regressed" in found}
    if not shown:
        return None
    columns = min(IMAGES, max(len(found["landmark_images"]) for found in shown.values()))
    figure = canvas.new_figure(1.6 * columns + 0.5, 3.2 * len(shown) + 0.7)
    grid = figure.subplots(2 * len(shown), columns, squeeze=False)
    for row, (variant, found) in enumerate(shown.items()):
        detected, regressed = grid[2 * row], grid[2 * row + 1]
        for index in range(columns):
            if index >= len(found["landmark_images"]):
                detected[index].set_axis_off()
                regressed[index].set_axis_off()
                continue
            _detections(detected[index], found, index)
            _landmarks(regressed[index], found, index)
        detected[0].set_ylabel("\n".join(textwrap.wrap(variant, 22)), fontsize=8)
        regressed[0].set_ylabel("landmarks", fontsize=8)
    _legend(figure)
    figure.suptitle(f"Keypoints and regressed landmarks ({caption})", fontsize=9)
    return figure


def _detections(axes: Axes, found: Mapping[str, np.ndarray], index: int) -> None:
    """Draw an image's keypoints in the colours of their prototypes."""
    labels = np.asarray(found["keypoints_label"][index], np.int64)
    classes = 1 + int(np.asarray(found["keypoints_label"]).max(initial=0))
    colours = [canvas.class_colour(int(label), classes) for label in labels]
    _picture(axes, found["landmark_images"][index])
    xy = np.asarray(found["keypoints_xy"][index], np.float64)
    axes.scatter(xy[:, 0], xy[:, 1], c=colours, s=24, edgecolors="white", linewidths=0.8)


def _landmarks(axes: Axes, found: Mapping[str, np.ndarray], index: int) -> None:
    """Draw true landmarks, regressed ones, and the way from one to the other."""
    true, regressed = (
        np.asarray(found[name][index], np.float64)
        for name in ("landmarks_true", "landmarks_regressed")
    )
    _picture(axes, found["landmark_images"][index])
    ends = np.stack([true, regressed])
    axes.plot(ends[..., 0], ends[..., 1], color="white", linewidth=0.8)
    axes.plot(true[:, 0], true[:, 1], "o", color=TRUE, markersize=3)
    axes.plot(regressed[:, 0], regressed[:, 1], "x", color=REGRESSED, markersize=4)


def _picture(axes: Axes, image: np.ndarray) -> None:
    """Show an image; what lies outside of it is cut off."""
    canvas.bare(axes)
    axes.imshow(image, interpolation="nearest")
    axes.set_autoscale_on(False)


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    entries = (
        ("o", "black", "keypoint, coloured by prototype"),
        ("o", TRUE, "true landmark"),
        ("x", REGRESSED, "regressed landmark"),
    )
    figure.legend(
        handles=[
            Line2D([], [], linestyle="", marker=marker, color=colour, markersize=5, label=label)
            for marker, colour, label in entries
        ],
        loc="outside lower center",
        ncols=len(entries),
        fontsize=8,
        frameon=False,
    )
