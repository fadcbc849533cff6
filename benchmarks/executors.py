"""What a cell costs beside its own work: sweeps over cells that do nothing.

python benchmarks/executors.py --cells 1000 --jobs 2
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tuskbench.cell import Cell, Training
from tuskbench.run.executors import make_executor
from tuskbench.run.progress import Progress
from tuskbench.run.provenance import processor
from tuskbench.run.sweep import sweep
from tuskbench.store import Store

PACKAGE = {
    "nothing/__init__.py": "",
    "nothing/task.py": """
import numpy as np
import torch

from tuskbench.contracts import MetricInfo, Metrics, Split, Task, TaskInfo, WarpSettings

STILL = WarpSettings((1.0, 0.0), 0.0, 0.0, 0.0)


class NothingTask(Task):
    \"\"\"One black image, whatever is found in it.\"\"\"

    name = "nothing"
    protocol = "nothing/1"
    needs = frozenset()
    metrics = {"found": MetricInfo("nothing")}
    version = "1"

    def info(self):
        return TaskInfo(self.name, (8, 8), (STILL, STILL))

    def data_source(self):
        return "nothing"

    def fingerprint(self):
        return "nothing"

    def split(self, name):
        return Split(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), {})

    def evaluate(self, predict):
        return Metrics({"found": 1.0}, {"found": np.ones(1)}, {"images": 1}, {})
""",
    "nothing/system.py": """
import torch

from tuskbench.contracts import Keypoints, Prediction


class NothingSystem(torch.nn.Module):
    \"\"\"Learn nothing.\"\"\"

    provides = frozenset({"keypoints"})
    supervision = "none"
    version = "1"

    def __init__(self, task):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def configure(self, total_steps):
        return {"all": torch.optim.SGD(self.parameters(), 1.0)}

    def fit_step(self, batch, step):
        return {"nothing": 0.0}

    def predict(self, images):
        xy = images.new_zeros(len(images), 1, 2)
        return Prediction(Keypoints(xy, xy[..., 0]))

    def figures(self):
        return {}
""",
    "nothing-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: nothing\nVersion: 1.0\n",
    "nothing-1.0.dist-info/entry_points.txt": (
        "[tuskbench.tasks]\nnothing = nothing.task:NothingTask\n"
        "[tuskbench.systems]\nnothing = nothing.system:NothingSystem\n"
    ),
}


def install(folder: Path) -> None:
    """Write the package of the task and the system, and import from it."""
    for name, text in PACKAGE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    sys.path.insert(0, str(folder))


def cells(count: int) -> list[Cell]:
    """Return cells that differ in their seed alone."""
    one = Cell(
        task="nothing",
        task_settings={},
        system={"name": "nothing"},
        training=Training(steps=1, batch_size=1),
        seed=0,
        budget="smoke",
        protocol="nothing/1",
        versions={"task nothing": "nothing 1", "system nothing": "nothing 1"},
        data_fingerprint="nothing",
        data_source="nothing",
        variant="nothing",
    )
    return [replace(one, seed=seed) for seed in range(count)]


def seconds(executor: str, count: int, settings: dict[str, object]) -> tuple[float, float]:
    """Return how long a sweep takes to its last record, and the processor time it takes."""
    with tempfile.TemporaryDirectory() as folder:
        progress = Progress(count, Store(folder), Console(file=io.StringIO()))
        began, worked = time.perf_counter(), sum(os.times()[:4])
        made = make_executor(executor, Path(folder), settings, device="cpu")
        outcome = sweep(cells(count), made, progress)
        assert not outcome.failed, outcome.records[0].failure
        assert len(outcome.records) == count
        return time.perf_counter() - began, sum(os.times()[:4]) - worked


def main() -> None:
    """Measure `inline`, `local` and `local` without a warm worker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cold-cells", type=int, default=10, help="of `local` with warm = false")
    options = parser.parse_args()
    print(f"on {processor()}, {options.jobs} jobs")
    # The first cell of a process pays for imports.
    seconds("inline", 1, {})
    jobs = {"jobs": options.jobs}
    for title, executor, count, settings in (
        ("inline", "inline", options.cells, {}),
        ("local", "local", options.cells, jobs),
        ("local, warm = false", "local", options.cold_cells, {**jobs, "warm": False}),
    ):
        if count:
            took, worked = (1000 * total / count for total in seconds(executor, count, settings))
            print(f"{title}: {count} cells, {took:.1f} ms a cell, {worked:.1f} ms of it on a core")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as site:
        install(Path(site))
        main()
