"""The contract of systems: trained step by step, resumed, and asked for predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from tuskbench import registry
from tuskbench.contracts import Prediction, System, TaskInfo
from tuskbench.plan import provided
from tuskbench.run import checkpoint, seeding
from tuskbench.testing.base import ComponentConformance
from tuskbench.testing.components import assert_image, assert_keypoints, assert_masks
from tuskbench.testing.modules import assert_equal, assert_finite
from tuskbench.testing.toys import toy_batch, toy_task
from tuskbench.validation import visible_to

STEPS = 10
"""Number of training steps that a system is told of."""


class SystemConformance(ComponentConformance):
    """Checks for systems on a toy task of coloured squares.

    Attributes:
        device: where the system is tested.
        tolerance: largest difference between predictions alone and in a batch.
        training_tolerance: largest difference between weights of equal trainings; a GPU adds up
            in no fixed order.
    """

    kind = "system"
    device: ClassVar[str] = "cpu"
    tolerance: ClassVar[float] = 1e-4
    training_tolerance: ClassVar[float] = 0.0

    def task(self) -> TaskInfo:
        """Return the task that the system is built for."""
        return toy_task()

    def build(self, seed: int = 0) -> Any:
        """Return the system, initialised under a seed."""
        torch.manual_seed(seed)
        return registry.build(self.kind, self.choice, self.task()).to(self.device)

    def start(self, seed: int = 0) -> tuple[Any, Mapping[str, Any]]:
        """Return the system in training mode and its optimizers."""
        system = self.build(seed)
        return system.train(), system.configure(STEPS)

    def step(self, system: Any, step: int) -> Mapping[str, Tensor | float]:
        """Take a training step as the training loop does; return its losses."""
        seeding.seed_all(0, step)
        batch = visible_to(system, self.name, self.batch())
        return system.fit_step(batch, step)  # type: ignore[no-any-return]

    def batch(self) -> Any:
        """Return a training batch on the device."""
        batch = toy_batch(self.task())
        targets = {name: value.to(self.device) for name, value in batch.targets.items()}
        return type(batch)(batch.images.to(self.device), targets)

    def predict(self, system: Any, count: int = 4) -> Prediction:
        """Return the predictions for the first images of the batch."""
        system.eval()
        seeding.seed_all(0, -1)
        with torch.no_grad():
            return system.predict(self.batch().images[:count])  # type: ignore[no-any-return]

    def test_is_a_system(self) -> None:
        """It has the members of a system and says what it learns from."""
        system = self.build()
        assert isinstance(system, torch.nn.Module)
        assert isinstance(system, System)
        assert self.signature.supervision, "it says `none` where images are enough"
        assert self.signature.provides

    def test_optimizers_hold_what_is_trained(self) -> None:
        """`configure` names its optimizers, none for a system that learns nothing."""
        system, optimizers = self.start()
        owned = {id(parameter) for parameter in system.parameters()}
        for name, optimizer in optimizers.items():
            assert isinstance(optimizer, torch.optim.Optimizer), name
            for group in optimizer.param_groups:
                assert all(id(parameter) in owned for parameter in group["params"]), name

    def test_a_step_trains(self) -> None:
        """A step returns finite losses by name and changes what the optimizers hold."""
        system, optimizers = self.start()
        before = {name: value.clone() for name, value in system.named_parameters()}
        losses = self.step(system, 0)
        assert_finite({name: torch.as_tensor(value) for name, value in losses.items()})
        assert all(torch.as_tensor(value).numel() == 1 for value in losses.values())
        changed = [
            name
            for name, value in system.named_parameters()
            if not torch.equal(value, before[name])
        ]
        assert bool(changed) == bool(optimizers)
        assert bool(losses) == bool(optimizers)
        assert_finite(dict(system.state_dict()))

    def test_a_step_trains_in_bfloat16(self) -> None:
        """The same under autocast to bfloat16, and predictions are finite."""
        system, _ = self.start()
        with torch.autocast(self.device.partition(":")[0], torch.bfloat16):
            losses = self.step(system, 0)
            assert_finite({name: torch.as_tensor(value) for name, value in losses.items()})
            assert_finite(dict(system.state_dict()))
            assert_finite(_tensors(self.predict(system)))

    def test_same_seed_same_training(self) -> None:
        """Two trainings under one seed end in the same weights."""
        states = []
        for _ in range(2):
            system, _ = self.start()
            for step in range(2):
                self.step(system, step)
            states.append(dict(system.state_dict()))
        assert_equal(states[0], states[1], self.training_tolerance)

    def test_training_resumes_from_a_checkpoint(self, tmp_path: Path) -> None:
        """Stopped after a step and loaded into a new system, training ends in the same weights."""
        path = tmp_path / "system.safetensors"
        system, optimizers = self.start()
        self.step(system, 0)
        checkpoint.save(path, system, optimizers, 1, {})
        self.step(system, 1)
        resumed, optimizers = self.start(seed=5)
        step, _ = checkpoint.load(path, resumed, optimizers)
        self.step(resumed, step)
        trained, expected = dict(resumed.state_dict()), dict(system.state_dict())
        assert_equal(trained, expected, self.training_tolerance)

    def test_predicts_what_it_provides(self) -> None:
        """What the class and its components say that they provide is in the prediction."""
        # The components that the system was built from count, not those of its defaults.
        choice = {p.name: p.default for p in self.signature.parameters if not p.required}
        provides = provided("system", {**choice, **self.choice})
        system, _ = self.start()
        prediction = self.predict(system)
        size, keypoints = self.task().image_size, prediction.keypoints
        assert_finite(_tensors(prediction))
        if "keypoints" in provides:
            assert keypoints is not None
            assert (keypoints.score.diff(dim=1) <= 0).all()
        if "labels" in provides:
            assert keypoints is not None
            assert keypoints.label is not None
        if "masks" in provides:
            assert prediction.masks is not None
        if keypoints is not None:
            assert_keypoints(keypoints, 4, size)
        if prediction.masks is not None:
            assert_masks(prediction.masks.cpu(), 4, size)
        if prediction.reconstruction is not None:
            assert_image(prediction.reconstruction, 4, size)

    def test_looks_for_more_objects(self) -> None:
        """A system that can look for more objects finds more, then as many as before."""
        system, _ = self.start()
        if not hasattr(system, "look_for"):
            pytest.skip("it looks for as many objects as in training")
        counts = []
        for objects in (None, 2 * (self.task().objects or 1), None):
            system.look_for(objects)
            prediction = self.predict(system)
            found = _tensors(prediction)
            counts.append(found["masks" if "masks" in found else "xy"].shape[1])
        assert counts[0] == counts[2] <= counts[1]

    def test_prediction_changes_nothing(self) -> None:
        """Weights and buffers are as before, and predictions carry no gradient."""
        system, _ = self.start()
        before = {name: value.clone() for name, value in system.state_dict().items()}
        system.eval()
        for tensor in _tensors(system.predict(self.batch().images)).values():
            assert not tensor.requires_grad
        assert_equal(before, dict(system.state_dict()))

    def test_predictions_do_not_depend_on_the_batch(self) -> None:
        """An image alone gives what it gives among others."""
        system, _ = self.start()
        together = {name: value[:1] for name, value in _tensors(self.predict(system)).items()}
        assert_equal(_tensors(self.predict(system, 1)), together, self.tolerance)

    def test_figures_are_finite_tensors(self) -> None:
        """`figures` returns tensors and leaves the system as it was."""
        system, _ = self.start()
        system.eval()
        before = {name: value.clone() for name, value in system.state_dict().items()}
        assert_finite(dict(system.figures()))
        assert_equal(before, dict(system.state_dict()))


def _tensors(prediction: Prediction) -> dict[str, Tensor]:
    """Return every tensor of a prediction by name."""
    parts = {**vars(prediction), **(vars(prediction.keypoints) if prediction.keypoints else {})}
    return {name: part for name, part in parts.items() if isinstance(part, Tensor)}
