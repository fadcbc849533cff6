"""A TUSK training step beside the plain way of doing it: images a second and the ratio.

The plain way, written down here as the paper's text suggests it: the encoder runs again for
every prototype step, each of the K keypoints gets a feature map of C channels before they are
summed, the soft-argmax reads the whole map, images are warped one by one, the U-Nets upsample by
`interpolate`, and denormal numbers stay as they are. Both sides do the same work on the same
sizes: U-Net of width 32, 80x80 pixels, K = 9, 8 pairs, 5 prototype steps.

    python benchmarks/tusk_step.py [--repeats 3] [--width 32] [--size 80]
"""

from __future__ import annotations

import argparse
import platform
import time

import torch
import torch.nn.functional as F
from tabulate import tabulate
from torch import Tensor

from tuskbench.contracts import Batch, Keypoints, TaskInfo
from tuskbench.ops.peaks import top_peaks
from tuskbench.ops.unet import UNet
from tuskbench.ops.warp import carried, random_pair
from tuskbench.systems.tusk import Tusk
from tuskbench.tasks.mnist_hard import WARPS

KEYPOINTS, PROTOTYPE_STEPS = 9, 5


class PlainTusk(Tusk):
    """The same components and losses, put together without thought of speed."""

    def fit_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Train once on the batch; return the loss."""
        first, second, grids = self._pairs(batch.images)
        images = torch.cat([first, second])
        features, heatmap, keypoints = self._encode_plainly(images)
        decoded = self._decode_plainly(keypoints)
        half = len(first)
        loss = self.reconstruction(decoded, images)
        descriptors = keypoints.descriptor.flatten(0, 1)
        loss = loss + self.clustering_weight * self.regularizer.descriptor_loss(descriptors)
        for weight, maps in ((0.01, heatmap), (100.0, features)):
            warped = [carried(maps[i : i + 1].float(), grid) for i, grid in enumerate(grids)]
            loss = loss + weight * F.mse_loss(torch.cat(warped), maps[half:].float())
        self.network_optimizer.zero_grad()
        loss.backward()
        self.network_optimizer.step()
        for _ in range(self.prototype_steps):
            _, _, keypoints = self._encode_plainly(images)
            loss = self.regularizer.prototype_loss(keypoints.descriptor.flatten(0, 1))
            self.zero_grad()
            loss.backward()
            self.prototype_optimizer.step()
        return {"total": loss.detach()}

    def _pairs(self, images: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        pairs = [random_pair(image, self.task.warps, 0.0) for image in images[:, None]]
        first, second, grids = zip(*pairs, strict=True)
        return torch.cat(first), torch.cat(second), list(grids)

    def _encode_plainly(self, images: Tensor) -> tuple[Tensor, Tensor, Keypoints]:
        features = plain_unet(self.encoder.network, images)
        with torch.autocast("cpu", enabled=False):
            heatmap = self.head.score(self.head.hidden(features).float())
        window = self.head.window
        peaks = top_peaks(heatmap[:, 0], KEYPOINTS, window)
        height, width = heatmap.shape[-2:]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        near_x = (x - peaks[..., 0, None, None]).abs() <= window // 2
        near_y = (y - peaks[..., 1, None, None]).abs() <= window // 2
        logits = torch.where(near_x & near_y, heatmap / self.head.temperature, -torch.inf)
        weight = logits.flatten(2).softmax(-1).unflatten(-1, (height, width))
        xy = torch.stack([(weight * x).sum((-1, -2)), (weight * y).sum((-1, -2))], -1)
        score = self.head.sample(heatmap, xy)[..., 0]
        descriptor = self.normalise(self.head.sample(features, xy).float())
        return features, heatmap, Keypoints(xy, score, None, descriptor)

    def _decode_plainly(self, keypoints: Keypoints) -> Tensor:
        height, width = self.task.image_size
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        squared = (x - keypoints.xy[..., 0, None, None]) ** 2
        squared = squared + (y - keypoints.xy[..., 1, None, None]) ** 2
        maps = torch.exp(-0.5 * squared / self.decoder.variance)
        maps = maps / maps.sum((-1, -2), keepdim=True).clamp_min(1e-12)
        values = keypoints.score[..., None] * keypoints.descriptor
        canvas = (maps[:, :, None] * values[..., None, None]).sum(1)
        return plain_unet(self.decoder.network, canvas).float().sigmoid()


def plain_unet(network: UNet, x: Tensor) -> Tensor:
    """Run a U-Net with `interpolate` for its upsampling."""
    skips: list[Tensor] = []
    for level, block in enumerate(network.down):
        x = block(network.pool(x) if level else x)
        skips.append(x)
    skips.pop()
    for block in network.up:
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        x = block(torch.cat([x, skips.pop()], dim=1))
    output: Tensor = network.last(x)
    return output


def images_a_second(
    kind: type[Tusk], width: int, size: int, pairs: int, precision: str, repeats: int
) -> float:
    """Return source images a second of the best of `repeats` training steps."""
    torch.manual_seed(0)
    torch.set_flush_denormal(kind is not PlainTusk)
    task = TaskInfo("mnist-hard", (size, size), WARPS)
    system = kind(
        task,
        encoder={"name": "unet", "width": width},
        head={"name": "single-heatmap", "keypoints": KEYPOINTS, "window": 13},
        decoder={"name": "unet-sum", "width": width},
        prototype_steps=PROTOTYPE_STEPS,
        faithful_to="paper",
    )
    system.configure(repeats + 1)
    batch = Batch(torch.rand(pairs, 3, size, size))
    best = float("inf")
    for step in range(repeats + 1):
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            system.fit_step(batch, step)
        if step:
            best = min(best, time.perf_counter() - started)
    return pairs / best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--size", type=int, default=80)
    parser.add_argument("--pairs", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = (options.width, options.size, options.pairs)
    plain = images_a_second(PlainTusk, *sizes, "32-true", options.repeats)
    rows = [["plain", "32-true", plain, 1.0]]
    for precision in ("32-true", "bf16-mixed"):
        fast = images_a_second(Tusk, *sizes, precision, options.repeats)
        rows.append(["tuskbench", precision, fast, fast / plain])
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread")
    print(tabulate(rows, ["way", "precision", "images/s", "times plain"], floatfmt=".2f"))


if __name__ == "__main__":
    main()
