"""What the pixels at the true positions say of the classes: a reference that no system has."""

from __future__ import annotations

import numpy as np

from tuskbench.contracts import Split
from tuskbench.metrics.mapping import count_pairs, fit_mapping
from tuskbench.ops.patches import sample_patches

# Raise it when the same split gets another share.
VERSION = 1
PATCH = 8
# Objects that k-means is fitted and scored on.
OBJECTS = 6000


def pixel_kmeans(split: Split, box_side: float, classes: int) -> float:
    """Return how well k-means on the patches at the true positions classifies, one to one.

    Args:
        split: images with `labels` [N, G], -1 where there is no object, and `boxes` [N, G, 3].
        box_side: side of a patch in pixels of the images.
        classes: number of classes, and of clusters.
    """
    from sklearn.cluster import KMeans

    objects = (split.targets["labels"] >= 0).sum(1).cumsum(0)
    images = 1 + int((objects < OBJECTS).sum())
    labels = split.targets["labels"][:images]
    present = labels >= 0
    grey = split.images[:images].float().mean(1, keepdim=True)
    centres = split.targets["boxes"][:images, :, :2]
    patches = sample_patches(grey, centres, box_side, PATCH).flatten(2)[present].cpu().numpy()
    label = labels[present].cpu().numpy()
    if len(label) < classes:
        return 0.0
    cluster = KMeans(classes, n_init=4, random_state=0).fit_predict(patches).astype(np.int64)
    counts = count_pairs(cluster, label, classes, classes)
    return float(counts[fit_mapping(counts, "bipartite")].sum() / len(label))
