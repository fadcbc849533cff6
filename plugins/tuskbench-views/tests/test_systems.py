"""The system keeps its contract, takes its stages in turn, and runs from the shipped spec."""

from __future__ import annotations

from typing import Any, ClassVar

from tuskbench.testing import SystemConformance

SMALL: dict[str, Any] = {
    "encoder": {"name": "unet", "width": 4, "depth": 2},
    "decoder": {"name": "unet-sum", "width": 4, "depth": 2},
    "head": {"name": "single-heatmap", "keypoints": 3, "window": 5},
    "reduction": 2,
    "glimpse": 8,
    "width": 4,
    "channels": 8,
    "contrast": {"name": "nt-xent", "prototypes": 4},
    "regularizer": {"name": "swapped-prediction", "prototypes": 4},
}


class TestDetectorStage(SystemConformance):
    name = "views"
    settings: ClassVar[dict[str, Any]] = SMALL


class TestContrastStage(SystemConformance):
    name = "views"
    settings: ClassVar[dict[str, Any]] = {**SMALL, "stages": (0, 0.1, 0.9, 0), "colour": True}


class TestSelfLabelStage(SystemConformance):
    name = "views"
    settings: ClassVar[dict[str, Any]] = {
        **SMALL,
        "stages": (0, 0, 0, 1),
        "certainty": 0.0,
        "decoder": {"name": "unet-alpha", "width": 4, "depth": 2},
    }
