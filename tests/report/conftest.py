"""A results folder with every kind of outcome, made of invented numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tuskbench.cell import Cell, Training
from tuskbench.store import Record, Status, Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

METRICS = {
    "localisation": {"doc": "share of objects found", "percent": True, "higher_is_better": True},
    "classification": {"doc": "accuracy", "percent": True, "higher_is_better": True},
    "both": {"doc": "found and right", "percent": True, "higher_is_better": True},
}
VALUES = {
    "reconstruction only": [(0.95, 0.10, 0.095), (0.97, 0.12, 0.115), (0.96, 0.11, 0.105)],
    "single stage": [(0.99, 0.70, 0.69), (0.98, 0.74, 0.72), (0.99, 0.72, 0.71)],
    "all terms": [(0.99, 0.85, 0.84), (0.99, 0.87, 0.86), (0.99, 0.89, 0.88)],
}


class Sweep:
    """Builds the results folder of an invented sweep, cell by cell."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, Store(root)
        self.rows: list[dict[str, Any]] = []
        self.cells: list[dict[str, Any]] = []

    def plan(
        self, variant: str, seed: int = 0, state: str = "planned", reason: str = "", **changes: Any
    ) -> Cell:
        """Add a cell that has no record; `changes` are fields of the cell."""
        content: dict[str, Any] = {
            "task": "mnist-hard",
            "task_settings": {},
            "system": {"name": "invented", "label": variant},
            "training": Training(),
            "seed": seed,
            "budget": "cpu",
            "protocol": "mnist-hard-1",
            "versions": {},
            "data_fingerprint": "0",
            "data_source": "digits (scikit-learn)",
            "variant": variant,
        }
        cell = Cell(**{**content, **changes})
        names = ("id", "variant", "task", "seed")
        planned = {name: getattr(cell, name) for name in names}
        self.cells.append({**planned, "state": state, "reason": reason})
        return cell

    def done(
        self,
        variant: str,
        values: tuple[float, ...],
        seed: int = 0,
        scores: Mapping[str, np.ndarray] | None = None,
        figures: Mapping[str, np.ndarray] | None = None,
        **changes: Any,
    ) -> Cell:
        """Add a finished cell with the values of `METRICS`."""
        cell = self.plan(variant, seed, **changes)
        record = Record(
            id=cell.id,
            status=Status.DONE,
            metrics=dict(zip(METRICS, values, strict=True)),
            cost={"train_seconds": 600.0, "evaluate_seconds": 5.0, "parameters": 3_918_438},
            provenance={"device": "cpu", "processor": "Some CPU", "threads": 1},
        )
        self.store.write(cell, record, scores, figures)
        return cell

    def failed(self, variant: str, message: str, seed: int = 0) -> Cell:
        """Add a cell that failed in training."""
        cell = self.plan(variant, seed)
        failure: Any = {
            "phase": "train",
            "exception": "NonFiniteLossError",
            "message": message,
            "traceback_file": "traceback.txt",
            "attempts": 1,
        }
        self.store.write(cell, Record(id=cell.id, status=Status.FAILED, failure=failure))
        return cell

    def row(self, variant: str, published_row: str | None = None, note: str | None = None) -> None:
        """Add a row to the manifest."""
        self.rows.append({"variant": variant, "published_row": published_row, "note": note})

    def write(self, stem: str = "ablation--cpu", **changes: Any) -> Path:
        """Write the manifest; `changes` are its fields. Return its path."""
        manifest = {
            "schema": 1,
            "title": "Loss terms and training strategy",
            "spec": "ablation.toml",
            "published": "tusk.table4",
            "budget": "cpu",
            "table": {"columns": ["localisation", "classification", "both"], "title": None},
            "rows": self.rows,
            "tasks": ["mnist-hard"],
            "seeds": sorted({cell["seed"] for cell in self.cells}),
            "cells": self.cells,
            "metrics": {"mnist-hard": METRICS},
            "protocols": {"mnist-hard": "mnist-hard-1"},
            "data_sources": {"mnist-hard": "digits (scikit-learn)"},
            **changes,
        }
        path = self.root / "sweeps" / f"{stem}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(manifest))
        return path


def binomial_scores(mean: float, seed: int) -> dict[str, np.ndarray]:
    """Return scores of 200 images whose mean is close to `mean`."""
    generator = np.random.default_rng(seed)
    return {"both": generator.binomial(9, mean, size=200) / 9}


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """An empty sweep to fill."""
    return Sweep(tmp_path)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Three seeds: three variants done (one partly failed), one failed, one skipped."""
    sweep = Sweep(tmp_path / "results")
    for variant, seeds in VALUES.items():
        for seed, values in enumerate(seeds):
            if variant == "reconstruction only" and seed == 2:
                sweep.failed(variant, "loss 'total' became nan at step 40", seed)
            else:
                sweep.done(variant, values, seed, binomial_scores(values[2], seed))
    sweep.failed("larger | deeper", "out of memory\nmore", 0)
    for seed in range(3):
        if seed:
            sweep.plan("larger | deeper", seed)
        sweep.plan("needs masks", seed, "skipped", "tusk provides no masks")
    sweep.row("reconstruction only", "a")
    sweep.row("single stage", "d", "all steps at once")
    sweep.row("all terms", "e")
    sweep.row("larger | deeper")
    sweep.row("needs masks")
    sweep.write()
    return sweep.root
