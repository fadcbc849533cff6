"""Joints in space from joint angles, by forward kinematics along Human3.6M's skeleton."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tuskbench.data.human36m import PARENTS

Floats = NDArray[np.float64]


def _leg(side: int) -> list[tuple[float, float, float]]:
    return [(0, 0.13 * side, 0), (0, 0, -0.44), (0, 0, -0.45), (0.14, 0, -0.05), (0.07, 0, 0)]


def _arm(side: int) -> list[tuple[float, float, float]]:
    to_wrist = [(0, 0, 0.26), (0, 0.165 * side, -0.03), (0, 0, -0.28), (0, 0, -0.25)]
    return [*to_wrist, (0, 0, 0), (0.05, 0, -0.06), (0, 0, -0.1), (0, 0, 0)]


_TRUNK = [(0, 0, 0), (0, 0, 0.24), (0, 0, 0.26), (0.02, 0, 0.12), (0, 0, 0.115)]
OFFSETS: Floats = np.array([(0, 0, 0), *_leg(-1), *_leg(1), *_TRUNK, *_arm(1), *_arm(-1)])
"""[32, 3] offset of every joint from its parent in metres, standing upright: forward, left, up."""


def rotation(axis: int, angle: Floats) -> Floats:
    """Return the rotations [N, 3, 3] about a coordinate axis by `angle` [N] radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.zeros((*angle.shape, 3, 3))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1
    matrix[..., first, first] = matrix[..., second, second] = cosine
    matrix[..., second, first] = sine
    matrix[..., first, second] = -sine
    return matrix


def _turn(*steps: Floats) -> Floats:
    """Return the product of rotations [N, 3, 3], the first one outermost."""
    product = steps[0]
    for step in steps[1:]:
        product = np.einsum("nij,njk->nik", product, step)
    return product


def orientations(angles: Mapping[str, Floats], yaw: Floats) -> dict[str, Floats]:
    """Return the orientation [N, 3, 3] of every body part in the world.

    Args:
        angles: name to [N] radians; see `poses.toml`.
        yaw: [N] radians about the vertical that the body is turned by.
    """

    def bend(part: str, outward: int) -> Floats:
        return _turn(
            rotation(0, outward * angles[f"{part}_abduction"]),
            rotation(1, -angles[f"{part}_flexion"]),
            rotation(2, outward * angles[f"{part}_twist"]),
        )

    root = rotation(2, yaw)
    lower = _turn(root, rotation(1, angles["lean"]), rotation(0, angles["tilt"]))
    upper = _turn(
        lower,
        rotation(1, angles["spine_flexion"]),
        rotation(0, angles["spine_bend"]),
        rotation(2, angles["spine_twist"]),
    )
    head = _turn(
        upper,
        rotation(2, angles["neck_turn"]),
        rotation(1, angles["neck_flexion"]),
        rotation(0, angles["neck_bend"]),
    )
    parts = {"root": root, "lower": lower, "upper": upper, "head": head}
    for side, outward in (("right", -1), ("left", 1)):
        thigh = _turn(root, bend(f"{side}_hip", outward))
        shin = _turn(thigh, rotation(1, angles[f"{side}_knee_flexion"]))
        arm = _turn(upper, bend(f"{side}_shoulder", outward))
        forearm = _turn(arm, rotation(1, -angles[f"{side}_elbow_flexion"]))
        parts |= {f"{side} thigh": thigh, f"{side} shin": shin}
        parts[f"{side} foot"] = _turn(shin, rotation(1, angles[f"{side}_ankle_flexion"]))
        parts |= {f"{side} arm": arm, f"{side} forearm": forearm}
        parts[f"{side} hand"] = _turn(forearm, rotation(1, -angles[f"{side}_wrist_flexion"]))
    return parts


def _limbs(side: str) -> tuple[list[str], list[str]]:
    hand = f"{side} hand"
    leg = ["root", f"{side} thigh", f"{side} shin", f"{side} foot", f"{side} foot"]
    return leg, ["upper", "upper", f"{side} arm", f"{side} forearm", hand, hand, hand, hand]


# The body part that carries the bone which ends in a joint.
CARRIERS = (
    *("root", *_limbs("right")[0], *_limbs("left")[0]),
    *("lower", "lower", "upper", "head", "head"),
    *(*_limbs("left")[1], *_limbs("right")[1]),
)


def joints(
    angles: Mapping[str, Floats], yaw: Floats, lengths: Floats
) -> tuple[Floats, dict[str, Floats]]:
    """Place the joints of people standing on the ground z = 0, the pelvis above the origin.

    Args:
        angles: name to [N] radians.
        yaw: [N] radians.
        lengths: [N, 32] factor of the bone that ends in a joint.

    Returns:
        joints [N, 32, 3] in metres and the orientations of the body parts.
    """
    parts = orientations(angles, yaw)
    placed = np.zeros((len(yaw), len(PARENTS), 3))
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            continue
        offset = OFFSETS[joint] * lengths[:, joint, None]
        step = np.einsum("nij,nj->ni", parts[CARRIERS[joint]], offset)
        placed[:, joint] = placed[:, parent] + step
    placed[..., 2] -= placed[..., 2].min(1, keepdims=True)
    return placed, parts
