"""Generated CLEVR scenes in the form that files and tasks have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from tuskbench.data.scenes import Scenes

if TYPE_CHECKING:
    from torch import Tensor

Shading = Literal["flat", "lambert", "full"]

CATEGORIES = ("shape", "size", "material", "colour")


def generate(
    count_range: tuple[int, int],
    seed: int,
    stream: str,
    index: NDArray[np.int64],
    *,
    size: tuple[int, int] = (240, 320),
    view: tuple[float, float, float, float] = (0, 0, 240, 320),
    shading: Shading = "full",
) -> Scenes:
    """Generate the scenes of the given indices, on a GPU where there is one.

    The arguments are those of `tuskbench.data.generators.clevr.render`.

    Returns:
        Scenes with the factors that `tuskbench.data.readers.multi_object.CLEVR` reads.
    """
    import torch

    from tuskbench.data.generators.clevr import render

    device = "cuda" if torch.cuda.is_available() else "cpu"
    made = render(
        count_range, seed, stream, index, size=size, view=view, shading=shading, device=device
    )

    def numbers(values: Tensor) -> NDArray:
        return values.cpu().numpy()

    present = numbers(made.shape) >= 0
    factors = {name: numbers(getattr(made, name)).astype(np.int8) for name in CATEGORIES}
    for name in ("position", "rotation", "pixel"):
        values = numbers(getattr(made, name)).astype(np.float32)
        factors[name] = np.where(
            present.reshape(present.shape + (1,) * (values.ndim - 2)), values, 0
        )
    return Scenes(numbers(made.images), numbers(made.masks), factors)
