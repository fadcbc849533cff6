"""The two-stage hourglass and the decoder of Lorenz et al. 2019."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuskbench_landmarks.layers import ConvolutionNormReLU
from tuskbench_landmarks.soft_argmax import spatial_softmax

DROPOUT = 0.2


class Bottleneck(nn.Module):
    """A pre-activated residual block: 1x1 to half the channels, 3x3, 1x1."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        half = max(1, after // 2)
        layers: list[nn.Module] = []
        for inner, outer, kernel in ((before, half, 1), (half, half, 3), (half, after, 1)):
            layers += [
                nn.BatchNorm2d(inner),
                nn.ReLU(),
                nn.Conv2d(inner, outer, kernel, padding=kernel // 2),
            ]
        self.inner = nn.Sequential(*layers)
        self.skip = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, before, H, W] to [B, after, H, W]."""
        output: Tensor = self.inner(x) + self.skip(x)
        return output


class Hourglass(nn.Module):
    """Residual blocks at `depth` resolutions below the input's, joined by addition."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.beside = Bottleneck(channels, channels)
        self.enter = Bottleneck(channels, channels)
        self.inside = (
            Hourglass(channels, depth - 1) if depth > 1 else Bottleneck(channels, channels)
        )
        self.leave = Bottleneck(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        low = self.leave(self.inside(self.enter(F.max_pool2d(x, 2, ceil_mode=True))))
        output: Tensor = F.interpolate(low, x.shape[-2:], mode="nearest") + self.beside(x)
        return output


class Encoder(nn.Module):
    """Images to softmax part maps and a feature map, both at half the size.

    The second stage sees the parts' maps beside the first features, so that features may depend
    on which part is where.

    Args:
        parts: K.
        features: channels of the feature map.
        width: channels of the hourglasses.
        depth: resolutions of the first hourglass below its own; the second has 2.
        sharpness: multiplies the logits of the part maps.
    """

    def __init__(self, parts: int, features: int, width: int, depth: int, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness
        stem = max(8, width // 4)
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 6, 2, 2, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True)
        )
        self.first = Bottleneck(stem, width)
        self.shape = nn.Sequential(
            Hourglass(width, depth), nn.Dropout(DROPOUT), ConvolutionNormReLU(width, width, 1)
        )
        self.parts = nn.Conv2d(width, parts, 1)
        self.back = nn.Conv2d(parts, width, 1)
        self.look = nn.Sequential(
            Hourglass(width, 2), nn.Dropout(DROPOUT), ConvolutionNormReLU(width, width, 1)
        )
        self.features = nn.Conv2d(width, features, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map [B, 3, H, W] to part maps [B, K, H/2, W/2] and features [B, C, H/2, W/2]."""
        first = self.first(self.stem(images))
        maps = spatial_softmax(self.sharpness * self.parts(self.shape(first)))
        features: Tensor = self.features(self.look(first + self.back(maps.to(first.dtype))))
        return maps, features


class Decoder(nn.Module):
    """Encodings at several resolutions to an image, from the coarsest up.

    Args:
        encodings: channels of the encodings, the coarsest first.
        widths: channels at each resolution, the coarsest first.
    """

    def __init__(self, encodings: list[int], widths: list[int]) -> None:
        super().__init__()
        self.mix, self.grow = nn.ModuleList(), nn.ModuleList()
        before = encodings[0]
        for extra, inner, outer in zip(encodings[1:], widths[:-1], widths[1:], strict=True):
            self.mix.append(ConvolutionNormReLU(before, inner))
            self.grow.append(
                nn.Sequential(
                    nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=False),
                    nn.BatchNorm2d(outer),
                    nn.ReLU(inplace=True),
                )
            )
            before = outer + extra
        self.last = nn.Sequential(nn.ZeroPad2d((2, 3, 2, 3)), nn.Conv2d(before, 3, 6))

    def forward(self, encodings: list[Tensor]) -> Tensor:
        """Map encodings [B, C_i, H_i, W_i], the coarsest first, to [B, 3, H, W] in (0, 1)."""
        x = encodings[0]
        for mix, grow, encoding in zip(self.mix, self.grow, encodings[1:], strict=True):
            x = grow(mix(x))
            x = torch.cat([x[..., : encoding.shape[-2], : encoding.shape[-1]], encoding], 1)
        return torch.sigmoid(self.last(x).float())
