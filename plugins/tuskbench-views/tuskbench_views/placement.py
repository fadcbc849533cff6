"""Prototypes placed where descriptors hang together, not only where they are dense."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuskbench.regularizers.prototypes import Prototypes

# Rows of the similarity matrix that are held at once.
ROWS = 1024


class PlacedPrototypes(Prototypes):
    """Prototypes that start from clusters of the graph of nearest neighbours.

    Args:
        channels: C.
        prototypes: M.
        neighbours: edges of every descriptor in the graph; 0 for k-means on the descriptors.
    """

    def __init__(self, channels: int, prototypes: int, neighbours: int) -> None:
        super().__init__(channels, prototypes)
        self.neighbours = neighbours

    @torch.no_grad()
    def initialise(self, descriptors: Tensor) -> None:
        """Move the prototypes to the means of clusters of unit descriptors [N, C].

        Raises:
            ConfigurationError: if there are fewer descriptors than prototypes.
        """
        modes = len(self.prototypes)
        if len(descriptors) <= max(self.neighbours, modes + 1) or not self.neighbours:
            super().initialise(descriptors)
            return
        points = descriptors.detach().float().cpu()
        seed = int(torch.randint(2**31, ()).item())
        labels = torch.from_numpy(spectral_clusters(points, modes, self.neighbours, seed)).long()
        sums = torch.zeros(modes, points.shape[1]).index_add(0, labels, points)
        self.prototypes.data = sums.div(torch.bincount(labels, minlength=modes)[:, None]).to(
            self.prototypes
        )


def spectral_clusters(points: Tensor, clusters: int, neighbours: int, seed: int) -> NDArray:
    """Return the cluster [N] of unit vectors [N, C] by normalised spectral clustering.

    k-means on the rows, at unit length, of the leading eigenvectors of the graph's normalised
    adjacency (Ng, Jordan and Weiss 2001). An edge joins two points of which one is among the
    other's nearest neighbours, and counts double where both are.
    """
    from scipy.sparse import csr_array, diags_array
    from scipy.sparse.linalg import eigsh
    from sklearn.cluster import KMeans

    count = len(points)
    near = [(rows @ points.T).topk(neighbours + 1).indices[:, 1:] for rows in points.split(ROWS)]
    column = torch.cat(near).flatten().numpy()
    row = np.repeat(np.arange(count), neighbours)
    edges = csr_array((np.ones(len(row)), (row, column)), (count, count))
    edges = edges + edges.T
    scale = diags_array(1 / np.sqrt(edges.sum(1)))
    start = np.random.default_rng(seed).random(count)
    _, vectors = eigsh(scale @ edges @ scale, k=clusters, which="LA", v0=start)
    rows = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
    labels: NDArray = KMeans(clusters, n_init=10, random_state=seed).fit_predict(rows)
    return labels
