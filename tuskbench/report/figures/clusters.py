"""t-SNE of descriptors with prototypes, a panel a variant (Figure 7 of the paper)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from tuskbench.report.figures import canvas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Colour = str | tuple[float, float, float, float]

MAXIMUM_POINTS = 800
"""Descriptors drawn a panel; more are subsampled."""

_COLUMNS = 5
_LEGEND_CLASSES = 20


def draw(arrays: Mapping[str, Mapping[str, np.ndarray]], caption: str) -> Figure | None:
    """Return the figure, or None where no variant has descriptors.

    Args:
        arrays: by variant: `descriptors` [N, C], `descriptor_labels` [N] with -1 for no
            class, and optionally `prototypes` [M, C].
        caption: what the records were measured with.
    """
    panels = {
        variant: found
        for variant, found in arrays.items()
        if "descriptors" in found and len(found["descriptors"]) >= 2
    }
    if not panels:
        return None
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = canvas.new_figure(2.5 * columns + 0.2, 2.75 * rows + 0.7)
    grid = figure.subplots(rows, columns, squeeze=False)
    labels = {variant: _labels(found) for variant, found in panels.items()}
    classes = 1 + max(int(values.max(initial=-1)) for values in labels.values())
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    with_prototypes = False
    for axes, (variant, found) in zip(grid.flat, panels.items(), strict=False):
        with_prototypes |= _panel(axes, found, labels[variant], classes)
        canvas.title(axes, variant)
    unmatched = any((values < 0).any() for values in labels.values())
    _legend(figure, classes, unmatched, with_prototypes)
    figure.suptitle(f"t-SNE of descriptors ({caption})", fontsize=9)
    return figure


def embed(descriptors: np.ndarray, prototypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Embed unit-normalised descriptors [N, C] and prototypes [M, C] jointly in the plane.

    Returns:
        The positions of the descriptors [N, 2] and of the prototypes [M, 2].
    """
    from sklearn.manifold import TSNE

    vectors = np.concatenate([descriptors, prototypes]).astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    model = TSNE(init="pca", random_state=0, perplexity=perplexity, max_iter=500)
    with warnings.catch_warnings():
        # The initial PCA divides by a variance that is zero when all descriptors are alike.
        warnings.simplefilter("ignore", RuntimeWarning)
        if np.ptp(vectors, axis=0).max() < 1e-9:
            positions = np.zeros((len(vectors), 2))
        else:
            positions = model.fit_transform(vectors)
    return positions[: len(descriptors)], positions[len(descriptors) :]


def _panel(axes: Axes, found: Mapping[str, np.ndarray], labels: np.ndarray, classes: int) -> bool:
    descriptors = np.asarray(found["descriptors"], np.float64)
    prototypes = np.asarray(found.get("prototypes", np.zeros((0, 0))), np.float64)
    if prototypes.ndim != 2 or prototypes.shape[-1] != descriptors.shape[-1]:
        prototypes = np.zeros((0, descriptors.shape[-1]))
    if len(descriptors) > MAXIMUM_POINTS:
        chosen = np.random.default_rng(0).permutation(len(descriptors))[:MAXIMUM_POINTS]
        descriptors, labels = descriptors[chosen], labels[chosen]
    usable = np.isfinite(descriptors).all(axis=1)
    points, crosses = embed(descriptors[usable], prototypes[np.isfinite(prototypes).all(axis=1)])
    labels = labels[usable]
    colours = [
        canvas.UNMATCHED if label < 0 else canvas.class_colour(int(label), classes)
        for label in labels
    ]
    # Unmatched points lie beneath the others.
    order = np.argsort(labels >= 0, kind="stable")
    axes.scatter(
        points[order, 0],
        points[order, 1],
        c=[colours[index] for index in order],
        s=5,
        linewidths=0,
    )
    for colour, width in (("white", 3.2), ("black", 1.6)):
        axes.scatter(
            crosses[:, 0], crosses[:, 1], marker="x", c=colour, s=42, linewidths=width, zorder=3
        )
    axes.margins(0.04)
    canvas.bare(axes)
    return len(crosses) > 0


def _labels(found: Mapping[str, np.ndarray]) -> np.ndarray:
    count = len(found["descriptors"])
    labels = np.asarray(found.get("descriptor_labels", np.full(count, -1)), np.int64)
    if labels.shape != (count,):
        raise ValueError(f"{labels.size} labels for {count} descriptors")
    return labels


def _legend(figure: Figure, classes: int, unmatched: bool, with_prototypes: bool) -> None:
    from matplotlib.lines import Line2D

    def dot(colour: Colour, label: str) -> Line2D:
        return Line2D([], [], linestyle="", marker="o", markersize=5, color=colour, label=label)

    handles = []
    if classes <= _LEGEND_CLASSES:
        handles = [dot(canvas.class_colour(label, classes), str(label)) for label in range(classes)]
    if unmatched:
        handles.append(dot(canvas.UNMATCHED, "no object"))
    if with_prototypes:
        cross = Line2D([], [], linestyle="", marker="x", color="black", label="prototype")
        cross.set(markersize=6, markeredgewidth=1.6)
        handles.append(cross)
    if handles:
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=min(len(handles), 12 if figure.get_figwidth() > 6 else 5),
            fontsize=8,
            frameon=False,
            handletextpad=0.1,
            columnspacing=0.9,
        )
