"""What the figures share: a figure without global state, class colours, wrapped titles."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNMATCHED = "#c8c8c8"
"""Colour of what belongs to no class."""


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches, drawn by Agg."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def class_colour(label: int, classes: int) -> tuple[float, float, float, float]:
    """Return the colour of a class; beyond 20 classes colours repeat."""
    from matplotlib import colormaps

    name = "tab10" if classes <= 10 else "tab20"
    colours = colormaps[name]
    return colours(label % colours.N)


def title(axes: Axes, text: str, width: int = 26) -> None:
    """Set a title wrapped at `width` characters."""
    axes.set_title("\n".join(textwrap.wrap(text, width)) or text, fontsize=9)


def bare(axes: Axes) -> None:
    """Remove ticks, and keep a thin frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_linewidth(0.5)
        spine.set_color("#888888")
