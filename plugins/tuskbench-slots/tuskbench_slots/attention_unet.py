"""MONet's attention network: a U-Net that says which part of what is left to explain next."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuskbench.errors import ConfigurationError


class AttentionUNet(nn.Module):
    """Image and log-scope to the logit of the share that the next mask takes.

    Blocks of convolution, instance normalisation and ReLU; nearest resizing between them; a
    perceptron over the whole of the coarsest map.

    Args:
        size: (H, W) of the images.
        width: channels of the finer half of the blocks; the coarser half has twice as many.
        blocks: number of blocks down, and up.
        hidden: channels of the perceptron's two hidden layers.
    """

    def __init__(self, size: tuple[int, int], width: int, blocks: int, hidden: int) -> None:
        super().__init__()
        sizes = [size]
        for _ in range(blocks - 1):
            sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        # A single pixel cannot be normalised by its own mean.
        if min(sizes[-1]) < 2:
            expected = f"fewer, because images of {size[0]} x {size[1]} pixels shrink to nothing"
            raise ConfigurationError("Monet", "attention_blocks", blocks, expected)
        self.sizes = sizes
        widths = [width if block < blocks // 2 else 2 * width for block in range(blocks)]
        inputs = [4, *widths[:-1]]
        self.down = nn.ModuleList(map(_block, inputs, widths))
        coarsest = widths[-1] * sizes[-1][0] * sizes[-1][1]
        self.perceptron = nn.Sequential(
            nn.Linear(coarsest, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, coarsest),
            nn.ReLU(),
        )
        # In the order in which they are used: from the coarsest.
        outputs = [widths[0], *widths[:-1]]
        self.up = nn.ModuleList(
            _block(2 * widths[block], outputs[block]) for block in reversed(range(blocks))
        )
        self.last = nn.Conv2d(widths[0], 1, 1)

    def forward(self, images: Tensor, log_scope: Tensor) -> Tensor:
        """Return logits [B, 1, H, W] from images [B, 3, H, W] and the log-scope [B, 1, H, W]."""
        features = torch.cat([images, log_scope], 1)
        skips: list[Tensor] = []
        for block, size in zip(self.down, self.sizes, strict=True):
            if skips:
                features = F.interpolate(features, size)
            features = block(features)
            skips.append(features)
        features = self.perceptron(features.flatten(1)).view_as(features)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            features = F.interpolate(features, skip.shape[-2:])
            features = block(torch.cat([features, skip], 1))
        logits: Tensor = self.last(features)
        return logits


def _block(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.InstanceNorm2d(outputs, affine=True),
        nn.ReLU(),
    )
