"""Tetrominoes: bevelled pieces of four squares on black, as in DeepMind's data set.

Measured on its published preview: a canvas of 35 pixels, squares of 5, corners at whole pixels.
The order of shape codes is not documented there; here it is that of `SHAPES`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tuskbench.data import counter
from tuskbench.data.scenes import ABSENT, Scenes

CANVAS, BLOCK = 35, 5

# The 19 fixed tetrominoes, a row of squares a string.
SHAPES = {
    "I0": ("####",),
    "I1": ("#", "#", "#", "#"),
    "O": ("##", "##"),
    "S0": (".##", "##."),
    "S1": ("#.", "##", ".#"),
    "Z0": ("##.", ".##"),
    "Z1": (".#", "##", "#."),
    "T0": (".#.", "###"),
    "T1": ("#.", "##", "#."),
    "T2": ("###", ".#."),
    "T3": (".#", "##", ".#"),
    "J0": ("#..", "###"),
    "J1": ("##", "#.", "#."),
    "J2": ("###", "..#"),
    "J3": (".#", ".#", "##"),
    "L0": ("..#", "###"),
    "L1": ("#.", "#.", "##"),
    "L2": ("###", "#.."),
    "L3": ("##", ".#", ".#"),
}

COLOURS = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "cyan": (0, 1, 1),
    "magenta": (1, 0, 1),
    "yellow": (1, 1, 0),
}
"""Colours in the order of TUSK's classes."""

# A square's grey levels: lit from above, face 5/8, corners the mean of their edges.
TILE = np.array(
    [
        [0.75, 1.0, 1.0, 1.0, 0.875],
        [0.5, 0.625, 0.625, 0.625, 0.75],
        [0.5, 0.625, 0.625, 0.625, 0.75],
        [0.5, 0.625, 0.625, 0.625, 0.75],
        [0.375, 0.25, 0.25, 0.25, 0.5],
    ]
)
LEVELS = np.floor(255 * TILE).astype(np.uint8)

# So many pieces are drawn together until none overlap, which six almost never do.
MOST_AT_ONCE = 3
ATTEMPTS = 2000
CHUNK = 512

Numbers = Callable[[int, int], NDArray[np.float64]]
"""Gives so many random numbers a scene, from a place in its sequence: [N, count]."""


@cache
def squares() -> NDArray[np.int64]:
    """Return the squares of every shape, in pixels from its top left corner: [19, 4, 2] (x, y)."""
    places = [
        [(x, y) for y, row in enumerate(rows) for x, square in enumerate(row) if square == "#"]
        for rows in SHAPES.values()
    ]
    return BLOCK * np.array(places, np.int64)


@cache
def room() -> NDArray[np.int64]:
    """Return how many corners (x, y) every shape may have: [19, 2].

    The largest lies one pixel short of the canvas's end, as in the original.
    """
    corners: NDArray[np.int64] = CANVAS - BLOCK - squares().max(1)
    return corners


def render(
    count_range: tuple[int, int], seed: int, stream: str, index: NDArray[np.int64]
) -> Scenes:
    """Generate the scenes of the given indices.

    Shapes, colours and the number of pieces are uniform and independent. Up to three pieces are
    uniform over all layouts in which no two share a pixel; of more, each is uniform over what
    the ones before leave. Pieces may touch.

    Args:
        count_range: fewest and most pieces in a scene.
        seed: of the data set.
        stream: keeps splits apart.
        index: [N] which scenes.

    Returns:
        Scenes of 35 x 35 pixels with the factors `shape` and `colour` [N, G] int8, and `corner`
        [N, G, 2] int16, the top left (x, y). Pieces are numbered in drawing order.

    Raises:
        ValueError: if the pieces do not fit.
    """
    parts = [
        _render_chunk(count_range, seed, stream, index[start : start + CHUNK])
        for start in range(0, max(1, len(index)), CHUNK)
    ]
    names = parts[0].arrays
    return Scenes.of(
        {name: np.concatenate([part.arrays[name] for part in parts]) for name in names}
    )


def _render_chunk(
    count_range: tuple[int, int], seed: int, stream: str, index: NDArray[np.int64]
) -> Scenes:
    fewest, most = count_range

    def draw(name: str, count: int, choices: int) -> NDArray[np.int64]:
        drawn = counter.uniform(seed, f"{stream}/{name}", index, count)
        return (drawn * choices).astype(np.int64)

    shape, colour = draw("shape", most, len(SHAPES)), draw("colour", most, len(COLOURS))
    present = np.arange(most) < fewest + draw("number", 1, most - fewest + 1)
    corner = _corners(shape, present, seed, f"{stream}/corner", index)
    images, masks = _paint(corner[:, :, None] + squares()[shape], colour, present)
    factors: dict[str, NDArray] = {
        "shape": np.where(present, shape, ABSENT).astype(np.int8),
        "colour": np.where(present, colour, ABSENT).astype(np.int8),
        "corner": np.where(present[..., None], corner, 0).astype(np.int16),
    }
    return Scenes(images, masks, factors)


def _corners(
    shape: NDArray[np.int64],
    present: NDArray[np.bool_],
    seed: int,
    stream: str,
    index: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Draw corners [N, G, 2] (x, y) at which no two pieces share a pixel."""
    draw = _all_at_once if shape.shape[1] <= MOST_AT_ONCE else _one_by_one
    corners = np.zeros((*shape.shape, 2), np.int64)
    waiting = np.arange(len(index))
    for attempt in range(ATTEMPTS):
        numbers = partial(counter.uniform, seed, stream, index[waiting])
        tried, free = draw(shape[waiting], present[waiting], numbers, attempt)
        corners[waiting[free]] = tried[free]
        waiting = waiting[~free]
        if not len(waiting):
            return corners
    raise ValueError(f"{shape.shape[1]} pieces do not fit into {CANVAS} x {CANVAS} pixels")


def _all_at_once(
    shape: NDArray[np.int64], present: NDArray[np.bool_], numbers: Numbers, attempt: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Draw every corner; where any two pieces meet, the layout is not free."""
    offsets, size = squares()[shape], shape.size // len(shape) * 2
    drawn = numbers(size, attempt * size).reshape(*shape.shape, 2)
    corners = (drawn * room()[shape]).astype(np.int64)
    blocks = corners[:, :, None] + offsets
    free = np.ones(len(shape), bool)
    for first in range(shape.shape[1]):
        for second in range(first):
            gap = np.abs(blocks[:, first, :, None] - blocks[:, second, None])
            meet = (gap < BLOCK).all(-1).reshape(len(gap), -1).any(1)
            free &= ~(meet & present[:, first] & present[:, second])
    return corners, free


def _one_by_one(
    shape: NDArray[np.int64], present: NDArray[np.bool_], numbers: Numbers, attempt: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Draw each corner among those that the pieces before leave; a full canvas is not free."""
    count, pieces = shape.shape
    drawn, offsets = numbers(pieces, attempt * pieces), squares()
    corners = np.zeros((count, pieces, 2), np.int64)
    taken = np.zeros((count, CANVAS, CANVAS), bool)
    free = np.ones(count, bool)
    for piece in range(pieces):
        # A square's corner is blocked where any of its pixels is taken; none reaches outside.
        windows = sliding_window_view(taken, (BLOCK, BLOCK), axis=(1, 2))
        blocked = np.asarray(windows.any(axis=(-1, -2)))
        blocked = np.pad(blocked, ((0, 0), (0, BLOCK - 1), (0, BLOCK - 1)), constant_values=True)
        open_corners = np.empty((count, CANVAS, CANVAS), bool)
        for kind, squares_of_kind in enumerate(offsets):
            same = shape[:, piece] == kind
            open_corners[same] = _open(blocked[same], squares_of_kind)
        reached = open_corners.reshape(count, -1).cumsum(1)
        place = (reached > (drawn[:, piece] * reached[:, -1]).astype(np.int64)[:, None]).argmax(1)
        corners[:, piece] = np.stack([place % CANVAS, place // CANVAS], -1)
        free &= (reached[:, -1] > 0) | ~present[:, piece]
        used = np.flatnonzero(free & present[:, piece])
        blocks = corners[used, piece, None] + offsets[shape[used, piece]]
        x, y = _pixels(blocks)
        taken[used[:, None, None, None], y, x] = True
    return corners, free


def _open(blocked: NDArray[np.bool_], offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where a shape's corner may lie: [N, 35, 35], given its squares [4, 2]."""
    width, height = CANVAS - BLOCK - offsets.max(0)
    open_corners = np.zeros(blocked.shape, bool)
    inside = open_corners[:, :height, :width]
    inside[:] = True
    for x, y in offsets:
        inside &= ~blocked[:, y : y + height, x : x + width]
    return open_corners


def _pixels(blocks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return x and y, broadcastable to [..., 5, 5], of the pixels of squares [..., 2]."""
    step = np.arange(BLOCK)
    return blocks[..., 0, None, None] + step, blocks[..., 1, None, None] + step[:, None]


def _paint(
    blocks: NDArray[np.int64], colour: NDArray[np.int64], present: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return images [N, 3, 35, 35] and label maps [N, 35, 35] of squares [N, G, 4, 2]."""
    scene, piece = np.nonzero(present)
    x, y = _pixels(blocks[scene, piece])
    where = scene[:, None, None, None]
    masks = np.zeros((len(blocks), CANVAS, CANVAS), np.uint8)
    masks[where, y, x] = (piece + 1)[:, None, None, None]
    rgb = np.array(list(COLOURS.values()), np.uint8)[colour[scene, piece]]
    images = np.zeros((len(blocks), CANVAS, CANVAS, 3), np.uint8)
    images[where, y, x] = LEVELS[..., None] * rgb[:, None, None, None]
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), masks
