"""A sheet of decoded prototypes, a block a variant (bottom of the paper's Figure 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuskbench.report.figures import canvas

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 10
_MANY = 40
_COLUMNS_OF_MANY = 20
_GAP = 2
_WIDTH = 8.0
# Sides of the task's box that are shown of a prototype decoded at the centre.
_BOXES_SHOWN = 2


def draw(arrays: Mapping[str, Mapping[str, np.ndarray]], caption: str) -> Figure | None:
    """Return the figure, or None where no variant has decoded prototypes.

    Args:
        arrays: by variant: `prototype_images` [M, H, W, 3] uint8, or [M, 3, H, W] in [0, 1]
            as systems give them, each decoded at the centre; optionally `box_side`, to show that
            part alone, and `prototype_classes` [M], -1 for none.
        caption: what the records were measured with.
    """
    sheets = {
        variant: _middle(_pictures(np.asarray(found["prototype_images"])), found.get("box_side"))
        for variant, found in arrays.items()
        if len(found.get("prototype_images", ()))
    }
    if not sheets:
        return None
    columns = max(_columns(len(images)) for images in sheets.values())
    tile = _WIDTH / columns
    heights = [-(-len(images) // columns) * tile + 0.3 for images in sheets.values()]
    figure = canvas.new_figure(_WIDTH, sum(heights) + 0.4)
    grid = figure.subplots(len(sheets), 1, squeeze=False, height_ratios=heights)
    for axes, (variant, images) in zip(grid[:, 0], sheets.items(), strict=True):
        axes.imshow(mosaic(images, columns), interpolation="nearest")
        axes.set_axis_off()
        names, meaning = _names(len(images), arrays[variant].get("prototype_classes"))
        meaning = f"; {meaning}" if len(images) <= _MANY else ""
        axes.set_title(f"{variant} ({len(images)} prototypes{meaning})", fontsize=9, loc="left")
        if len(images) <= _MANY:
            _write(axes, images, columns, names)
    figure.suptitle(f"Prototypes, decoded ({caption})", fontsize=9)
    return figure


def mosaic(images: np.ndarray, columns: int) -> np.ndarray:
    """Return images [M, H, W, 3] uint8 laid out row by row on white."""
    count, height, width, _ = images.shape
    rows = -(-count // columns)
    shape = (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3)
    sheet = np.full(shape, 255, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + _GAP), index % columns * (width + _GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet


def _pictures(images: np.ndarray) -> np.ndarray:
    if images.shape[1] == 3 and images.shape[-1] != 3:
        images = np.moveaxis(images, 1, -1)
    if images.dtype == np.uint8:
        return images
    levels: np.ndarray = (np.nan_to_num(images).clip(0, 1) * 255).round().astype(np.uint8)
    return levels


def _middle(images: np.ndarray, box_side: np.ndarray | None) -> np.ndarray:
    """Return the square of twice the box's side around the centre of every image."""
    if box_side is None:
        return images
    height, width = images.shape[1:3]
    side = round(_BOXES_SHOWN * float(np.asarray(box_side).reshape(-1)[0]))
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return images[:, top : height - top, left : width - left]


def _names(count: int, classes: np.ndarray | None) -> tuple[list[str], str]:
    """Return the prototypes' names and what these say."""
    if classes is None:
        return [str(index) for index in range(count)], "index"
    # Of prototypes behind the last that was ever detected no class is known.
    known = [*np.asarray(classes).tolist(), *[-1] * count][:count]
    named = [f"{i}: {label}" if label >= 0 else f"{i}: none" for i, label in enumerate(known)]
    return named, "index: class"


def _columns(count: int) -> int:
    return min(count, _COLUMNS if count <= _MANY else _COLUMNS_OF_MANY)


def _write(axes: Axes, images: np.ndarray, columns: int, names: Sequence[str]) -> None:
    height, width = images.shape[1:3]
    for index, name in enumerate(names):
        axes.text(
            index % columns * (width + _GAP),
            index // columns * (height + _GAP),
            name,
            color="white",
            fontsize=6,
            ha="left",
            va="top",
            bbox={"facecolor": "black", "edgecolor": "none", "alpha": 0.6, "pad": 0.8},
        )
