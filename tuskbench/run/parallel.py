"""Several devices for one cell: averaged gradients, equal weights, one decision to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightning_fabric import Fabric
    from torch.optim import Optimizer

# Steps between two agreements on whether to stop, each of which waits for the device.
_INTERVAL = 10


class Parallel:
    """What the processes of a cell do together; does nothing for a single process.

    Systems call `backward` and `step` themselves, so gradients are averaged in a hook that
    runs before each optimizer step.

    Args:
        fabric: Fabric, launched.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.rank, self.size = fabric.global_rank, fabric.world_size
        several = getattr(fabric.strategy, "parallel_devices", None)
        self.devices: list[torch.device] = list(several or [fabric.device])

    def shard(self, index: Tensor) -> Tensor:
        """Return this process's share of a batch's indices [B]: [B / size]."""
        return index[self.rank :: self.size]

    def average_gradients(self, optimizers: Iterable[Optimizer]) -> None:
        """Make every step of the optimizers use the mean gradient over all processes."""
        if self.size > 1:
            for optimizer in optimizers:
                optimizer.register_step_pre_hook(self._average)

    def _average(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        parameters = (p for group in optimizer.param_groups for p in group["params"])
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:
            return
        # One message for all gradients: latency, not size, is what a small network pays for.
        together = torch.cat([gradient.reshape(-1) for gradient in gradients])
        mean = self._reduce(together, "mean")
        parts = mean.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    @torch.no_grad()
    def share(self, system: nn.Module) -> None:
        """Give every process the weights and buffers of the first.

        Averaged gradients keep weights equal; what a system sets by itself, such as
        prototypes placed from descriptors or running means, would differ.
        """
        if self.size > 1:
            for tensor in (*system.parameters(), *system.buffers()):
                torch.distributed.broadcast(tensor.data, src=0)

    def agree(self, stop: bool, step: int) -> bool:
        """Return whether any process wants to stop; all return the same at the same step."""
        if self.size == 1:
            return stop
        if step % _INTERVAL:
            return False
        wish = torch.tensor(float(stop), device=self._fabric.device)
        return bool(self._reduce(wish, "sum").item())

    def _reduce(self, tensor: Tensor, operation: str) -> Tensor:
        reduced = self._fabric.all_reduce(tensor, reduce_op=operation)
        assert isinstance(reduced, Tensor)
        return reduced
