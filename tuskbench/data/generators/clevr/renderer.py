"""Render CLEVR-like scenes: draw, reject what hides an object, trace, shade."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuskbench.data.generators.clevr.camera import FULL_VIEW, HEIGHT, WIDTH, View, project
from tuskbench.data.generators.clevr.frame import label_maps, paint_flat, paint_shaded
from tuskbench.data.generators.clevr.scenes import PLACES, SceneTable, propose
from tuskbench.data.generators.clevr.world import World
from tuskbench.errors import ConfigurationError

Shading = Literal["flat", "lambert", "full"]

LEAST_VISIBLE = 200
"""Pixels that every object shows in the official frame."""
ATTEMPTS = 1000
# Pixels worked on at once: enough to fill the device, few enough for caches and memory.
CHUNK = {"cpu": 2**16, "other": 2**20}


@dataclass(frozen=True)
class ClevrScenes:
    """Generated images and their truth; objects fill the first of the 10 places, in any order.

    Attributes:
        images: [N, 3, H, W] uint8.
        masks: [N, H, W] uint8 label maps: 0 for the ground, g for the object of place g - 1.
        shape: [N, 10] int64 codes of `SHAPES`, -1 where there is no object.
        size: [N, 10] int64 codes of `SIZES`, alike.
        material: [N, 10] int64 codes of `MATERIALS`, alike.
        colour: [N, 10] int64 codes of `COLOURS`, alike.
        position: [N, 10, 3] float32 centres, z up; 0 where there is no object.
        rotation: [N, 10] float32 in [0, 360), a number that CLEVR takes for radians; 0 alike.
        pixel: [N, 10, 3] float32: column and row of the projected centre in the full frame of
            240 x 320 pixels, rounded as in official records, and depth; 0 alike.
        visible: [N, 10] int64 pixels of each object in `masks`.
    """

    images: Tensor
    masks: Tensor
    shape: Tensor
    size: Tensor
    material: Tensor
    colour: Tensor
    position: Tensor
    rotation: Tensor
    pixel: Tensor
    visible: Tensor


def render(
    count_range: tuple[int, int],
    seed: int,
    stream: str,
    index: NDArray[np.int64],
    *,
    size: tuple[int, int] = (HEIGHT, WIDTH),
    view: View = FULL_VIEW,
    shading: Shading = "full",
    device: torch.device | str = "cpu",
) -> ClevrScenes:
    """Render the images of the given indices.

    A scene depends on `count_range`, `seed`, `stream` and its index alone: not on the view, nor
    on the batch. Its objects each show at least 200 pixels of the whole frame of 240 x 320.

    Args:
        count_range: fewest and most objects, both included, within 1 to 10.
        seed: of the data set.
        stream: keeps splits apart.
        index: [N] which images.
        size: pixels (H, W) of the images.
        view: top, left, height and width of the part of the frame to show, in pixels of the
            frame of 240 x 320. Rays pass through the centres of the image's own pixels.
        shading: "flat" paints every object in its plain colour, "lambert" adds matt shading,
            "full" adds soft shadows, highlights and mirroring metal.
        device: where to render, and where the results are.

    Raises:
        ConfigurationError: if a setting is out of range.
        ValueError: if a scene cannot be drawn.
    """
    index = np.asarray(index, np.int64)
    _check(count_range, index, size, view, shading)
    scenes = draw_scenes(count_range, seed, stream, index, device)
    parts = [
        _render_chunk(scenes.take(chunk), size, view, shading, device)
        for chunk in _chunks(len(index), size, device)
    ]
    names = [field.name for field in fields(ClevrScenes)]
    return ClevrScenes(
        **{name: torch.cat([getattr(part, name) for part in parts]) for name in names}
    )


def draw_scenes(
    count_range: tuple[int, int],
    seed: int,
    stream: str,
    index: NDArray[np.int64],
    device: torch.device | str = "cpu",
) -> SceneTable:
    """Draw scenes whose objects are all visible enough, by rejection.

    Raises:
        ValueError: if `ATTEMPTS` attempts are not enough.
    """
    drawn, placed = propose(count_range, seed, stream, index)
    scenes, waiting = drawn, np.arange(len(index))
    for attempt in range(1, ATTEMPTS + 1):
        accepted = placed.copy()
        accepted[placed] = _all_visible(scenes.take(placed), device)
        drawn.put(waiting[accepted], scenes.take(accepted))
        waiting = waiting[~accepted]
        if not len(waiting):
            return drawn
        scenes, placed = propose(count_range, seed, stream, index[waiting], attempt)
    raise ValueError(f"no scene of {count_range[1]} visible objects in {ATTEMPTS} attempts")


def _all_visible(scenes: SceneTable, device: torch.device | str) -> NDArray[np.bool_]:
    """Return [N] whether every object shows enough of itself in the official frame."""
    size = (HEIGHT, WIDTH)
    enough: list[NDArray[np.bool_]] = [np.zeros(0, bool)]
    for chunk in _chunks(len(scenes), size, device):
        part = scenes.take(chunk)
        labels = label_maps(World.of(part, device, torch.float64), size, FULL_VIEW)
        hidden = _visible(labels).cpu().numpy() < LEAST_VISIBLE
        enough.append(np.all(~hidden | (part.shape < 0), axis=1))
    return np.concatenate(enough)


def _visible(labels: Tensor) -> Tensor:
    """Return the pixels [N, 10] of each object in label maps [N, H, W]."""
    scene = torch.arange(len(labels), device=labels.device)[:, None, None] * (PLACES + 1)
    counted = (labels + scene).flatten().bincount(minlength=len(labels) * (PLACES + 1))
    visible: Tensor = counted.unflatten(0, (-1, PLACES + 1))[:, 1:]
    return visible


def _render_chunk(
    scenes: SceneTable,
    size: tuple[int, int],
    view: View,
    shading: Shading,
    device: torch.device | str,
) -> ClevrScenes:
    labels = label_maps(World.of(scenes, device, torch.float64), size, view)
    world = World.of(scenes, device, torch.float32)
    if shading == "flat":
        images = paint_flat(world, labels)
    else:
        images = paint_shaded(world, size, view, full=shading == "full")
    present = torch.from_numpy(scenes.shape >= 0).to(device)
    position = torch.from_numpy(scenes.position).to(device)
    seen = project(torch.from_numpy(scenes.camera).to(device), position)
    pixel = torch.cat([seen[..., :2].round(), seen[..., 2:]], -1) * present[..., None]
    codes = {
        name: torch.from_numpy(getattr(scenes, name)).to(device)
        for name in ("shape", "size", "material", "colour")
    }
    return ClevrScenes(
        images,
        labels.to(torch.uint8),
        **codes,
        position=position.float(),
        rotation=torch.from_numpy(scenes.rotation).to(device).float(),
        pixel=pixel.float(),
        visible=_visible(labels),
    )


def _chunks(count: int, size: tuple[int, int], device: torch.device | str) -> Iterator[slice]:
    budget = CHUNK["cpu" if torch.device(device).type == "cpu" else "other"]
    step = max(1, budget // (size[0] * size[1]))
    return (slice(start, start + step) for start in range(0, count, step))


def _check(
    count_range: tuple[int, int],
    index: NDArray[np.int64],
    size: tuple[int, int],
    view: View,
    shading: str,
) -> None:
    def wrong(parameter: str, value: object, expected: str) -> ConfigurationError:
        return ConfigurationError("clevr renderer", parameter, value, expected)

    fewest, most = count_range
    if not 1 <= fewest <= most <= PLACES:
        raise wrong("count_range", count_range, f"1 <= fewest <= most <= {PLACES}")
    if index.ndim != 1 or not len(index):
        raise wrong("index", index.tolist(), "a row of at least one index")
    if min(size) < 1:
        raise wrong("size", size, "at least one pixel each way")
    top, left, height, width = view
    inside = top >= 0 and left >= 0 and top + height <= HEIGHT and left + width <= WIDTH
    if min(height, width) <= 0 or not inside:
        raise wrong("view", view, f"top, left, height and width within {HEIGHT} x {WIDTH}")
    if shading not in get_args(Shading):
        raise wrong("shading", shading, f"one of {', '.join(get_args(Shading))}")
