"""A reference point without a network: blobs, and k-means on the pixels around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from tuskbench.contracts import Batch, Keypoints, TaskInfo
from tuskbench.errors import ConfigurationError
from tuskbench.ops.blobs import find_blobs
from tuskbench.ops.patches import sample_patches
from tuskbench.systems.references import Reference

# How many patches k-means is fitted on at most.
CAPACITY = 16384


class PatchKMeans(Reference):
    """What the pixels alone say: k-means on patches at the blobs of a known size.

    Blobs are found by the Laplacian of a Gaussian as wide as the protocol's box. A system sees
    no truth when it predicts, so this stands in for k-means at the true positions, and is
    honest about localisation besides. Training steps gather patches; the last one clusters.

    Args:
        task: the task (wired by the runner).
        keypoints: K, number of blobs.
        prototypes: M, number of clusters.
        patch: side of a patch in its own pixels; it covers the protocol's box.
    """

    version = "2"
    settings = "patch_kmeans.toml"
    patches: Tensor
    gathered: Tensor
    prototypes: Tensor

    def __init__(
        self,
        task: TaskInfo,
        *,
        keypoints: Annotated[int, Ge(1)] = 9,
        prototypes: Annotated[int, Ge(1)] = 10,
        patch: Annotated[int, Ge(1)] = 8,
    ) -> None:
        super().__init__(task)
        if task.box_side is None:
            expected = "a task with a box side, such as mnist-hard"
            raise ConfigurationError("patch-kmeans", "task", task.name, expected)
        self.side, self.keypoints, self.patch = task.box_side, keypoints, patch
        self.register_buffer("patches", torch.zeros(CAPACITY, patch**2))
        self.register_buffer("gathered", torch.zeros((), dtype=torch.long))
        self.register_buffer("prototypes", torch.zeros(prototypes, patch**2))

    def configure(self, total_steps: int) -> Mapping[str, torch.optim.Optimizer]:
        """Return no optimizer; note when to cluster."""
        self.total_steps = total_steps
        return {}

    @torch.no_grad()
    def fit_step(self, batch: Batch, step: int) -> Mapping[str, Tensor | float]:
        """Gather the batch's patches; after the last batch, cluster."""
        xy, _ = find_blobs(batch.images, self.keypoints, self.side)
        seen = self._describe(batch.images, xy).flatten(0, 1)
        start = int(self.gathered)
        kept = seen[: CAPACITY - start]
        self.patches[start : start + len(kept)] = kept
        self.gathered += len(kept)
        if step == self.total_steps - 1:
            self._cluster()
        return {}

    def _cluster(self) -> None:
        from sklearn.cluster import KMeans

        points = self.patches[: int(self.gathered)].cpu().numpy()
        clusters = min(len(self.prototypes), len(points))
        seed = int(torch.randint(2**31, ()))
        centres = KMeans(clusters, n_init=4, random_state=seed).fit(points).cluster_centers_
        self.prototypes[:clusters] = torch.from_numpy(centres).to(self.prototypes)

    def _describe(self, images: Tensor, xy: Tensor) -> Tensor:
        """Return grey patches [B, K, P * P]."""
        grey = images.float().mean(1, keepdim=True)
        return sample_patches(grey, xy, self.side, self.patch).flatten(2)

    def locate(self, images: Tensor) -> Keypoints:
        """Return blobs, labelled by the nearest cluster."""
        xy, score = find_blobs(images, self.keypoints, self.side)
        descriptor = self._describe(images, xy)
        label = torch.cdist(descriptor, self.prototypes.expand(len(images), -1, -1)).argmin(-1)
        return Keypoints(xy, score, label, descriptor)
