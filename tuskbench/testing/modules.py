"""What holds for every component that is a torch module between tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from tuskbench import registry
from tuskbench.run import checkpoint
from tuskbench.testing.base import ComponentConformance

Outputs = dict[str, Tensor]


def map_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a tensor, or a dataclass of tensors, with `change` applied to every tensor."""
    if isinstance(value, Tensor):
        return change(value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        return replace(value, **{name: map_tensors(part, change) for name, part in parts.items()})
    return value


def tensors(value: Any) -> list[Tensor]:
    """Return a tensor, or the tensors of a dataclass, as a list."""
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    map_tensors(value, note)
    return found


def _trainable(tensor: Tensor) -> Tensor:
    return tensor.requires_grad_() if tensor.is_floating_point() else tensor


def assert_equal(first: Outputs, second: Outputs, tolerance: float = 0.0) -> None:
    """Compare two sets of outputs by name, up to an absolute and relative tolerance."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        other = second[name]
        assert value.shape == other.shape, name
        close = torch.isclose(value, other, tolerance, tolerance, equal_nan=True)
        assert close.all(), f"{name} differs by up to {(value - other).abs().max().item()}"


def assert_finite(outputs: Outputs) -> None:
    """Fail, naming the output, where a value is infinite or not a number."""
    for name, value in outputs.items():
        assert torch.isfinite(value.float()).all(), f"{name} is not finite"


class ModuleConformance(ComponentConformance):
    """Checks for encoders, heads, decoders, regularizers and reconstruction losses.

    Attributes:
        batchwise: whether outputs at inference must not depend on the rest of the batch.
        tolerance: largest difference between outputs alone and in a batch.
        gradients: output to the inputs that its gradient must reach.
    """

    batchwise: ClassVar[bool] = True
    tolerance: ClassVar[float] = 1e-4
    gradients: ClassVar[dict[str, tuple[str, ...]]] = {}

    def wired(self) -> tuple[Any, ...]:
        """Return the positional arguments that a system would wire."""
        return ()

    def inputs(self) -> dict[str, Any]:
        """Return inputs by name, new ones at every call; the first dimension is the batch."""
        raise NotImplementedError

    def outputs(self, module: Any, inputs: dict[str, Any]) -> Outputs:
        """Call the module; return what it returns as named tensors."""
        raise NotImplementedError

    def build(self, seed: int = 0) -> Any:
        """Return the component in inference mode, initialised under a seed."""
        torch.manual_seed(seed)
        return registry.build(self.kind, self.choice, *self.wired()).eval()

    @pytest.fixture
    def component(self) -> Any:
        """Return the instance of all tests that only call it in inference mode."""
        return _shared(type(self))  # type: ignore[arg-type]  # mypy misreads __hash__

    def run(self, module: Any, inputs: dict[str, Any] | None = None) -> Outputs:
        """Return the outputs under a fixed seed, by default for `inputs()`."""
        torch.manual_seed(1)
        return self.outputs(module, self.inputs() if inputs is None else inputs)

    def test_is_a_module(self, component: Any) -> None:
        """It is a torch module, so that systems train, move and save it."""
        assert isinstance(component, nn.Module)

    def test_same_seed_same_component(self, component: Any) -> None:
        """Weights and outputs are a function of the seed."""
        first, second = component, self.build()
        assert_equal(dict(first.state_dict()), dict(second.state_dict()))
        assert_equal(self.run(first), self.run(second))

    def test_outputs_are_finite(self) -> None:
        """In inference and in training."""
        module = self.build()
        assert_finite(self.run(module))
        assert_finite(self.run(module.train()))

    def test_inputs_are_left_alone(self, component: Any) -> None:
        """Nothing is written into the inputs."""
        inputs, before = self.inputs(), self.inputs()
        self.run(component, inputs)
        for name, value in before.items():
            for got, wanted in zip(tensors(inputs[name]), tensors(value), strict=True):
                assert torch.equal(got, wanted), f"{name} was changed"

    def test_state_survives_a_checkpoint(self, component: Any, tmp_path: Path) -> None:
        """A component of other weights gives the same outputs after loading."""
        first, second = component, self.build(5)
        checkpoint.save(tmp_path / "component.safetensors", first, {}, 0, {})
        checkpoint.load_weights(tmp_path / "component.safetensors", second)
        assert_equal(self.run(first), self.run(second))

    def test_gradients_reach_the_inputs(self) -> None:
        """The gradient of every output in `gradients` reaches the inputs named there."""
        module = self.build().train()
        for output, names in self.gradients.items():
            inputs = {name: map_tensors(v, _trainable) for name, v in self.inputs().items()}
            module.zero_grad()
            self.run(module, inputs)[output].float().square().sum().backward()
            for name in names:
                leaf: Any = inputs
                for part in name.split("."):
                    leaf = leaf[part] if isinstance(leaf, dict) else getattr(leaf, part)
                assert leaf.grad is not None, f"{output} does not depend on {name}"
                assert torch.isfinite(leaf.grad).all(), f"gradient of {name} is not finite"
                assert leaf.grad.abs().sum() > 0, f"{output} has no gradient in {name}"

    def test_outputs_do_not_depend_on_the_batch(self, component: Any) -> None:
        """At inference an image alone gives what it gives among others."""
        if not self.batchwise:
            return
        together = self.run(component)
        alone = self.run(
            component, {name: map_tensors(v, lambda t: t[:1]) for name, v in self.inputs().items()}
        )
        first = {name: value[:1] for name, value in together.items()}
        assert_equal(alone, first, self.tolerance)

    def test_works_in_bfloat16(self) -> None:
        """Under autocast to bfloat16 outputs and gradients are finite."""
        module = self.build()
        for training in (False, True):
            module.train(training).zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                outputs = self.run(module)
            assert_finite(outputs)
            trained = [value.float().sum() for value in outputs.values() if value.requires_grad]
            if trained:
                torch.stack(trained).sum().backward()
            for name, parameter in module.named_parameters():
                gradient = parameter.grad
                assert gradient is None or torch.isfinite(gradient).all(), name


@lru_cache(maxsize=1)
def _shared(case: type[ModuleConformance]) -> Any:
    return case().build()
