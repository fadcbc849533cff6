"""Seven subjects: their proportions, and the capsules they are made of and dressed in."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuskbench.data import counter
from tuskbench.data.human36m import LEFT, RIGHT, SUBJECTS

Floats = NDArray[np.float64]

# Deviation of a subject's bones from the average adult's.
BONE_DEVIATION = 0.03
# Every subject keeps its bones whatever the generator's seed.
BONE_SEED = 36
# A border before a capsule's begin: the first colour is nowhere.
BARE = -1.0


@dataclass(frozen=True)
class Capsule:
    """A tapered capsule along part of the line from one joint to another.

    Attributes:
        first: joint the line begins at.
        last: joint it ends at.
        begin: where the capsule begins, as a share of the line.
        end: where it ends.
        radii: at its begin and at its end, in metres.
        dress: what covers it; see `_colours`.
    """

    first: int
    last: int
    begin: float
    end: float
    radii: tuple[float, float]
    dress: str


def _limbs(leg: int, arm: int) -> list[Capsule]:
    """Return one side's limbs, from the first joint of its leg and of its arm."""
    return [
        Capsule(leg, leg + 1, 0, 1, (0.088, 0.062), "thigh"),
        Capsule(leg + 1, leg + 2, 0, 1, (0.060, 0.042), "shin"),
        Capsule(leg + 2, leg + 3, 0, 1, (0.046, 0.040), "shoe"),
        Capsule(leg + 3, leg + 4, 0, 0.7, (0.040, 0.034), "shoe"),
        Capsule(arm + 1, arm + 2, 0, 1, (0.056, 0.044), "arm"),
        Capsule(arm + 2, arm + 3, 0, 1, (0.044, 0.033), "forearm"),
        Capsule(arm + 3, arm + 6, 0, 0.9, (0.036, 0.030), "hand"),
        Capsule(arm + 3, arm + 5, 0, 0.8, (0.020, 0.016), "hand"),
        # The flank, from the hip to below the shoulder.
        Capsule(leg, arm + 1, 0.05, 0.86, (0.095, 0.100), "flank"),
    ]


CAPSULES = (
    *_limbs(1, 24),
    *_limbs(6, 16),
    Capsule(1, 6, 0.1, 0.9, (0.110, 0.110), "hips"),
    Capsule(0, 13, 0.1, 0.85, (0.115, 0.120), "trunk"),
    Capsule(17, 25, 0.12, 0.88, (0.072, 0.072), "shoulders"),
    Capsule(13, 14, 0, 1, (0.062, 0.055), "neck"),
    Capsule(14, 15, 0.1, 0.42, (0.090, 0.098), "head"),
)

# A dress is two colours and where, as a share of the capsule, the first gives way to the second.
Dress = tuple[str, str, float]


def _dresses(subject: Mapping[str, Any]) -> dict[str, Dress]:
    """Return what covers each kind of capsule of a subject."""

    def half(share: float, lower: bool) -> float:
        # A limb is two capsules; a sleeve of 0.5 ends between them.
        border = float(np.clip(2 * share - lower, 0, 1))
        return border or BARE

    sleeves, legs = subject["sleeves"], subject["legs"]
    return {
        "thigh": ("trousers", "skin", half(legs, False)),
        "shin": ("trousers", "skin", half(legs, True)),
        "shoe": ("shoes", "shoes", 1.0),
        "arm": ("shirt", "skin", half(sleeves, False)),
        "forearm": ("shirt", "skin", half(sleeves, True)),
        "hand": ("skin", "skin", 1.0),
        "flank": ("trousers", "shirt", 0.12),
        "hips": ("trousers", "trousers", 1.0),
        "trunk": ("trousers", "shirt", 0.12),
        "shoulders": ("shirt", "shirt", 1.0),
        "neck": ("skin", "skin", 1.0),
        "head": ("hair", "skin", BARE),
    }


@dataclass(frozen=True)
class Wardrobe:
    """Looks and proportions of P people made of Q capsules.

    Attributes:
        lengths: [P, 32] factor of the bone that ends in a joint.
        radii: [P, Q, 2] in metres.
        colours: [P, Q, 2, 3] in [0, 1].
        border: [P, Q] where along a capsule the second colour begins.
        stripes: [P, Q, 2] depth and number of stripes.
        head: [Q] which capsule is the head.
    """

    lengths: Floats
    radii: Floats
    colours: Floats
    border: Floats
    stripes: Floats
    head: NDArray[np.bool_]


@cache
def wardrobe() -> Wardrobe:
    """Return the packaged subjects, in the order of `SUBJECTS`."""
    file = resources.files(__package__) / "subjects.toml"
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    subjects = [content[name] for name in SUBJECTS]
    numbers = np.array([int(name[1:]) for name in SUBJECTS])
    spread = counter.uniform(BONE_SEED, "bones", numbers, 32) * 2 - 1
    # Uniform numbers in [-1, 1) have a standard deviation of 1 / sqrt(3).
    lengths = 1 + BONE_DEVIATION * np.sqrt(3) * spread
    # The collars coincide with the neck.
    lengths[:, 24] = lengths[:, 13]
    lengths[:, LEFT] = lengths[:, RIGHT]
    size = np.array([subject["size"] for subject in subjects])
    build = size * np.array([subject["build"] for subject in subjects])
    dresses = [[_dresses(s)[capsule.dress] for capsule in CAPSULES] for s in subjects]
    colours = [
        [[subject[first], subject[second]] for first, second, _ in dress]
        for subject, dress in zip(subjects, dresses, strict=True)
    ]
    striped = np.array([capsule.dress in ("trunk", "flank") for capsule in CAPSULES])
    stripes = np.array([subject["stripes"] for subject in subjects])
    head = np.array([capsule.dress == "head" for capsule in CAPSULES])
    radii = np.array([capsule.radii for capsule in CAPSULES])
    # A heavy person has no larger head.
    girth = np.where(head, size[:, None], build[:, None])
    return Wardrobe(
        lengths=lengths * size[:, None],
        radii=radii * girth[..., None],
        colours=np.array(colours),
        border=np.array([[border for _, _, border in dress] for dress in dresses]),
        stripes=np.where(striped[:, None], stripes[:, None], 0.0),
        head=head,
    )


def capsule_ends(joints: Floats) -> Floats:
    """Return where the capsules of people with joints [N, 32, 3] begin and end: [N, Q, 2, 3]."""
    first, last = (joints[:, [getattr(c, end) for c in CAPSULES]] for end in ("first", "last"))
    share = np.array([[capsule.begin, capsule.end] for capsule in CAPSULES])[..., None]
    ends: Floats = first[:, :, None] + share * (last - first)[:, :, None]
    return ends
