"""Similarities to prototypes turned into labels that share the descriptors equally."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def balanced_labels(similarity: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Return soft labels [N, M] of similarities [N, M]: rows sum to 1, columns nearly to N / M.

    Sinkhorn's iterations on exp(similarity / epsilon) (Caron et al., NeurIPS 2020, section 3.1),
    in logarithms, so that a small epsilon does not underflow.
    """
    log = similarity.float() / epsilon
    for _ in range(iterations):
        log = log.log_softmax(dim=0).log_softmax(dim=1)
    return log.exp()
