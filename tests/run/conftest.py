"""The fakes of `tests/fakes.py`, registered as an installed package would be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tuskbench
from tests import fakes
from tuskbench.cell import Cell, Training

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def registered(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the fakes known to this process and to those that it starts."""
    site = install("fake-package", {}, fakes.ENTRY_POINTS)
    folders = [site, *(Path(module.__file__ or "").parents[1] for module in (fakes, tuskbench))]
    monkeypatch.setenv("PYTHONPATH", ":".join(map(str, folders)))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def make_cell(registered: None) -> Callable[..., Cell]:
    """Return a function that makes a cell of the fakes; its arguments change settings."""

    def make(
        seed: int = 0, training: dict[str, Any] | None = None, task: Any = None, **system: Any
    ) -> Cell:
        return Cell(
            task="fake-task",
            task_settings=task or {},
            system={"name": "fake-system", **system},
            training=replace(Training(12, 8), **(training or {})),
            seed=seed,
            budget="smoke",
            protocol="fake/1",
            versions={"task fake-task": "fake-package 1", "system fake-system": "fake-package 1"},
            data_fingerprint="noise",
            data_source="noise (generated)",
            variant="fake",
        )

    return make
