"""Generated faces: exact landmarks, boxes, determinism, difficulty."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tuskbench.data.generators.draws import Draws
from tuskbench.data.generators.faces import generate
from tuskbench.data.generators.faces.geometry import (
    Shape,
    View,
    half_extent,
    project,
    rotations,
)
from tuskbench.data.generators.faces.people import draw_shapes
from tuskbench.data.generators.faces.placement import place_several

SHARE = (0.3, 0.6)


def shape_of_one() -> Shape:
    return draw_shapes(Draws(0, "test", np.arange(1)), 1)


def radians(*degrees: float) -> torch.Tensor:
    return torch.tensor(degrees).deg2rad()


@pytest.fixture(scope="module")
def scenes():
    return generate(48, 1, SHARE, 0, "test", np.arange(200))


def test_an_image_depends_on_its_index_alone() -> None:
    some = generate(32, 2, SHARE, 1, "a", np.arange(40))
    again = generate(32, 2, SHARE, 1, "a", np.array([37, 5]))
    assert torch.equal(some.images[[37, 5]], again.images)
    assert torch.equal(some.landmarks[[37, 5]], again.landmarks)
    assert not torch.equal(generate(32, 2, SHARE, 1, "b", np.array([5])).images, again.images[1:])


def test_shapes(scenes) -> None:
    assert scenes.images.shape == (200, 3, 48, 48)
    assert scenes.images.dtype == torch.uint8
    assert scenes.landmarks.shape == (200, 1, 5, 2)
    assert scenes.boxes.shape == (200, 1, 4)


def test_box_covers_its_share(scenes) -> None:
    share = scenes.boxes[:, 0, 2:].prod(-1) / 48**2
    assert share.min() > SHARE[0] - 1e-5
    assert share.max() < SHARE[1] + 1e-5


def test_landmarks_lie_in_the_image_and_in_order(scenes) -> None:
    points = scenes.landmarks[:, 0]
    inside = ((points > -0.5) & (points < 47.5)).all(-1).float().mean()
    assert inside > 0.995
    assert (points[:, 0, 0] < points[:, 1, 0]).all()
    assert (points[:, 3, 0] < points[:, 4, 0]).all()


def test_a_frontal_head_projects_to_its_proportions() -> None:
    shape = shape_of_one()
    flat = project(shape.landmarks(), rotations(*torch.zeros(3, 1, 1)))[0, 0, :, :2]
    eyes = flat[:2].mean(0)
    assert torch.allclose(flat[1] - flat[0], torch.tensor([1.0, 0.0]))
    assert (flat[2] - eyes).tolist() == pytest.approx(shape.nose[0, 0, :2].tolist(), abs=1e-6)
    assert (flat[4] - eyes).tolist() == pytest.approx(shape.mouth[0, 0].tolist(), abs=1e-6)


def test_turning_and_nodding() -> None:
    points = shape_of_one().landmarks()
    rest = project(points, rotations(*torch.zeros(3, 1, 1)))[0, 0]
    turned = project(points, rotations(radians(40)[None], *torch.zeros(2, 1, 1)))[0, 0]
    # The nose leads; the eyes come nearer to one another by the cosine.
    assert (turned[2, 0] - turned[:2, 0].mean()).abs() > 0.2
    ratio = (turned[1, 0] - turned[0, 0]) / (rest[1, 0] - rest[0, 0])
    assert ratio == pytest.approx(np.cos(np.deg2rad(40)), abs=1e-4)
    rolled = project(points, rotations(*torch.zeros(2, 1, 1), radians(90)[None]))[0, 0]
    assert rolled[:, 0].abs().tolist() == pytest.approx(rest[:, 1].abs().tolist(), abs=1e-5)


def test_rotations_are_orthogonal() -> None:
    matrix = rotations(*radians(20, -50, 33)[:, None])
    assert torch.allclose(matrix @ matrix.mT, torch.eye(3), atol=1e-6)


def test_ray_casting_meets_a_turned_ellipsoid() -> None:
    turn = rotations(radians(35), radians(-20), radians(10))
    place = torch.linspace(-3, 3, 301)
    view = View(place[None, None], place[None, :, None], turn, torch.full((1, 1, 1), 0.02))
    axes, centre = torch.tensor([[0.8, 1.4, 0.5]]), torch.tensor([[0.3, 0.2, 0.4]])
    hit = view.cast(centre, axes)
    met = hit.cover[0] == 1
    # The points lie on the ellipsoid and project back to their pixels.
    surface = ((hit.point - centre[..., None, None]) / axes[..., None, None]).square().sum(1)[0]
    assert torch.allclose(surface[met], torch.ones(()), atol=1e-4)
    back = project(hit.point[0].flatten(1).mT, turn[0]).unflatten(0, (301, 301))
    assert torch.allclose(back[..., 0][met], place.expand(301, 301)[met], atol=1e-4)
    assert torch.allclose(back[..., 1][met], place[:, None].expand(301, 301)[met], atol=1e-4)
    assert torch.allclose(back[..., 2][met], hit.depth[0][met], atol=1e-4)
    # The outline's extent is the closed form that boxes are made of.
    shape = Shape(axes[None], torch.zeros(1, 1, 3), torch.zeros(1, 1, 2))
    across = (hit.cover[0] > 0.5).any(0).sum() * 0.02 / 2
    assert across == pytest.approx(float(half_extent(shape, turn[None])[0, 0, 0]), abs=0.03)


def test_eyes_are_painted_where_the_landmarks_are() -> None:
    scenes = generate(96, 1, SHARE, 3, "eyes", np.arange(60))
    grey = scenes.images.float().mean(1)
    eyes = scenes.landmarks[:, 0, :2].round().long()
    rows = torch.arange(60)[:, None]
    pupil = grey[rows, eyes[..., 1], eyes[..., 0]]
    # Two eyes' widths along, between and beside them, is skin or the side of the head.
    middle = scenes.landmarks[:, 0, :2].mean(1).round().long()
    between = grey[torch.arange(60), middle[:, 1], middle[:, 0]]
    assert (pupil.mean(1) < between).float().mean() > 0.7


@pytest.mark.parametrize("faces", [2, 3, 4])
def test_several_boxes_do_not_overlap(faces) -> None:
    boxes = generate(32, faces, SHARE, 0, "several", np.arange(50)).boxes
    low, high = boxes[..., :2], boxes[..., :2] + boxes[..., 2:]
    assert low.min() >= -0.5 - 1e-4
    assert high.max() <= 31.5 + 1e-4
    for first in range(faces):
        for second in range(first):
            common = torch.minimum(high[:, first], high[:, second]) - torch.maximum(
                low[:, first], low[:, second]
            )
            assert (common.amin(-1) <= 1e-4).all()


def test_rooms_hold_what_they_were_made_for() -> None:
    extent = torch.tensor([1.12, 1.36]).expand(30, 3, 2)
    place = place_several(Draws(0, "rooms", np.arange(30)), extent, 3)
    assert place.centre.shape == (30, 3, 2)
    assert (place.scale > 0).all()


def test_difficulty(scenes) -> None:
    points = scenes.landmarks[:, 0].double()
    unit = (points[:, 0] - points[:, 1]).norm(dim=-1)

    def error(predicted: torch.Tensor) -> float:
        return float(((predicted - points).norm(dim=-1).mean(1) / unit).mean())

    assert error(points.mean(0).expand_as(points)) > 0.45
    known = points[:, [0, 1, 3, 4]].flatten(1)
    weight = torch.linalg.lstsq(known, points.flatten(1)).solution
    assert error((known @ weight).view_as(points)) < 0.1
