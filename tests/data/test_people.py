"""Generated people: determinism, geometry, what is seen where the landmarks say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tuskbench.data.generators.people import Scene, generate
from tuskbench.data.generators.people.poses import draw_angles, repertoire
from tuskbench.data.generators.people.skeleton import OFFSETS, joints, rotation
from tuskbench.data.human36m import (
    ACTIONS,
    JOINTS,
    LEFT,
    PARENTS,
    RIGHT,
    SUBJECTS,
    facing_camera_swap,
)

# Joints that lie in the same place on Human3.6M's skeleton.
COINCIDENT = [(0, 11), (13, 16), (13, 24), (19, 20), (22, 23), (27, 28), (30, 31)]
COUNT = 60


@pytest.fixture(scope="module")
def people():
    return generate(Scene(64), 0, "test", np.arange(COUNT))


def still(**angles: float):
    """Place one average person facing forward, in the given pose (degrees)."""
    pose = {name: np.zeros(1) for name in repertoire().angles}
    pose |= {name: np.deg2rad([value]) for name, value in angles.items()}
    return joints(pose, np.zeros(1), np.ones((1, 32)))[0][0]


def test_an_image_does_not_depend_on_its_batch(people) -> None:
    alone = generate(Scene(64), 0, "test", np.array([13, 41]))
    assert torch.equal(people.images[[13, 41]], alone.images)
    assert torch.equal(people.landmarks[[13, 41]], alone.landmarks)


def test_streams_and_seeds_differ(people) -> None:
    other = generate(Scene(64), 0, "train", np.arange(4))
    assert not torch.equal(people.images[:4], other.images)
    other = generate(Scene(64), 1, "test", np.arange(4))
    assert not torch.equal(people.images[:4], other.images)


def test_shapes_and_subjects(people) -> None:
    assert people.images.shape == (COUNT, 3, 64, 64)
    assert people.images.dtype == people.masks.dtype == torch.uint8
    assert people.landmarks.shape == (COUNT, len(JOINTS), 2)
    assert people.subject.tolist() == [i % len(SUBJECTS) for i in range(COUNT)]
    assert set(people.action.tolist()) == set(range(len(ACTIONS)))
    only = generate(Scene(32, ("S11",)), 0, "test", np.arange(3))
    assert [SUBJECTS[i] for i in only.subject] == ["S11"] * 3


def test_the_person_is_where_the_joints_are(people) -> None:
    place = people.landmarks.round().long().clamp(0, 63)
    inside = people.masks[torch.arange(COUNT)[:, None], place[..., 1], place[..., 0]] > 0
    # The head's top and the tips of toes and fingers may lie on the outline.
    inner = [0, 1, 2, 3, 6, 7, 8, 11, 12, 13, 14, 17, 18, 25, 26]
    assert inside[:, inner].float().mean() > 0.995
    assert inside.float().mean() > 0.9


def test_outside_the_mask_is_background(people) -> None:
    far = torch.nn.functional.max_pool2d(people.masks.float(), 3, 1, 1) == 0
    assert (people.images.permute(0, 2, 3, 1)[far] == 255).all()
    grey = generate(Scene(64, background=0.5), 0, "test", np.arange(4))
    assert (grey.images.permute(0, 2, 3, 1)[far[:4]] == 128).all()
    assert torch.equal(grey.masks, people.masks[:4])


def test_crops_hold_the_person_as_tusks_do(people) -> None:
    fractions = (people.landmarks.double() + 0.5) / 64
    assert fractions.min() >= 0
    assert fractions.max() <= 223 / 224
    # The margin is a tenth of the height above the head's top, so a twelfth of the crop.
    torch.testing.assert_close(
        fractions[:, 15, 1], torch.full((COUNT,), 1 / 12).double(), atol=0.01, rtol=0
    )


def test_resolution_does_not_move_anything(people) -> None:
    large = generate(Scene(128), 0, "test", np.arange(4))
    torch.testing.assert_close((large.landmarks + 0.5) / 2 - 0.5, people.landmarks[:4])
    small = torch.nn.functional.avg_pool2d(large.images.float(), 2)
    assert (small - people.images[:4].float()).abs().mean() < 3


def test_coincident_joints_coincide(people) -> None:
    for first, second in COINCIDENT:
        torch.testing.assert_close(people.landmarks[:, first], people.landmarks[:, second])


def test_bones_keep_their_lengths() -> None:
    uniform = np.random.default_rng(0).random((20, 4 + len(repertoire().angles)))
    yaw = uniform[:, 0] * 2 * np.pi
    placed, _ = joints(draw_angles(np.arange(20) % 6, uniform), yaw, np.ones((20, 32)))
    for joint, parent in enumerate(PARENTS[1:], 1):
        length = np.linalg.norm(placed[:, joint] - placed[:, parent], axis=-1)
        np.testing.assert_allclose(length, np.linalg.norm(OFFSETS[joint]), atol=1e-9)
    np.testing.assert_allclose(placed[..., 2].min(1), 0, atol=1e-9)


def test_rotations_agree_with_scipy() -> None:
    from scipy.spatial.transform import Rotation

    angle = np.linspace(-3, 3, 7)
    for axis in range(3):
        expected = Rotation.from_rotvec(np.eye(3)[axis] * angle[:, None]).as_matrix()
        np.testing.assert_allclose(rotation(axis, angle), expected, atol=1e-12)


def test_angles_turn_limbs_the_way_they_say() -> None:
    stand = still()
    assert stand[15, 2] == pytest.approx(1.675, abs=0.01)
    assert stand[8, 1] > 0 > stand[3, 1], "left is the second axis"
    kick = still(right_hip_flexion=90)
    assert kick[3, 0] == pytest.approx(kick[1, 0] + 0.89), "the leg points forward"
    sit = still(right_hip_flexion=90, right_knee_flexion=90)
    assert sit[3, 2] < sit[2, 2] - 0.4, "the shin hangs"
    spread = still(left_shoulder_abduction=90, right_shoulder_abduction=90)
    assert spread[19, 1] > 0.6
    assert spread[27, 1] < -0.6
    wave = still(right_shoulder_abduction=90, right_shoulder_twist=90, right_elbow_flexion=90)
    assert wave[27, 2] > wave[26, 2] + 0.2, "the forearm points up"
    bow = still(lean=60)
    assert bow[15, 0] > 0.5
    turned = still(neck_turn=60, neck_flexion=40)
    assert turned[15, 1] > 0.02, "the head looks left"


def test_poses_stay_within_limits() -> None:
    known = repertoire()
    uniform = np.random.default_rng(0).random((500, 4 + len(known.angles)))
    drawn = np.rad2deg(np.stack(list(draw_angles(np.arange(500) % 6, uniform).values()), 1))
    low, high = np.minimum(known.low, -known.high), np.maximum(known.high, -known.low)
    even = known.sign > 0
    assert (drawn[:, even] >= known.low[even] - 1e-9).all()
    assert (drawn[:, even] <= known.high[even] + 1e-9).all()
    assert ((drawn >= low - 1e-9) & (drawn <= high + 1e-9)).all()
    assert tuple(known.actions) == ACTIONS


def test_front_views_are_exchanged_and_back_views_are_not(people) -> None:
    landmarks = people.landmarks.numpy()
    exchanged, swapped = facing_camera_swap(landmarks)
    right_is_right = (landmarks[:, RIGHT, 0] > landmarks[:, LEFT, 0]).mean(1)
    assert 0.4 < swapped.mean() < 0.9
    assert (right_is_right[~swapped] > 0.67).all()
    after = (exchanged[:, RIGHT, 0] > exchanged[:, LEFT, 0]).mean(1)
    front = right_is_right < 0.2
    assert front.any()
    assert (after[front] > 0.67).all()
    np.testing.assert_array_equal(facing_camera_swap(exchanged[front])[0], exchanged[front])


def test_faces_are_seen_from_the_front(people) -> None:
    """The head of who faces the camera shows skin, that of who turns away shows hair."""
    landmarks = people.landmarks.numpy()
    right_is_right = (landmarks[:, RIGHT, 0] > landmarks[:, LEFT, 0]).mean(1)
    centre = people.landmarks[:, [14, 15]].mean(1).round().long()
    light = people.images.float().mean(1)[torch.arange(COUNT), centre[:, 1], centre[:, 0]]
    front, back = right_is_right < 0.1, right_is_right > 0.85
    assert light[front].mean() > light[back].mean() + 20
