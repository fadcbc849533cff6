"""Masks that take their share of what the masks before them left, in log space."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def break_stick(log_scope: Tensor, logit: Tensor) -> tuple[Tensor, Tensor]:
    """Divide what is left between one mask and those after it.

    Args:
        log_scope: log of what is left, any shape.
        logit: of the share that the mask takes, same shape.

    Returns:
        the logs of the mask and of what is left after it, in 32 bits; they sum to the scope.
    """
    logit = logit.float()
    return log_scope + F.logsigmoid(logit), log_scope + F.logsigmoid(-logit)
