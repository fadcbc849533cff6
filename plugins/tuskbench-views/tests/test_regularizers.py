"""The pair losses keep the regularizers' contract and have the values of their formulas."""

from __future__ import annotations

from typing import Any, ClassVar

from tuskbench.testing import RegularizerConformance


class TestNTXent(RegularizerConformance):
    name = "nt-xent"
    settings: ClassVar[dict[str, Any]] = {"prototypes": 4}


class TestSwappedPrediction(RegularizerConformance):
    name = "swapped-prediction"
    settings: ClassVar[dict[str, Any]] = {"prototypes": 4}


class TestIIC(RegularizerConformance):
    name = "iic"
    settings: ClassVar[dict[str, Any]] = {"prototypes": 4, "fine": 8}
