"""Rendered CLEVR-like images: truth that fits, determinism, levels of the official images."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from tuskbench.data.generators.clevr import COLOURS, MATERIALS, ClevrScenes, render
from tuskbench.data.generators.clevr.camera import FULL_VIEW
from tuskbench.data.generators.clevr.frame import paint_shaded
from tuskbench.data.generators.clevr.renderer import draw_scenes
from tuskbench.data.generators.clevr.scenes import CAMERA, LAMPS
from tuskbench.data.generators.clevr.world import World
from tuskbench.errors import ConfigurationError

CROP = (24, 64, 192, 192)


@pytest.fixture(scope="module")
def flat() -> ClevrScenes:
    return render((3, 10), 0, "test", np.arange(8), shading="flat")


@pytest.fixture(scope="module")
def shaded() -> ClevrScenes:
    return render((3, 6), 0, "levels", np.arange(24), size=(120, 160))


def test_every_object_shows_200_pixels(flat: ClevrScenes) -> None:
    there = flat.shape >= 0
    assert flat.visible[there].min() >= 200
    for labels, visible, present in zip(flat.masks, flat.visible, there, strict=True):
        counted = torch.bincount(labels.flatten().long(), minlength=11)[1:]
        assert torch.equal(visible, counted)
        assert labels.max() == present.sum()


def test_types_and_shapes(flat: ClevrScenes) -> None:
    assert (flat.images.dtype, flat.masks.dtype) == (torch.uint8, torch.uint8)
    assert flat.images.shape == (8, 3, 240, 320)
    for name in ("shape", "size", "material", "colour"):
        assert (getattr(flat, name).dtype, getattr(flat, name).shape) == (torch.int64, (8, 10))
    assert (flat.position.shape, flat.pixel.shape) == ((8, 10, 3), (8, 10, 3))
    assert not flat.pixel[flat.shape < 0].any()


def test_flat_objects_have_their_plain_colour(flat: ClevrScenes) -> None:
    for image, labels, colours in zip(flat.images, flat.masks, flat.colour, strict=True):
        for place in range(int(labels.max())):
            shown = image[:, labels == place + 1]
            triple = torch.tensor(list(COLOURS.values())[colours[place]], dtype=torch.uint8)
            assert (shown == triple[:, None]).all()


def test_an_unhidden_object_lies_around_its_projected_centre(flat: ClevrScenes) -> None:
    rows, columns = torch.meshgrid(torch.arange(240.0), torch.arange(320.0), indexing="ij")
    near = []
    for labels, pixel in zip(flat.masks, flat.pixel, strict=True):
        for place in range(int(labels.max())):
            shown = labels == place + 1
            middle = torch.stack([columns[shown].mean(), rows[shown].mean()]) + 0.5
            near.append((middle - pixel[place, :2]).norm() < 4)
    # Others hide part of the rest.
    assert np.mean(near) > 0.6


def test_a_scene_does_not_depend_on_batch_view_or_size(flat: ClevrScenes) -> None:
    alone = render((3, 10), 0, "test", np.array([6, 3]), shading="flat")
    for field in fields(ClevrScenes):
        assert torch.equal(getattr(alone, field.name), getattr(flat, field.name)[[6, 3]])
    small = render((3, 10), 0, "test", np.array([6]), size=(30, 20), view=CROP, shading="lambert")
    assert torch.equal(small.position, flat.position[6:7])
    assert torch.equal(small.pixel, flat.pixel[6:7])


def test_seeds_and_streams_differ(flat: ClevrScenes) -> None:
    for seed, stream in ((1, "test"), (0, "train")):
        other = render((3, 10), seed, stream, np.arange(2), size=(12, 16), shading="flat")
        assert not torch.equal(other.position, flat.position[:2])


@pytest.mark.parametrize("shading", ["flat", "lambert", "full"])
def test_a_view_is_a_window_of_the_frame(shading: str) -> None:
    index = np.array([4, 9])
    whole = render((3, 6), 0, "window", index, shading=shading)
    part = render((3, 6), 0, "window", index, size=(192, 192), view=CROP, shading=shading)
    assert torch.equal(part.masks, whole.masks[:, 24:216, 64:256])
    cut = whole.images[..., 24:216, 64:256].int()
    assert (part.images.int() - cut).abs().max() <= 1


def test_a_small_view_samples_the_frame_at_its_pixel_centres() -> None:
    fine = render((3, 6), 0, "sampled", np.arange(2), size=(576, 576), view=CROP, shading="flat")
    small = render((3, 6), 0, "sampled", np.arange(2), size=(192, 192), view=CROP, shading="flat")
    assert torch.equal(small.masks, fine.masks[:, 1::3, 1::3])


def test_empty_ground_has_the_official_levels() -> None:
    scene = draw_scenes((3, 3), 0, "empty", np.arange(1))
    empty = replace(scene, shape=np.full((1, 10), -1), camera=CAMERA[None], lamps=LAMPS[None])
    world = World.of(empty, "cpu", torch.float32)
    grey = paint_shaded(world, (240, 320), FULL_VIEW, full=True)[0].float().mean(0)
    # Medians of official images: top, centre, bottom right.
    assert grey[:6].mean() == pytest.approx(105, abs=5)
    assert grey[118:123, 158:163].mean() == pytest.approx(130, abs=3)
    assert grey[-6:, -6:].mean() == pytest.approx(148, abs=7)


def test_background_has_the_official_level(shaded: ClevrScenes) -> None:
    grey = shaded.images.float().mean(1)
    levels = [image[labels == 0].mean() for image, labels in zip(grey, shaded.masks, strict=True)]
    # Two real records: 121 and 125.
    assert np.mean(levels) == pytest.approx(123, abs=5)


# Means over whole objects of real records.
OFFICIAL = {
    ("rubber", "gray"): (81, 81, 81),
    ("rubber", "red"): (114, 55, 54),
    ("rubber", "cyan"): (63, 129, 126),
    ("rubber", "green"): (50, 90, 42),
    ("metal", "cyan"): (49, 108, 107),
    ("metal", "purple"): (80, 44, 96),
    ("metal", "green"): (38, 72, 32),
    ("metal", "red"): (86, 39, 40),
    ("metal", "brown"): (107, 83, 49),
}


def test_objects_have_the_official_colours(shaded: ClevrScenes) -> None:
    means = defaultdict(list)
    for number, place in (shaded.visible > 20).nonzero().tolist():
        kind = MATERIALS[shaded.material[number, place]]
        colour = list(COLOURS)[shaded.colour[number, place]]
        shown = shaded.images[number][:, shaded.masks[number] == place + 1]
        means[kind, colour].append(shown.float().mean(1).numpy())
    for kind, official in OFFICIAL.items():
        difference = np.mean(means[kind], axis=0) - official
        # Metal mirrors its surroundings, so single real objects vary more.
        assert np.abs(difference).max() < (12 if kind[0] == "rubber" else 24), kind


def test_shading_adds_shadows_and_highlights(shaded: ClevrScenes) -> None:
    index = np.arange(24)
    matt = render((3, 6), 0, "levels", index, size=(120, 160), shading="lambert")
    ground = (shaded.masks == 0)[:, None].expand_as(shaded.images)
    assert (shaded.images.int() - matt.images.int())[ground].min() < -15
    assert shaded.images[~ground].max() > matt.images[~ground].max()
    assert torch.equal(matt.masks, shaded.masks)


@pytest.mark.parametrize(
    ("count_range", "settings", "message"),
    [
        ((0, 3), {}, "count_range"),
        ((5, 11), {}, "fewest <= most <= 10"),
        ((3, 6), {"size": (0, 4)}, "at least one pixel"),
        ((3, 6), {"view": (100, 0, 192, 192)}, "within 240 x 320"),
        ((3, 6), {"shading": "phong"}, "flat, lambert, full"),
        ((3, 6), {"index": np.array([], int)}, "at least one index"),
    ],
)
def test_bad_settings_say_so(count_range: tuple, settings: dict, message: str) -> None:
    index = settings.pop("index", np.arange(1))
    with pytest.raises(ConfigurationError, match=message):
        render(count_range, 0, "test", index, **settings)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_devices_agree() -> None:
    here, there = (
        render((3, 10), 0, "device", np.arange(16), size=(96, 128), device=device)
        for device in ("cpu", "cuda")
    )
    for name in ("shape", "size", "material", "colour"):
        assert torch.equal(getattr(here, name), getattr(there, name).cpu())
    assert (here.masks != there.masks.cpu()).float().mean() < 1e-4
    assert (here.images.int() - there.images.cpu().int()).abs().float().mean() < 0.1
