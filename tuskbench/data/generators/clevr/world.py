"""Scenes as tensors on a device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tuskbench.data.generators.clevr.camera import camera_basis
from tuskbench.data.generators.clevr.lamps import Lamps
from tuskbench.data.generators.clevr.scenes import COLOURS, MATERIALS, SIZES, SceneTable
from tuskbench.data.generators.clevr.solids import Solids


@dataclass(frozen=True)
class World:
    """N scenes on a device, ready to trace.

    Attributes:
        solids: N * 10, scene by scene.
        albedo: [3, N * 10] linear colour.
        metal: [N * 10] which are of metal.
        camera: [N, 3] positions.
        basis: [N, 3, 3] rows right, up, forward.
        lamps: of each scene.
    """

    solids: Solids
    albedo: Tensor
    metal: Tensor
    camera: Tensor
    basis: Tensor
    lamps: Lamps

    @classmethod
    def of(cls, scenes: SceneTable, device: torch.device | str, dtype: torch.dtype) -> World:
        """Bring a table of scenes to a device."""

        def tensor(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values).to(device, dtype)

        # Absent solids have any size but 0.
        half = np.array([*SIZES.values(), 1.0])[scenes.size].reshape(-1)
        colours = np.array([*COLOURS.values(), (0, 0, 0)])[scenes.colour.reshape(-1)]
        kind = torch.from_numpy(scenes.shape.reshape(-1)).to(device)
        position = tensor(scenes.position.reshape(-1, 3))
        camera = tensor(scenes.camera)
        return cls(
            Solids.of(kind, position, tensor(half), tensor(scenes.rotation.reshape(-1))),
            tensor(colours.T / 255).contiguous(),
            torch.from_numpy(scenes.material.reshape(-1)).to(device) == MATERIALS.index("metal"),
            camera,
            camera_basis(camera),
            Lamps.of(tensor(scenes.lamps)),
        )

    def turn(self, scene: Tensor, seen: Tensor) -> Tensor:
        """Turn vectors [3, n] from the axes of their scenes' cameras to those of the scenes."""
        basis = self.basis.permute(1, 2, 0).index_select(2, scene)
        turned: Tensor = (basis * seen[:, None]).sum(0)
        return turned
