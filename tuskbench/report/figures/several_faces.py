"""Keypoints on images of several faces, for systems trained on one (Figure 1 of the paper)."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Literal

import numpy as np

from tuskbench.report.figures import canvas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FACES = (2, 3, 4)
IMAGES = 2
"""Images drawn for each number of faces."""

COVERED, MISSED = "#1fbf4c", "#ff3b30"


def draw(arrays: Mapping[str, Mapping[str, np.ndarray]], caption: str) -> Figure | None:
    """Return the figure, or None where no variant has images of several faces.

    Args:
        arrays: by variant, for F of 2 to 4: `faces_F_images` [n, H, W, 3] uint8,
            `faces_F_xy` [n, K, 2] in pixels, `faces_F_label` [n, K], `faces_F_boxes` [n, F, 4]
            as left, top, width, height, and `faces_F_covered` [n, F].
        caption: what the records were measured with.
    """
    shown = {name: found for name, found in arrays.items() if "faces_2_images" in found}
    if not shown:
        return None
    columns = IMAGES * len(FACES)
    figure = canvas.new_figure(1.6 * columns + 0.5, 1.65 * len(shown) + 0.8)
    grid = figure.subplots(len(shown), columns, squeeze=False)
    for line, (variant, found) in zip(grid, shown.items(), strict=True):
        panels = [(faces, index) for faces in FACES for index in range(IMAGES)]
        for axes, (faces, index) in zip(line, panels, strict=True):
            if index < len(found.get(f"faces_{faces}_images", ())):
                _panel(axes, found, faces, index)
            else:
                axes.set_axis_off()
        line[0].set_ylabel("\n".join(textwrap.wrap(variant, 22)), fontsize=8)
    _legend(figure)
    figure.suptitle(f"Several faces, after training on one ({caption})", fontsize=9)
    return figure


def _panel(axes: Axes, found: Mapping[str, np.ndarray], faces: int, index: int) -> None:
    from matplotlib.patches import Rectangle

    canvas.bare(axes)
    axes.imshow(found[f"faces_{faces}_images"][index], interpolation="nearest")
    axes.set_autoscale_on(False)
    boxes, covered = found[f"faces_{faces}_boxes"][index], found[f"faces_{faces}_covered"][index]
    for (left, top, width, height), whole in zip(boxes, covered, strict=True):
        colour, style = (COVERED, "-") if whole else (MISSED, "--")
        corner = (float(left), float(top))
        axes.add_patch(
            Rectangle(corner, float(width), float(height), fill=False, ec=colour, ls=style)
        )
    everywhere = np.asarray(found[f"faces_{faces}_label"], np.int64)
    classes = 1 + int(everywhere.max(initial=0))
    colours = [canvas.class_colour(int(label), classes) for label in everywhere[index]]
    xy = np.asarray(found[f"faces_{faces}_xy"][index], np.float64)
    axes.scatter(xy[:, 0], xy[:, 1], c=colours, s=18, edgecolors="white", linewidths=0.7)


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    def line(colour: str, style: Literal["-", "--"], label: str) -> Line2D:
        return Line2D([], [], color=colour, linestyle=style, label=label)

    point = Line2D([], [], linestyle="", marker="o", color="black", markersize=5)
    point.set_label("keypoint, coloured by prototype")
    handles = [
        line(COVERED, "-", "all landmarks have a keypoint in reach"),
        line(MISSED, "--", "not all"),
        point,
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
