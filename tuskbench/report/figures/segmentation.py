"""Objects found on test images: detections, reconstruction, masks, layers (Figures 4 and 5)."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from tuskbench.report.figures import canvas

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

IMAGES = 2
"""Test images drawn a variant."""

LAYERS = 7
"""Layers drawn an image; further ones are left out."""

_MARK = "#ff2d95"
_FAINT = 0.35
_TILE = 1.1


def draw(arrays: Mapping[str, Mapping[str, np.ndarray]], caption: str) -> Figure | None:
    """Return the figure, or None where no variant has masks.

    A row shows an image with its detections, the reconstruction, the true and the predicted
    mask, and each layer's picture (RGB); the row below it the layers' alphas. Keypoints of low
    confidence are faint.

    Args:
        arrays: by variant: `images` [n, H, W, 3] uint8, `alphas` [n, K, H, W] uint8, and
            optionally `reconstructions` [n, H, W, 3] and `layers` [n, K, H, W, 3] uint8,
            `truth_masks` [n, H, W], `detections_xy` [n, K, 2], `detections_score` [n, K].
        caption: what the records were measured with.
    """
    shown = {
        variant: found
        for variant, found in arrays.items()
        if len(found.get("images", ())) and "alphas" in found
    }
    if not shown:
        return None
    layers = min(LAYERS, max(found["alphas"].shape[1] for found in shown.values()))
    rows = [
        (variant, index, line)
        for variant, found in shown.items()
        for index in range(min(IMAGES, len(found["images"])))
        for line in (("picture", "alpha") if "layers" in found else ("alpha",))
    ]
    columns = ["detections", "reconstruction", "truth", "mask"]
    columns += [f"layer {layer + 1}" for layer in range(layers)]
    figure = canvas.new_figure(_TILE * len(columns) + 0.4, _TILE * len(rows) + 0.7)
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for axes, name in zip(grid[0], columns, strict=True):
        axes.set_title(name, fontsize=8)
    first = {variant: row for row, (variant, _, _) in reversed(list(enumerate(rows)))}
    for row, (variant, index, line) in enumerate(rows):
        _row(grid[row], shown[variant], index, line, begins=row == 0 or rows[row - 1][1] != index)
        if first[variant] == row:
            grid[row, 0].set_ylabel("\n".join(textwrap.wrap(variant, 16)), fontsize=8)
    figure.suptitle(f"Objects found on test images ({caption})", fontsize=9)
    return figure


def paint(labels: NDArray[np.integer], background: int | None = 0) -> NDArray[np.uint8]:
    """Return a label map [H, W] in the colours of its labels, `background` in black."""
    colours = [canvas.class_colour(label, 20)[:3] for label in range(20)]
    painted = np.array(colours)[labels % 20]
    if background is not None:
        painted[labels == background] = 0
    levels: NDArray[np.uint8] = np.rint(255 * painted).astype(np.uint8)
    return levels


def _row(
    axes: NDArray[np.object_],
    found: Mapping[str, np.ndarray],
    index: int,
    line: str,
    *,
    begins: bool,
) -> None:
    """Draw one image's wholes, where it begins here, and its layers."""
    wholes = dict(_wholes(found, index)) if begins else {}
    for column, place in enumerate(axes):
        canvas.bare(place)
        if column == 4:
            place.set_ylabel("RGB" if line == "picture" else "alpha", fontsize=7)
        if column in wholes:
            place.imshow(wholes[column], interpolation="nearest")
        elif column < 4 or column - 4 >= found["alphas"].shape[1]:
            _leave_empty(place)
        elif line == "picture":
            place.imshow(found["layers"][index, column - 4], interpolation="nearest")
        else:
            alpha = found["alphas"][index, column - 4]
            place.imshow(alpha, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if begins and "detections_xy" in found:
        _detections(axes[0], found, index)


def _wholes(found: Mapping[str, np.ndarray], index: int) -> Iterator[tuple[int, np.ndarray]]:
    yield 0, found["images"][index]
    if "reconstructions" in found:
        yield 1, found["reconstructions"][index]
    if "truth_masks" in found:
        yield 2, paint(found["truth_masks"][index])
    yield 3, paint(found["alphas"][index].argmax(0), None)


def _leave_empty(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)


def _detections(axes: Axes, found: Mapping[str, np.ndarray], index: int) -> None:
    xy = np.asarray(found["detections_xy"][index], np.float64)
    score = np.ones(len(xy))
    if "detections_score" in found:
        score = np.asarray(found["detections_score"][index], np.float64)
    height, width = found["images"][index].shape[:2]
    for (x, y), certainty in zip(xy, score, strict=True):
        strength = 1.0 if certainty >= 0.5 else _FAINT
        axes.plot(x, y, "o", color=_MARK, alpha=strength, markersize=4, markeredgewidth=0)
        axes.plot(x, y, "o", color="white", alpha=strength, markersize=1.4, markeredgewidth=0)
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
