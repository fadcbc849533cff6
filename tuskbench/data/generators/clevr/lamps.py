"""The lamps of CLEVR's base scene: three square area lamps pointing at the origin, and a sun."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Key, fill, back, sun.
SIDE = (0.5, 0.5, 1.0)
POWER = (100.0, 30.0, 50.0)
COLOUR = ((1.0, 0.932, 0.817), (0.762, 0.818, 1.0), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0))
SUN_STRENGTH = 0.45
SUN_DIRECTION = (0.4145, -0.1946, 0.889)
# The sun is as good as infinitely far; its extent, a tenth of its distance, is our choice.
SUN_DISTANCE, SUN_SIDE = 100.0, 10.0


@dataclass(frozen=True)
class Lamps:
    """The L = 4 lamps of N scenes.

    Attributes:
        position: [N, L, 3].
        axis: [N, L, 3] unit vectors towards the lit origin.
        edges: [N, L, 2, 3] half sides of the squares.
    """

    position: Tensor
    axis: Tensor
    edges: Tensor

    @classmethod
    def of(cls, area: Tensor) -> Lamps:
        """Build them from the positions [N, 3, 3] of the area lamps."""
        sun = area.new_tensor(SUN_DIRECTION)
        sun = SUN_DISTANCE * sun / sun.norm()
        position = torch.cat([area, sun.expand(len(area), 1, 3)], 1)
        axis = -position / position.norm(dim=-1, keepdim=True)
        up = torch.zeros_like(axis)
        up[..., 2] = 1
        across = torch.linalg.cross(axis, up)
        across = across / across.norm(dim=-1, keepdim=True)
        half = area.new_tensor([*SIDE, SUN_SIDE])[:, None, None] / 2
        return cls(
            position, axis, torch.stack([across, torch.linalg.cross(across, axis)], 2) * half
        )


@dataclass(frozen=True)
class Points:
    """Surface points to light, of all scenes.

    Attributes:
        xyz: [3, n].
        normal: [3, n].
        scene: [n] the scene of each.
        solid: [n] number of the solid each lies on, -1 on the ground.
    """

    xyz: Tensor
    normal: Tensor
    scene: Tensor
    solid: Tensor

    @classmethod
    def join(cls, *parts: Points) -> Points:
        """Return all points, in the given order."""
        return cls(
            torch.cat([part.xyz for part in parts], 1),
            torch.cat([part.normal for part in parts], 1),
            torch.cat([part.scene for part in parts]),
            torch.cat([part.solid for part in parts]),
        )

    def take(self, index: Tensor) -> Points:
        """Return the points at `index`."""
        return Points(
            self.xyz.index_select(1, index),
            self.normal.index_select(1, index),
            self.scene[index],
            self.solid[index],
        )


@dataclass(frozen=True)
class Light:
    """Light that reaches n points from L lamps.

    Attributes:
        direction: [3, L, n] unit vectors to the lamps.
        irradiance: [L, n], without the lamps' colours, shadows included.
        visible: [L, n] visible share of each lamp; 0 from behind the surface.
    """

    direction: Tensor
    irradiance: Tensor
    visible: Tensor

    def take(self, index: Tensor) -> Light:
        """Return the light at the points `index`."""
        return Light(
            self.direction.index_select(2, index),
            self.irradiance.index_select(1, index),
            self.visible.index_select(1, index),
        )

    def split(self, count: int) -> tuple[Light, Light]:
        """Return the light at the first `count` points and at the others."""
        parts = (slice(0, count), slice(count, None))
        first, rest = (
            Light(self.direction[..., part], self.irradiance[:, part], self.visible[:, part])
            for part in parts
        )
        return first, rest

    def total(self) -> Tensor:
        """Return the coloured irradiance [3, n]."""
        return self.irradiance.new_tensor(COLOUR).T @ self.irradiance
