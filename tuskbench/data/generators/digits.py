"""MNIST-Hard: handwritten digits at random places of a black canvas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuskbench.data import counter
from tuskbench.errors import ConfigurationError

CHUNK = 512
# Darts thrown for each digit before the whole layout starts again.
DARTS = 64
RESTARTS = 200


@dataclass(frozen=True)
class Layout:
    """Where digits may lie; lengths are shares of the canvas side.

    Attributes:
        canvas: side of the square image in pixels.
        digits: how many digits (smallest, largest), both included.
        tile: range of a tile's side.
        margin: smallest distance of a tile's centre from the border.
        distance: smallest distance between two centres (Poisson disc).
    """

    canvas: int
    digits: tuple[int, int] = (9, 9)
    tile: tuple[float, float] = (0.2, 0.3)
    margin: float = 0.125
    distance: float = 17 / 80


@dataclass(frozen=True)
class DigitScenes:
    """Generated images and their truth; unused places have label -1 and zero boxes.

    Attributes:
        images: [N, 1, S, S] uint8.
        labels: [N, G] int64.
        boxes: [N, G, 3] float32: centre x, centre y, half side in pixels.
    """

    images: Tensor
    labels: Tensor
    boxes: Tensor


def throw_darts(
    layout: Layout, seed: int, stream: str, index: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Draw centres [N, G, 2] at least `distance` apart, in shares of the canvas.

    Digits are placed one after the other by rejection; an image whose digit finds no place
    starts again. Every image has its own random sequence.

    Raises:
        ConfigurationError: if an image still has no layout after `RESTARTS` attempts.
    """
    places = layout.digits[1]
    centres = np.full((len(index), places, 2), np.inf)
    open_images = np.arange(len(index))
    low, span = layout.margin, 1 - 2 * layout.margin
    for attempt in range(RESTARTS):
        draws = counter.uniform(
            seed,
            f"{stream}/position",
            index[open_images],
            places * DARTS * 2,
            attempt * places * DARTS * 2,
        )
        darts = low + span * draws.reshape(-1, places, DARTS, 2)
        placed = np.full((len(open_images), places, 2), np.inf)
        complete = np.ones(len(open_images), bool)
        for digit in range(places):
            gap = darts[:, digit, :, None, :] - placed[:, None, :digit, :]
            free = (np.square(gap).sum(-1) >= layout.distance**2).all(-1)
            complete &= free.any(-1)
            placed[:, digit] = darts[np.arange(len(darts)), digit, free.argmax(-1)]
        centres[open_images[complete]] = placed[complete]
        open_images = open_images[~complete]
        if not len(open_images):
            return centres
    expected = f"fewer, or a smaller distance: {places} do not fit {layout.distance:.3g} apart"
    raise ConfigurationError("mnist-hard", "most", places, expected)


def resampling(centre: Tensor, side: Tensor, size: int, canvas: int) -> Tensor:
    """Return matrices [..., canvas, size] that resize and place one side of a tile.

    Row y holds the triangle-filter weights of the tile's pixels for canvas pixel y; the filter
    widens when the tile shrinks, so that nothing aliases. Outside the tile is zero.

    Args:
        centre: [...] tile centre in canvas pixels.
        side: [...] tile side in canvas pixels.
        size: tile side in its own pixels.
        canvas: canvas side in pixels.
    """
    scale = side / size
    pixel = torch.arange(canvas, device=centre.device, dtype=centre.dtype)
    source = (pixel - (centre - side / 2)[..., None]) / scale[..., None] - 0.5
    tile = torch.arange(size, device=centre.device, dtype=centre.dtype)
    support = (1 / scale).clamp_min(1)[..., None, None]
    weight = (1 - (source[..., :, None] - tile).abs() / support).clamp_min(0)
    return weight / support


def choose_tiles(
    labels: NDArray[np.int64], which: NDArray[np.float64], tile: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return indices [...] of tiles: a class, uniformly, then one of its tiles, uniformly.

    Args:
        labels: [D] class of each tile.
        which: [...] in [0, 1), draws that decide on the class.
        tile: [...] in [0, 1), draws that decide among its tiles.
    """
    _, first, count = np.unique(np.sort(labels), return_index=True, return_counts=True)
    chosen = (which * len(count)).astype(np.int64)
    place = first[chosen] + (tile * count[chosen]).astype(np.int64)
    return np.argsort(labels, kind="stable")[place]


def generate(
    digits: NDArray[np.uint8],
    labels: NDArray[np.int64],
    layout: Layout,
    seed: int,
    stream: str,
    index: NDArray[np.int64],
    device: torch.device | None = None,
) -> DigitScenes:
    """Generate the images of the given indices.

    Args:
        digits: [D, h, w] tiles to draw from, drawn in the middle of squares; the ink of two
            tiles is combined by maximum.
        labels: [D] classes.
        layout: where tiles may lie.
        seed: of the data set.
        stream: keeps splits apart.
        index: [N] which images.
        device: where to render.
    """
    parts = [
        _generate_chunk(digits, labels, layout, seed, stream, index[start : start + CHUNK], device)
        for start in range(0, len(index), CHUNK)
    ]
    images, classes, boxes = (torch.cat(part) for part in zip(*parts, strict=True))
    return DigitScenes(images, classes, boxes)


def _generate_chunk(
    digits: NDArray[np.uint8],
    labels: NDArray[np.int64],
    layout: Layout,
    seed: int,
    stream: str,
    index: NDArray[np.int64],
    device: torch.device | None,
) -> tuple[Tensor, Tensor, Tensor]:
    places, canvas = layout.digits[1], layout.canvas
    draw = partial(counter.uniform, seed, index=index)
    which, tile = (draw(f"{stream}/{name}", count=places) for name in ("class", "digit"))
    chosen = choose_tiles(labels, which, tile)
    low, high = layout.tile
    side = canvas * (low + (high - low) * draw(f"{stream}/side", count=places))
    fewest = layout.digits[0]
    number = fewest + (draw(f"{stream}/number", count=1) * (places - fewest + 1)).astype(np.int64)
    used = np.arange(places) < number
    # Pixel centres are integers, so the canvas reaches from -1/2 to canvas - 1/2.
    centres = throw_darts(layout, seed, stream, index) * canvas - 0.5

    tiles = torch.from_numpy(digits[chosen]).to(device).float()
    centre = torch.from_numpy(centres).to(device).float()
    sides = torch.from_numpy(side).to(device).float()
    # The side is that of the square around the tile, whose own sides may differ.
    height, width = digits.shape[1:]
    longer = max(height, width)
    across = resampling(centre[..., 0], sides * (width / longer), width, canvas)
    down = resampling(centre[..., 1], sides * (height / longer), height, canvas)
    present = torch.from_numpy(used).to(device)
    drawn = (down @ tiles @ across.transpose(-1, -2)) * present[..., None, None]
    images = drawn.amax(1, keepdim=True).round().clamp(0, 255).to(torch.uint8)

    classes = torch.from_numpy(np.where(used, labels[chosen], -1)).to(device)
    boxes = torch.cat([centre, sides[..., None] / 2], dim=-1) * present[..., None]
    return images, classes, boxes
