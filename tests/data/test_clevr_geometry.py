"""Intersections, camera and shadows against brute force written another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tuskbench.data.generators.clevr import SHAPES, SIZES
from tuskbench.data.generators.clevr.camera import FULL_VIEW, camera_basis, project
from tuskbench.data.generators.clevr.frame import label_maps
from tuskbench.data.generators.clevr.lamps import Lamps, Points
from tuskbench.data.generators.clevr.scenes import CAMERA, LAMPS, propose
from tuskbench.data.generators.clevr.shadows import hidden_share
from tuskbench.data.generators.clevr.solids import CUBE, CYLINDER, SPHERE, Solids, crossing, normals
from tuskbench.data.generators.clevr.world import World

# Below 1 inside a solid of half extent 1.
INSIDE = {
    CUBE: lambda p: np.abs(p).max(-1),
    SPHERE: lambda p: np.linalg.norm(p, axis=-1),
    CYLINDER: lambda p: np.maximum(np.hypot(p[..., 0], p[..., 1]), np.abs(p[..., 2])),
}


@pytest.mark.parametrize("kind", INSIDE)
def test_crossings_are_where_lines_enter_and_leave(kind: int) -> None:
    rng = np.random.default_rng(kind)
    origin, target = rng.normal(0, 3, (400, 3)), rng.uniform(-1.3, 1.3, (400, 3))
    near, far = crossing(kind, torch.tensor(origin.T), torch.tensor((target - origin).T))
    steps = np.linspace(-1, 4, 5001)
    within = INSIDE[kind](origin[:, None] + steps[:, None] * (target - origin)[:, None]) < 1
    hit = within.any(1)
    assert 0.3 < hit.mean() < 1
    # A line that only brushes an edge may pass between two steps.
    agree = (near < far).numpy() == hit
    assert agree.mean() > 0.99
    both = agree & hit & ~within[:, 0] & ~within[:, -1]
    entered = steps[within.argmax(1)]
    left = steps[within.shape[1] - 1 - within[:, ::-1].argmax(1)]
    np.testing.assert_allclose(near[both], entered[both], atol=0.0011)
    np.testing.assert_allclose(far[both], left[both], atol=0.0011)


def test_lines_along_the_axes_meet_a_cube() -> None:
    origin = torch.tensor([[-3.0, -3.0], [0.0, 2.0], [0.0, 0.0]])
    near, far = crossing(CUBE, origin, torch.tensor([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]))
    assert (near[0].item(), far[0].item()) == (2, 4)
    assert not near[1] < far[1]


@pytest.mark.parametrize(
    ("kind", "point", "expected"),
    [
        (CUBE, (0.2, 1.0, -0.3), (0, 1, 0)),
        (CUBE, (1.0, 0.1, 1.0), (1, 0, 1)),
        (SPHERE, (0.6, 0.0, 0.8), (0.6, 0, 0.8)),
        (CYLINDER, (0.6, 0.8, 0.0), (0.6, 0.8, 0)),
        (CYLINDER, (0.1, 0.2, 1.0), (0, 0, 1)),
        (CYLINDER, (0.6, 0.8, 1.0), (0.6, 0.8, 1)),
    ],
)
def test_normals(kind: int, point: tuple, expected: tuple) -> None:
    half, yaw, centre = 0.35, 0.5, torch.tensor([1.0, -2.0, 0.35])
    turn = torch.tensor(
        [[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]]
    )
    solids = Solids.of(
        torch.tensor([kind]), centre[None], torch.tensor([half]), torch.tensor([yaw])
    )
    surface = centre + half * turn @ torch.tensor(point)
    normal = normals(solids.kind, solids.frame, surface[:, None])
    wanted = turn @ torch.tensor(expected, dtype=torch.float32)
    torch.testing.assert_close(normal[:, 0], wanted / wanted.norm(), atol=1e-4, rtol=0)


def test_camera_is_that_of_the_base_scene() -> None:
    camera = torch.tensor(CAMERA)[None]
    axes = [[0.65631, 0.75449, 0], [-0.35794, 0.31136, 0.88030], [-0.66418, 0.57775, -0.47441]]
    torch.testing.assert_close(
        camera_basis(camera)[0], torch.tensor(axes, dtype=torch.float64), atol=1e-5, rtol=0
    )
    seen = project(camera, torch.tensor([[[0, 0, 0.7], [0, 0, 0]]], dtype=torch.float64))
    assert seen[0, 0, :2].tolist() == pytest.approx([160, 100.3], abs=0.05)
    assert seen[0, 1].tolist() == pytest.approx([160, 120, np.linalg.norm(CAMERA)], abs=1e-9)


def test_labels_are_those_of_marching_along_every_ray() -> None:
    drawn, placed = propose((10, 10), 3, "test", np.arange(40))
    scenes = drawn.take(placed).take(slice(0, 2))
    size = (24, 32)
    labels = label_maps(World.of(scenes, "cpu", torch.float64), size, FULL_VIEW).numpy()
    for number in range(2):
        # Marching steps of 0.02 miss what is grazed.
        assert (labels[number] == _march(scenes, number, size)).mean() > 0.99


def _march(scenes, number: int, size: tuple[int, int]) -> np.ndarray:
    """Return labels [H, W] from points a small step apart along every ray."""
    camera = scenes.camera[number]
    forward = -camera / np.linalg.norm(camera)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    x = ((np.arange(size[1]) + 0.5) / size[1] - 0.5) * 32 / 35
    y = (0.5 - (np.arange(size[0]) + 0.5) / size[0]) * 32 / 35 * size[0] / size[1]
    rays = forward + y[:, None, None] * up + x[None, :, None] * right
    points = camera + rays[:, :, None] * np.arange(5, 18, 0.02)[:, None]
    first = np.full(size, points.shape[2])
    labels = np.zeros(size, int)
    for place in range(10):
        yaw = scenes.rotation[number, place]
        turn = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
        half = list(SIZES.values())[scenes.size[number, place]]
        local = (points - scenes.position[number, place]) @ turn.T / half
        within = INSIDE[scenes.shape[number, place]](local) < 1
        reached = np.where(within.any(-1), within.argmax(-1), points.shape[2])
        labels = np.where(reached < first, place + 1, labels)
        first = np.minimum(first, reached)
    return labels


@pytest.mark.parametrize("kind", range(len(SHAPES)))
def test_shadow_is_the_share_of_lamp_points_behind_the_solid(kind: int) -> None:
    centre, half = np.array([0.5, -0.3, 0.7]), 0.7
    solids = Solids.of(
        torch.tensor([kind]),
        torch.tensor(centre)[None],
        torch.tensor([half]).double(),
        torch.zeros(1).double(),
    )
    rng = np.random.default_rng(0)
    ground = np.column_stack([rng.uniform(-4, 4, (300, 2)), np.zeros(300)])
    clear = np.abs(ground[:, :2] - centre[:2]).max(1) > 0.75
    ground = ground[clear]
    lamps = Lamps.of(torch.tensor(LAMPS)[None])
    points = Points(
        torch.tensor(ground.T),
        torch.tensor([[0.0], [0.0], [1.0]]).double().expand(3, len(ground)),
        torch.zeros(len(ground), dtype=torch.long),
        torch.full((len(ground),), -1),
    )
    share = hidden_share(points, torch.ones(4, len(ground), dtype=torch.bool), lamps, solids)
    steps = np.linspace(0, 1, 400)[:, None]
    for lamp in range(3):
        edges = lamps.edges[0, lamp].numpy()
        counted = np.zeros(len(ground))
        for u in (-0.8, -0.4, 0, 0.4, 0.8):
            for v in (-0.8, -0.4, 0, 0.4, 0.8):
                spot = LAMPS[lamp] + u * edges[0] + v * edges[1]
                path = ground[:, None] + steps * (spot - ground)[:, None]
                counted += (INSIDE[kind]((path - centre) / half) < 1).any(1) / 25
        assert counted.max() == pytest.approx(1)
        difference = np.abs(share[lamp].numpy() - counted)
        # A step may pass over what the line only grazes.
        assert difference.max() < 0.25
        assert difference.mean() < 0.01
