"""The first of everything in a cell is checked against the contracts, component by component."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn

from tuskbench import registry, validation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch
    from torch import Tensor

    from tuskbench.cell import Cell
    from tuskbench.contracts import Batch, Metrics, Prediction, Split, Task, TaskInfo


class Inspector:
    """Checks what task and system of one cell hand on.

    Args:
        cell: the cell.
        task: its task.
        info: what the task says of itself.
        system: its system.
    """

    def __init__(self, cell: Cell, task: Task, info: TaskInfo, system: Any) -> None:
        self._cell, self._task, self._info, self._system = cell, task, info, system
        self._name, self._of = f"system {cell.system['name']}", f"task {cell.task}"

    def split(self, name: str, split: Split) -> Split:
        """Return a split, checked."""
        validation.check_split(self._of, name, split, self._info)
        return split

    def visible(self, batch: Batch) -> Batch:
        """Return a batch as the system may see it."""
        return validation.visible_to(self._system, self._name, batch)

    def batch(self, batch: Batch, device: torch.device) -> None:
        """Check a training batch."""
        validation.check_batch(self._of, batch, self._info, device)

    def prediction(self, prediction: Prediction, images: Tensor) -> None:
        """Check a prediction for images [B, 3, H, W]."""
        labels = getattr(self._system, "label_count", None)
        if labels is None and getattr(prediction, "named", False):
            labels = self._info.classes
        provides = getattr(self._system, "provides", ())
        validation.check_prediction(
            self._name, prediction, images, provides=provides, labels=labels
        )

    def metrics(self, metrics: Metrics) -> None:
        """Check the outcome of the evaluation."""
        validation.check_metrics(self._of, metrics, self._task.metrics)

    @contextmanager
    def parts(self) -> Iterator[None]:
        """Check what the system's own components return while this is entered."""
        signature = registry.signature("system", self._cell.system["name"])
        with ExitStack() as stack:
            for parameter in signature.parameters:
                kind = parameter.component_kind
                part = getattr(self._system, parameter.name, None)
                choice = self._cell.system.get(parameter.name, parameter.default)
                if kind and isinstance(part, nn.Module) and isinstance(choice, Mapping):
                    name = f"{kind} {choice.get('name')}"
                    if kind in _CHECKS:
                        hook = part.register_forward_hook(_hook(name, _CHECKS[kind]))
                        stack.callback(hook.remove)
                    elif kind == "regularizer":
                        stack.enter_context(_labels_checked(name, part))
            yield


def _hook(name: str, check: Callable[..., None]) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        check(name, module, inputs, output)

    return hook


def _check_encoder(name: str, module: Any, inputs: tuple[Any, ...], output: Any) -> None:
    images = inputs[0]
    size = (images.shape[-2], images.shape[-1])
    validation.check_features(name, output, module.channels, images, size)


def _check_head(name: str, module: Any, inputs: tuple[Any, ...], output: Any) -> None:
    features = inputs[0]
    keypoints, heatmap = validation.pair(name, output, "keypoints and score maps")
    size, device = (features.shape[-2], features.shape[-1]), features.device
    labels = getattr(module, "label_count", None)
    # A head in training may leave keypoints in the order of its peaks.
    validation.check_keypoints(
        name, keypoints, len(features), size, device, labels=labels, ordered=not module.training
    )
    shape = (len(features), None, *size)
    validation.check_unit_maps(name, "score maps", heatmap, shape, device)


def _check_decoder(name: str, module: Any, inputs: tuple[Any, ...], output: Any) -> None:
    xy, size = inputs[0].xy, inputs[1]
    picture, masks = validation.pair(name, output, "a reconstruction and masks or None")
    shape = (len(xy), 3, *size)
    validation.check_unit_maps(name, "reconstruction", picture, shape, xy.device)
    if masks is not None:
        validation.check_masks(name, masks, len(xy), size, xy.device)


_CHECKS = {"encoder": _check_encoder, "head": _check_head, "decoder": _check_decoder}


@contextmanager
def _labels_checked(name: str, regularizer: Any) -> Iterator[None]:
    """Check the labels that a regularizer assigns, which is no call of the module itself."""
    assign = regularizer.assign

    def checked(descriptors: Tensor) -> Tensor:
        label: Tensor = assign(descriptors)
        prototypes = regularizer.prototypes
        count = 1 if prototypes is None else len(prototypes)
        shape, device = tuple(descriptors.shape[:-1]), descriptors.device
        validation.check_labels(name, "label", label, shape, device, count)
        return label

    regularizer.assign = checked
    try:
        yield
    finally:
        del regularizer.assign
