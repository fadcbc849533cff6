"""The conformance kit: pytest classes that tell whether a component keeps its kind's contract.

A plugin's tests derive one class from the class of its kind and name the component:

    from tuskbench.testing import HeadConformance

    class TestMyHead(HeadConformance):
        name = "my-head"
        settings = {"keypoints": 4}

The component must be registered, by an installed package or by `tuskbench.registry.register`.
"""

from __future__ import annotations

import pytest

# Before the imports: pytest shows the values in a failed assertion only of modules named here.
pytest.register_assert_rewrite(
    *(
        f"tuskbench.testing.{module}"
        for module in ("base", "components", "executors", "modules", "systems", "tasks", "toys")
    )
)

from tuskbench.testing.base import ComponentConformance  # noqa: E402
from tuskbench.testing.components import (  # noqa: E402
    DecoderConformance,
    EncoderConformance,
    HeadConformance,
    ReconstructionConformance,
    RegularizerConformance,
)
from tuskbench.testing.executors import ExecutorConformance  # noqa: E402
from tuskbench.testing.modules import ModuleConformance  # noqa: E402
from tuskbench.testing.systems import SystemConformance  # noqa: E402
from tuskbench.testing.tasks import TaskConformance, in_batches  # noqa: E402
from tuskbench.testing.toys import toy_batch, toy_task  # noqa: E402

__all__ = [
    "CONFORMANCE",
    "ComponentConformance",
    "DecoderConformance",
    "EncoderConformance",
    "ExecutorConformance",
    "HeadConformance",
    "ModuleConformance",
    "ReconstructionConformance",
    "RegularizerConformance",
    "SystemConformance",
    "TaskConformance",
    "in_batches",
    "toy_batch",
    "toy_task",
]

CONFORMANCE: dict[str, type[ComponentConformance]] = {
    case.kind: case
    for case in (
        EncoderConformance,
        HeadConformance,
        DecoderConformance,
        RegularizerConformance,
        ReconstructionConformance,
        SystemConformance,
        TaskConformance,
        ExecutorConformance,
    )
}
"""The class of every kind of component."""
