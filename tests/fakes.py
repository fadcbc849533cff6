"""A task and a system that train in milliseconds and fail on demand, for tests of running."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge

from tuskbench.contracts import (
    Keypoints,
    MetricInfo,
    Metrics,
    Prediction,
    Split,
    Task,
    TaskInfo,
    WarpSettings,
)
from tuskbench.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from tuskbench.contracts import Batch, Predict

SIZE = 6
STILL = WarpSettings((1.0, 0.0), 0.0, 0.0, 0.0)

ENTRY_POINTS = """
[tuskbench.tasks]
fake-task = tests.fakes:FakeTask
[tuskbench.systems]
fake-system = tests.fakes:FakeSystem
"""


class FakeTask(Task):
    """Find the brightest pixel.

    Args:
        images: images in each split.
        broken: phase in which the task fails, or what it hands on that it must not.
    """

    name = "fake-task"
    protocol = "fake/1"
    needs: ClassVar[frozenset[str]] = frozenset({"keypoints"})
    metrics: ClassVar[Mapping[str, MetricInfo]] = {
        "distance": MetricInfo("pixels", percent=False, higher_is_better=False)
    }
    version = "1"

    def __init__(
        self,
        *,
        images: Annotated[int, Ge(1)] = 20,
        broken: Literal["", "data", "evaluate", "floats", "undeclared", "nan"] = "",
    ) -> None:
        self.images, self.broken = images, broken

    def info(self) -> TaskInfo:
        return TaskInfo(self.name, (SIZE, SIZE), (STILL, STILL))

    def data_source(self) -> str:
        return "noise (generated)"

    def fingerprint(self) -> str:
        return f"noise {self.images}"

    def split(self, name: str) -> Split:
        if self.broken == "data":
            raise FileNotFoundError("no noise today")
        generator = torch.Generator().manual_seed(len(name))
        images = torch.randint(256, (self.images, 1, SIZE, SIZE), generator=generator)
        brightest = images.flatten(1).argmax(1)
        xy = torch.stack([brightest % SIZE, brightest // SIZE], 1).float()
        kept = images.float() if self.broken == "floats" else images.to(torch.uint8)
        return Split(kept, {"xy": xy})

    def evaluate(self, predict: Predict) -> Metrics:
        if self.broken == "evaluate":
            raise ZeroDivisionError("nothing to divide by")
        found = torch.cat([p.keypoints.xy[:, 0] for p in predict("test") if p.keypoints])
        distance = (found - self.split("test").targets["xy"]).norm(dim=1).numpy()
        values = {"distance": np.nan if self.broken == "nan" else distance.mean()}
        if self.broken == "undeclared":
            values["speed"] = 1.0
        figures = {"found": found.numpy()}
        return Metrics(values, {"distance": distance.astype(np.float64)}, {"images": 1}, figures)


def _two(found: Keypoints) -> Prediction:
    score = torch.tensor([0.2, 0.9]).expand(len(found.xy), 2)
    return Prediction(Keypoints(found.xy.expand(-1, 2, -1), score))


_BREACHES = {
    "int64": lambda found: Prediction(Keypoints(found.xy.long(), found.score)),
    "outside": lambda found: Prediction(Keypoints(found.xy + SIZE, found.score)),
    "above one": lambda found: Prediction(Keypoints(found.xy, found.score * 1.5)),
    "unsorted": _two,
    "labels": lambda found: Prediction(Keypoints(found.xy, found.score, found.score.long() - 2)),
    "masks": lambda found: Prediction(found, torch.full((len(found.xy), 1, SIZE, SIZE), 0.5)),
    "absent": lambda found: Prediction(),
}


class FakeSystem(torch.nn.Module):
    """Linear regression on noisy pixels.

    Args:
        task: the task.
        width: has to be even.
        noise: half width of the noise, drawn anew each step.
        accident: what goes wrong at step `at`.
        at: the step.
        delay: seconds a step.
        breach: which rule of the contract is broken.
    """

    provides: ClassVar[frozenset[str]] = frozenset({"keypoints"})
    supervision = "supervised"
    version = "1"

    def __init__(
        self,
        task: TaskInfo,
        *,
        width: int = 2,
        noise: float = 0.1,
        accident: Literal["", "nan", "crash", "kill", "hang"] = "",
        at: int = 3,
        delay: float = 0.0,
        breach: Literal[
            "", "int64", "outside", "above one", "unsorted", "labels", "masks", "absent", "targets"
        ] = "",
    ) -> None:
        super().__init__()
        self.breach = breach
        if breach == "targets":
            self.supervision = "none"
        if width % 2:
            raise ConfigurationError("system fake-system", "width", width, "an even number")
        self.noise, self.accident, self.at, self.delay = noise, accident, at, delay
        self.linear = torch.nn.Linear(SIZE * SIZE, 2)
        self.register_buffer("seen", torch.zeros(()))

    def configure(self, total_steps: int) -> Mapping[str, torch.optim.Optimizer]:
        self.optimizer = torch.optim.Adam(self.parameters(), 0.05, betas=(0.8, 0.99))
        return {"all": self.optimizer}

    def fit_step(self, batch: Batch, step: int) -> Mapping[str, Tensor | float]:
        time.sleep(self.delay)
        if step == self.at and self.accident == "crash":
            raise RuntimeError("the system\nfell over")
        if step == self.at and self.accident == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if step == self.at and self.accident == "hang":
            time.sleep(600)
        images = batch.images + self.noise * torch.rand_like(batch.images)
        loss = (self._xy(images) - batch.targets["xy"]).square().mean()
        if step == self.at and self.accident == "nan":
            loss = loss * float("nan")
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.seen.add_(1)
        return {"square": loss.detach(), "constant": 1.0}

    def _xy(self, images: Tensor) -> Tensor:
        return self.linear(images[:, 0].flatten(1))

    def predict(self, images: Tensor) -> Prediction:
        xy = self._xy(images)[:, None].clamp(0, SIZE - 1)
        found = Keypoints(xy, torch.ones_like(xy[..., 0]))
        return _BREACHES.get(self.breach, Prediction)(found)

    def figures(self) -> Mapping[str, Tensor]:
        return {"weights": self.linear.weight}
