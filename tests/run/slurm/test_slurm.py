"""The SLURM executor on a real cluster: preemption, time limits, a controller that restarts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from tuskbench.run.executors import make_executor
from tuskbench.run.executors.contract import read_place
from tuskbench.run.executors.slurm_queue import queued
from tuskbench.store import Status, Store
from tuskbench.testing import ExecutorConformance

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.run.slurm.cluster import Cluster
    from tuskbench.cell import Cell

    MakeCell = Callable[..., Cell]

pytestmark = pytest.mark.usefixtures("cluster")

FAST = {"poll_seconds": 0.5, "device": "cpu"}

SPEC = """
title = "Fakes"
seeds = [0, 1]

[task.fake-task]

[system]
name = "fake-system"

[training]
batch_size = 8

[budget.cpu]
"training.steps" = 2500
"system.delay" = 0.03

[table]
columns = ["distance"]
"""


@pytest.mark.usefixtures("cluster")
class TestSlurm(ExecutorConformance):
    name = "slurm"
    settings: ClassVar[dict[str, Any]] = {"poll_seconds": 0.5}


def _command(folder: Path, *arguments: str) -> list[str]:
    (folder / "fakes.toml").write_text(SPEC)
    command = [sys.executable, "-m", "tuskbench", "run", str(folder / "fakes.toml")]
    return [*command, "--budget", "cpu", "--no-figures", "--device", "cpu", *arguments]


def _slurm(folder: Path, *arguments: str) -> list[str]:
    (folder / "tuskbench.toml").write_text("[executor.slurm]\npoll_seconds = 0.5\nminutes = 1\n")
    settings = ["--executor", "slurm", "--executor-set", "warning_seconds=15"]
    return _command(folder, "--out", str(folder / "on-slurm"), *settings, *arguments)


def _until(condition: Callable[[], object], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def _logs(root: Path, text: str) -> int:
    return sum(text in path.read_text() for path in root.glob("cells/*/log.jsonl"))


def _preempted(cluster: Cluster) -> bool:
    return "preempted JobId=" in (cluster.folder / "slurmctld.log").read_text()


def test_preempted_timed_out_and_restarted_the_table_is_that_of_local(
    cluster: Cluster, registered: None, tmp_path: Path
) -> None:
    root = tmp_path / "on-slurm"
    log = tmp_path / "launcher.log"
    with log.open("wb") as stream:
        launcher = subprocess.Popen(_slurm(tmp_path), stdout=subprocess.PIPE, stderr=stream)
    _until(lambda: _logs(root, '"step"') == 2 or launcher.poll() is not None)
    # A job that must run takes the place of one that runs.
    urgent = ["sbatch", "--partition=urgent", "--output=/dev/null", "--wrap=sleep 5"]
    subprocess.run(urgent, check=True, cwd=tmp_path, capture_output=True)
    _until(lambda: _preempted(cluster))
    cluster.stop_controller()
    time.sleep(3)
    assert queued() is None
    cluster.start_controller()
    # Both cells take longer than a job may: what is left is done by the next.
    table, _ = launcher.communicate(timeout=400)
    assert launcher.returncode == 0, log.read_text()
    assert queued() is not None
    said = "\n".join(path.read_text() for path in root.glob("jobs/*/*.err"))
    assert "timed-out" in said
    here = subprocess.run(
        _command(tmp_path, "--out", str(tmp_path / "here"), "--set", "system.delay=0.0"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert _without_seconds(table.decode()) == _without_seconds(here.stdout)
    _same_numbers(root, tmp_path / "here")
    # What is cached is not queued again.
    jobs = sorted(root.glob("jobs/*"))
    subprocess.run(_slurm(tmp_path), check=True, capture_output=True)
    assert sorted(root.glob("jobs/*")) == jobs


def _without_seconds(table: str) -> list[list[str]]:
    """Return the cells of the tables of a report, without the column of training time."""
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")]
    assert rows
    return [[text.strip() for text in row if not text.strip().endswith(" s")] for row in rows]


def _same_numbers(first: Path, second: Path) -> None:
    """Compare every number of two results folders by seed, bit for bit."""
    found = []
    for root in (first, second):
        store = Store(root)
        found.append({cell.seed: (store, record) for cell, record in store.records()})
    assert found[0].keys() == found[1].keys() == {0, 1}
    for seed, (store, record) in found[0].items():
        other_store, other = found[1][seed]
        assert record.metrics == other.metrics
        assert "resumed at step" in record.notes[0]
        for arrays in ("scores", "figures"):
            ours = getattr(store, arrays)(record.id)
            theirs = getattr(other_store, arrays)(other.id)
            assert ours.keys() == theirs.keys()
            assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_detached_cells_are_collected_by_the_same_command(registered: None, tmp_path: Path) -> None:
    quick = ["--set", "training.steps=20", "--set", "system.accident=crash"]
    left = subprocess.run(
        _slurm(tmp_path, *quick, "--detach"), capture_output=True, text=True, check=False
    )
    assert left.returncode == 0, left.stderr
    assert "SLURM has 2 cells in 2 jobs" in left.stderr
    store = Store(tmp_path / "on-slurm")
    ids = [path.name for path in store.root.glob("cells/*")]
    places = [read_place(store, id) for id in ids]
    assert all(place is not None and place.executor == "slurm" for place in places)
    _until(lambda: all(store.read(id) for id in ids))
    jobs = len(list(store.root.glob("jobs/*")))
    collected = subprocess.run(
        _slurm(tmp_path, *quick), capture_output=True, text=True, check=False
    )
    assert collected.returncode == 1
    assert collected.stderr.count("the system fell over") == 2
    assert len(list(store.root.glob("jobs/*"))) == jobs
    for id in ids:
        record = store.read(id)
        assert record is not None
        assert record.failure is not None
        assert record.failure["attempts"] == 1
        assert read_place(store, id) is None


def test_short_cells_share_a_job_that_is_told_nothing_but_ids(
    make_cell: MakeCell, tmp_path: Path
) -> None:
    from submitit.core.utils import DelayedSubmission

    cells = [make_cell(seed) for seed in range(6)]
    executor = make_executor("slurm", tmp_path, {**FAST, "pack_minutes": 1.0})
    futures = executor.submit_all(cells, {cell.id: 15.0 for cell in cells})
    (pickles,) = {len(list(tmp_path.glob("jobs/*/*_submitted.pkl")))}
    assert pickles == 2
    told = [DelayedSubmission.load(p) for p in tmp_path.glob("jobs/*/*_submitted.pkl")]
    ids = sorted(id for one in told for id in one.args[1])
    assert ids == sorted(cell.id for cell in cells)
    assert all(one.args[0] == str(tmp_path) and one.args[2] == "cpu" for one in told)
    assert not any(one.kwargs or vars(one.function)["_futures"] for one in told)
    assert [future.result(120).status for future in futures] == [Status.DONE] * 6
    executor.close()


def test_a_job_that_is_lost_becomes_a_failed_record(make_cell: MakeCell, tmp_path: Path) -> None:
    cell = make_cell(training={"steps": 100_000}, delay=0.01)
    executor = make_executor("slurm", tmp_path, FAST)
    future = executor.submit(cell)
    store = Store(tmp_path)
    _until(lambda: _logs(tmp_path, '"step"'))
    assert future.running()
    place = read_place(store, cell.id)
    assert place is not None
    subprocess.run(["scancel", "--signal=KILL", place.job], check=True)
    record = future.result(60)
    executor.close()
    assert record.failure is not None
    assert record.failure["exception"] == "JobEnded"
    assert place.job in record.failure["message"]
    assert "CANCELLED" in record.failure["message"]


def test_what_slurm_refuses_is_a_sentence(registered: None, tmp_path: Path) -> None:
    result = subprocess.run(
        _slurm(tmp_path, "--executor-set", "partition=nowhere"),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 2
    assert "invalid partition" in result.stderr
    assert "Traceback" not in result.stderr
