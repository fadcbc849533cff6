"""Detections drawn on test images, a row a variant (Figure 3 of the paper)."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Literal

import numpy as np

from tuskbench.report.figures import canvas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMAGES = 5
"""Test images drawn a variant."""

RIGHT, WRONG, UNLABELLED, TRUTH = "#1fbf4c", "#ff3b30", "#39a0ff", "#9a9a9a"


def draw(arrays: Mapping[str, Mapping[str, np.ndarray]], caption: str) -> Figure | None:
    """Return the figure, or None where no variant has images with detections.

    Args:
        arrays: by variant: `images` [n, H, W, 3] uint8, `detections_xy` [n, K, 2], and
            optionally `detections_label` [n, K] with -1 for no class, `detections_kept` [n, K]
            false where a detection is not to be drawn, `truth_boxes`
            [n, G, 4] as (x0, y0, x1, y1), `truth_labels` [n, G], `box_side` and
            `reconstructions` [n, H, W, 3] uint8.
        caption: what the records were measured with.
    """
    shown = {
        variant: found
        for variant, found in arrays.items()
        if len(found.get("images", ())) and "detections_xy" in found
    }
    if not shown:
        return None
    lines = [
        (variant, key)
        for variant, found in shown.items()
        for key in ("images", "reconstructions")
        if key in found
    ]
    columns = min(IMAGES, max(len(found["images"]) for found in shown.values()))
    figure = canvas.new_figure(1.75 * columns + 0.4, 1.75 * len(lines) + 0.6)
    grid = figure.subplots(len(lines), columns, squeeze=False)
    for line, (variant, key) in zip(grid, lines, strict=True):
        found = shown[variant]
        for index, axes in enumerate(line):
            canvas.bare(axes)
            if index >= len(found[key]):
                axes.set_axis_off()
                continue
            axes.imshow(found[key][index], cmap="gray", interpolation="nearest")
            if key == "images":
                _boxes(axes, found, index)
        name = variant if key == "images" else "reconstruction"
        line[0].set_ylabel("\n".join(textwrap.wrap(name, 22)), fontsize=8)
    _legend(figure, shown)
    figure.suptitle(f"Detections on test images ({caption})", fontsize=9)
    return figure


def verdicts(
    boxes: np.ndarray, labels: np.ndarray, truth_boxes: np.ndarray, truth_labels: np.ndarray
) -> list[str]:
    """Return the colour of each predicted box.

    Every truth box in turn takes the free prediction that overlaps it most, if their
    intersection over union is above one half.

    Args:
        boxes: [K, 4] predicted (x0, y0, x1, y1).
        labels: [K] predicted classes, -1 for none.
        truth_boxes: [G, 4].
        truth_labels: [G].
    """
    colours = [WRONG] * len(boxes)
    free = np.ones(len(boxes), dtype=bool)
    for truth, label in zip(truth_boxes, truth_labels, strict=True):
        overlap = np.where(free, _overlap(boxes, truth), -1.0)
        if overlap.size == 0 or overlap.max() <= 0.5:
            continue
        best = int(overlap.argmax())
        free[best] = False
        if labels[best] < 0:
            colours[best] = UNLABELLED
        elif labels[best] == label:
            colours[best] = RIGHT
    return colours


def _overlap(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    low = np.maximum(boxes[:, :2], truth[:2])
    high = np.minimum(boxes[:, 2:], truth[2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (truth[2:] - truth[:2]).prod()
    overlap: np.ndarray = common / np.maximum(areas - common, 1e-12)
    return overlap


def _boxes(axes: Axes, found: Mapping[str, np.ndarray], index: int) -> None:
    xy = np.asarray(found["detections_xy"][index], np.float64)
    labels = np.full(len(xy), -1)
    if "detections_label" in found:
        labels = np.asarray(found["detections_label"][index])
    if "detections_kept" in found:
        kept = np.asarray(found["detections_kept"][index], bool)
        xy, labels = xy[kept], labels[kept]
    truth_boxes, truth_labels = _truth(found, index)
    for truth in truth_boxes:
        _rectangle(axes, truth, TRUTH, 0.8, "--")
    if "box_side" not in found:
        axes.plot(xy[:, 0], xy[:, 1], "+", color=UNLABELLED, markersize=6, markeredgewidth=1.4)
        return
    half = float(np.asarray(found["box_side"]).reshape(-1)[0]) / 2
    boxes = np.concatenate([xy - half, xy + half], axis=1)
    if len(truth_boxes):
        colours = verdicts(boxes, labels, truth_boxes, truth_labels)
    else:
        colours = [UNLABELLED] * len(boxes)
    height, width = found["images"][index].shape[:2]
    for box, label, colour in zip(boxes, labels, colours, strict=True):
        if not np.isfinite(box).all():
            continue
        _rectangle(axes, box, colour, 1.2, "-")
        if label >= 0:
            _class_label(axes, box, int(label), colour)
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)


def _rectangle(axes: Axes, box: np.ndarray, colour: str, width: float, style: str) -> None:
    from matplotlib.patches import Rectangle

    sides = (float(box[2] - box[0]), float(box[3] - box[1]))
    corner = (float(box[0]), float(box[1]))
    axes.add_patch(Rectangle(corner, *sides, fill=False, ec=colour, lw=width, ls=style))


def _class_label(axes: Axes, box: np.ndarray, label: int, colour: str) -> None:
    axes.text(
        max(box[0], 0.0),
        max(box[1], 0.0),
        str(label),
        color="white",
        fontsize=6,
        fontweight="bold",
        ha="left",
        va="top",
        clip_on=True,
        bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.8},
    )


def _truth(found: Mapping[str, np.ndarray], index: int) -> tuple[np.ndarray, np.ndarray]:
    if "truth_boxes" not in found:
        return np.zeros((0, 4)), np.zeros(0, np.int64)
    boxes = np.asarray(found["truth_boxes"][index], np.float64)
    labels = np.full(len(boxes), -2)
    if "truth_labels" in found:
        labels = np.asarray(found["truth_labels"][index])
    # Images with fewer objects are padded with empty boxes.
    real = np.isfinite(boxes).all(axis=1) & (boxes[:, 2] > boxes[:, 0]) & (labels != -1)
    return boxes[real], labels[real]


def _legend(figure: Figure, shown: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    from matplotlib.lines import Line2D

    boxed = any("box_side" in found for found in shown.values())
    judged = any("box_side" in found and "truth_boxes" in found for found in shown.values())
    entries: list[tuple[str, Literal["-", "--"], str]] = []
    if judged:
        entries = [(RIGHT, "-", "right class"), (WRONG, "-", "wrong class or no object")]
    unlabelled = any(
        "detections_label" not in found or (np.asarray(found["detections_label"]) < 0).any()
        for found in shown.values()
    )
    if unlabelled or not judged:
        entries.append((UNLABELLED, "-", "box without class" if boxed else "keypoint"))
    if any("truth_boxes" in found for found in shown.values()):
        entries.append((TRUTH, "--", "ground truth"))
    figure.legend(
        handles=[
            Line2D([], [], color=colour, linestyle=style, label=label)
            for colour, style, label in entries
        ],
        loc="outside lower center",
        ncols=len(entries),
        fontsize=8,
        frameon=False,
    )
