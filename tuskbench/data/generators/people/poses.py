"""Joint angles of people: mixtures of key poses, with noise, within anatomical limits."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIDES = ("right_", "left_")
# A mirrored pose bends and turns the other way.
ODD = frozenset({"tilt", "spine_bend", "spine_twist", "neck_bend", "neck_turn"})
SIDED = ("shoulder_", "elbow_", "wrist_", "hip_", "knee_", "ankle_")


@dataclass(frozen=True)
class Repertoire:
    """What `poses.toml` says, as arrays of A angles in degrees.

    Attributes:
        angles: names of the angles.
        low: [A]; high: [A]; noise: [A] standard deviation.
        poses: [P, A].
        actions: action to the poses it mixes.
        mirror: [A] which angle takes an angle's place in a mirror.
        sign: [A] what it is multiplied by there.
    """

    angles: tuple[str, ...]
    low: Floats
    high: Floats
    noise: Floats
    poses: Floats
    actions: Mapping[str, tuple[int, ...]]
    mirror: NDArray[np.int64]
    sign: Floats


@cache
def repertoire() -> Repertoire:
    """Return the packaged poses."""
    file = resources.files(__package__) / "poses.toml"
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    limits = {
        side + name: values
        for name, values in content["limits"].items()
        for side in (SIDES if name.startswith(SIDED) else ("",))
    }
    angles = tuple(limits)
    place = {name: index for index, name in enumerate(angles)}
    poses = np.zeros((len(content["poses"]), len(angles)))
    for pose, named in zip(poses, content["poses"].values(), strict=True):
        for name, value in named.items():
            pose[place[name]] = value
    order = {name: index for index, name in enumerate(content["poses"])}
    low, high, noise = np.array(list(limits.values()), np.float64).T
    return Repertoire(
        angles=angles,
        low=low,
        high=high,
        noise=noise,
        poses=poses,
        actions={
            action: tuple(order[name] for name in names)
            for action, names in content["actions"].items()
        },
        mirror=np.array([place[_other_side(name)] for name in angles]),
        sign=np.array([-1.0 if name in ODD else 1.0 for name in angles]),
    )


def _other_side(name: str) -> str:
    right, left = SIDES
    if name.startswith(right):
        return left + name.removeprefix(right)
    return right + name.removeprefix(left) if name.startswith(left) else name


def draw_angles(action: NDArray[np.int64], uniform: Floats) -> Mapping[str, Floats]:
    """Draw joint angles.

    Args:
        action: [N] index into the repertoire's actions.
        uniform: [N, 4 + A] numbers in [0, 1): two poses, their mixture, the mirror, noise.

    Returns:
        angle name to [N] radians.
    """
    from scipy.special import ndtri

    known = repertoire()
    most = max(map(len, known.actions.values()))
    # Short lists are padded; the padding is never chosen.
    listed = np.array([poses + poses[:1] * (most - len(poses)) for poses in known.actions.values()])
    length = np.array([len(poses) for poses in known.actions.values()])[action]
    first, second = (
        known.poses[listed[action, (uniform[:, place] * length).astype(np.int64)]]
        for place in (0, 1)
    )
    share = uniform[:, 2:3]
    degrees = first + share * (second - first)
    # Clipped, so that no number in [0, 1) becomes infinite.
    degrees = degrees + known.noise * ndtri(uniform[:, 4:].clip(1e-4, 1 - 1e-4))
    degrees = degrees.clip(known.low, known.high)
    mirrored = degrees[:, known.mirror] * known.sign
    degrees = np.where(uniform[:, 3:4] < 0.5, degrees, mirrored)
    return dict(zip(known.angles, np.deg2rad(degrees).T, strict=True))
