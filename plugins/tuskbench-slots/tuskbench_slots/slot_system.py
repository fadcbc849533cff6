"""What the systems share: the number of slots, the optimizer and its schedule, prediction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from tuskbench.contracts import Batch, Prediction, TaskInfo
from tuskbench.errors import ConfigurationError

# Seed of the noise behind predictions, the same for every image whatever the batch.
NOISE_SEED = 0


class SlotSystem(nn.Module, ABC):
    """Explain an image by K slots, each with a picture and a mask.

    Args:
        task: the task (wired by the runner).
        slots: K in training; by default one for each object of the task and one for the
            background.
        learning_rate: highest learning rate.
        warmup: share of training over which the learning rate rises linearly from 0.
        decay: factor that the learning rate has fallen by, exponentially, at the end of training.
        gradient_norm: longest gradient; a longer one is scaled down. None for no limit.
    """

    version = "1"
    provides = frozenset({"masks"})
    supervision = "none"
    settings = "object_discovery.toml"

    def __init__(
        self,
        task: TaskInfo,
        *,
        slots: Annotated[int, Ge(2)] | None = None,
        learning_rate: Annotated[float, Gt(0)] = 4e-4,
        warmup: Annotated[float, Ge(0), Le(1)] = 0.0,
        decay: Annotated[float, Gt(0), Le(1)] = 1.0,
        gradient_norm: Annotated[float, Gt(0)] | None = None,
    ) -> None:
        super().__init__()
        self.task = task
        if slots is None:
            if task.objects is None:
                expected = "a number, because the task does not say how many objects there are"
                raise ConfigurationError(type(self).__name__, "slots", slots, expected)
            slots = task.objects + 1
        self.trained_slots = self.slots = slots
        self.learning_rate, self.warmup, self.decay = learning_rate, warmup, decay
        self.gradient_norm = gradient_norm
        self.total_steps = 0

    @abstractmethod
    def make_optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimizer of all parameters at `learning_rate`."""

    @abstractmethod
    def losses(self, images: Tensor) -> dict[str, Tensor]:
        """Return the losses by name whose sum is minimised, from images [B, 3, H, W] in [0, 1]."""

    @abstractmethod
    def explain(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return every slot's picture [B, K, 3, H, W] in [0, 1] and mask [B, K, H, W], repeatably.

        The masks sum to 1 over K. No random numbers but those of `noise` may be used.
        """

    def configure(self, total_steps: int) -> Mapping[str, torch.optim.Optimizer]:
        """Make the optimizer."""
        self.total_steps = total_steps
        self.optimizer = self.make_optimizer(self.parameters())
        return {"all": self.optimizer}

    def fit_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Train once on the batch; return the losses."""
        rate = self.learning_rate * self.rate_factor(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses = self.losses(batch.images)
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        if self.gradient_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters(), self.gradient_norm)
        self.optimizer.step()
        return {name: loss.detach() for name, loss in losses.items()}

    def rate_factor(self, step: int) -> float:
        """Return the learning rate of a step as a share of the highest.

        Decay runs from the first step on, so that it lowers the rate during warm-up too.
        """
        done = (step + 1) / max(1, self.total_steps)
        rising = min(1.0, done / self.warmup) if self.warmup else 1.0
        factor: float = rising * self.decay**done
        return factor

    def look_for(self, objects: int | None) -> None:
        """Use as many slots more than `objects` as there were more than objects in training."""
        if objects is None:
            self.slots = self.trained_slots
        else:
            spare = self.trained_slots - (self.task.objects or self.trained_slots - 1)
            self.slots = max(2, objects + spare)

    def noise(self, *shape: int) -> Tensor:
        """Return standard normal numbers: new ones in training, else always the same."""
        device = next(self.parameters()).device
        if self.training:
            return torch.randn(shape, device=device)
        generator = torch.Generator().manual_seed(NOISE_SEED)
        return torch.randn(shape[1:], generator=generator).to(device).expand(shape)

    @torch.no_grad()
    def predict(self, images: Tensor) -> Prediction:
        """Decompose images [B, 3, H, W] in [0, 1]."""
        layers, masks = (part.float() for part in self.explain(images))
        picture = (masks[:, :, None] * layers).sum(1)
        layers, picture = layers.clamp(0, 1), picture.clamp(0, 1)
        return Prediction(masks=masks, reconstruction=picture, layers=layers)

    def figures(self) -> Mapping[str, Tensor]:
        """Return nothing: what slots hold is seen in predictions alone."""
        return {}
