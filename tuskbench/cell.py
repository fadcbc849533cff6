"""A cell: one task, one variant of a system, one seed, one budget, with a content-addressed id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from tuskbench.digest import digest

PRECISIONS = ("32-true", "bf16-mixed")
"""The precisions of Lightning Fabric that a cell may ask for."""


@dataclass(frozen=True)
class Training:
    """How long and how a cell trains.

    Attributes:
        steps: training iterations.
        batch_size: images (before pairs are made of them) an iteration.
        precision: one of `PRECISIONS`.
        devices: devices one cell trains on; gradients are averaged over them.
    """

    steps: int = 1000
    batch_size: int = 32
    precision: str = "32-true"
    devices: int = 1


@dataclass(frozen=True)
class Cell:
    """Everything that decides a record, and the names it is shown under.

    Attributes:
        task: registered name of the task.
        task_settings: the task's settings, defaults filled in.
        system: the system's `name` and settings, nested components likewise, defaults filled in.
        training: see `Training`.
        seed: seed of initialisation, batch order and augmentation.
        budget: name of the budget.
        protocol: the task's protocol with its version.
        versions: version of every component used, by `kind name`.
        data_fingerprint: hash of the data.
        data_source: name of the data, as shown in tables.
        variant: label of the table row; not part of the id.
    """

    task: str
    task_settings: Mapping[str, Any]
    system: Mapping[str, Any]
    training: Training
    seed: int
    budget: str
    protocol: str
    versions: Mapping[str, str]
    data_fingerprint: str
    data_source: str
    variant: str

    def identity(self) -> dict[str, Any]:
        """Return what the id is made of, as JSON-ready values."""
        content = asdict(self)
        del content["variant"], content["data_source"]
        return content

    @property
    def id(self) -> str:
        """Return the first 16 hexadecimal digits of the hash of `identity()`."""
        canonical = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"))
        return digest(canonical)

    def to_json(self) -> dict[str, Any]:
        """Return the cell as JSON-ready values; `from_json` reads them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the cell that `to_json` wrote."""
        return cls(**{**content, "training": Training(**content["training"])})
