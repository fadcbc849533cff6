"""The local executor: a process a cell, whatever becomes of it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.processes import lives
from tuskbench.cell import Training
from tuskbench.errors import ConfigurationError, StoreError
from tuskbench.run.device import DevicePool, environment
from tuskbench.run.executors.contract import record_death
from tuskbench.run.executors.local import LocalExecutor
from tuskbench.run.interrupt import Interrupted
from tuskbench.run.worker import run_cell
from tuskbench.store import Record, Status, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuskbench.cell import Cell

    MakeCell = Callable[..., Cell]


@pytest.fixture
def executor(tmp_path: Path, registered: None) -> Iterator[LocalExecutor]:
    made = LocalExecutor(tmp_path, jobs=2, device="cpu")
    yield made
    made.kill()
    made.close()


@pytest.mark.parametrize("warm", [True, False])
def test_done_killed_and_crashed_side_by_side(
    warm: bool, make_cell: MakeCell, tmp_path: Path
) -> None:
    executor = LocalExecutor(tmp_path, jobs=2, device="cpu", warm=warm)
    cells = [make_cell(), make_cell(accident="kill"), make_cell(accident="crash")]
    done, killed, crashed = [f.result(60) for f in [executor.submit(cell) for cell in cells]]
    assert done.status is Status.DONE
    assert killed.failure is not None
    assert (killed.failure["phase"], killed.failure["exception"]) == ("train", "SIGKILL")
    assert "memory" in killed.failure["message"]
    assert crashed.failure is not None
    assert crashed.failure["exception"] == "RuntimeError"
    assert Store(tmp_path).read(cells[1].id) == killed
    executor.close()


def test_a_stopped_cell_goes_on_from_where_it_was(
    executor: LocalExecutor, make_cell: MakeCell, tmp_path: Path
) -> None:
    cell = make_cell(training={"steps": 10_000}, delay=0.01)
    future = executor.submit(cell)
    log = Store(tmp_path).folder(cell.id) / "log.jsonl"
    while not log.exists() or '"step"' not in log.read_text():
        time.sleep(0.05)
    executor.stop()
    assert isinstance(future.exception(20), Interrupted)
    assert (log.parent / "checkpoint.safetensors").exists()
    assert isinstance(executor.submit(make_cell()).exception(20), Interrupted)


def test_a_folder_that_cannot_be_written_is_a_store_error(
    registered: None, make_cell: MakeCell, tmp_path: Path
) -> None:
    cell = make_cell()
    (Store(tmp_path).folder(cell.id) / "log.jsonl").mkdir(parents=True)
    executor = LocalExecutor(tmp_path, jobs=1, device="cpu")
    error = executor.submit(cell).exception(60)
    executor.close()
    assert isinstance(error, StoreError)
    assert "log.jsonl" in error.path


def test_an_orphan_checkpoints_and_ends(make_cell: MakeCell, tmp_path: Path) -> None:
    cell = make_cell(training={"steps": 10_000}, delay=0.01)
    parent, child = _launched(cell, tmp_path)
    log = Store(tmp_path).folder(cell.id) / "log.jsonl"
    while not log.exists() or '"step"' not in log.read_text():
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    _wait_for_the_end(child)
    assert (log.parent / "checkpoint.safetensors").exists()


def test_an_orphan_that_still_imports_ends_at_once(make_cell: MakeCell, tmp_path: Path) -> None:
    cell = make_cell(training={"steps": 10_000}, delay=0.01)
    parent, child = _launched(cell, tmp_path)
    parent.kill()
    parent.wait()
    _wait_for_the_end(child)
    assert not (Store(tmp_path).folder(cell.id) / "checkpoint.safetensors").exists()


def _launched(cell: Cell, root: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start a launcher that starts a worker; return the first and the second's number."""
    Store(root).write_cell(cell)
    code = (
        "import pathlib, sys, time\n"
        "from tuskbench.run.launch import Launch, start_worker\n"
        "root, launch = pathlib.Path(sys.argv[1]), Launch.here()\n"
        "launch.write(root)\n"
        "print(start_worker(root, sys.argv[2], 'cpu', launch).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(root), cell.id], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


def _wait_for_the_end(process: int) -> None:
    until = time.monotonic() + 20
    while lives(process):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_two_processes_train_as_one(
    executor: LocalExecutor, make_cell: MakeCell, tmp_path: Path
) -> None:
    parallel = make_cell(training={"devices": 2}, noise=0.0)
    single = make_cell(noise=0.0)
    record = executor.submit(parallel).result(120)
    assert record.status is Status.DONE, record.failure
    run_cell(single, tmp_path, "cpu")
    store = Store(tmp_path)
    # The mean of both halves' gradients is the gradient of the whole batch.
    weights = [store.figures(cell.id)["weights"] for cell in (parallel, single)]
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-3, atol=1e-5)


def test_small_cells_share_a_gpu_and_one_can_have_it_alone() -> None:
    pool = DevicePool(["cuda:0", "cuda:1"], jobs_per_gpu=2)
    assert (pool.jobs, pool.shares) == (4, True)
    assert pool.acquire(1) == ["cuda:0"]
    assert pool.acquire(1, alone=True) == ["cuda:1", "cuda:1"]
    assert pool.acquire(1) == ["cuda:0"]
    pool.release(["cuda:1", "cuda:1"])
    assert pool.acquire(1) == ["cuda:1"]
    assert not DevicePool(["cuda:0"]).shares
    assert not DevicePool(["cpu"], 4).shares


def test_a_cell_that_shares_too_little_memory_runs_again_alone(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor, cell = LocalExecutor(tmp_path, jobs=1, device="cpu"), make_cell()
    executor._devices = DevicePool(["cuda:0"], jobs_per_gpu=3)
    had: list[list[str]] = []

    def compute(cell: Cell, devices: list[str]) -> Record:
        had.append(devices)
        if len(devices) == 3:
            return Record(cell.id, Status.DONE)
        store = Store(tmp_path)
        return record_death(store, cell, "OutOfMemoryError", "CUDA out of memory", "train")

    monkeypatch.setattr(executor, "_compute", compute)
    assert executor.submit(cell).result(10).status is Status.DONE
    assert had == [["cuda:0"], ["cuda:0"] * 3]
    executor.close()


def test_devices_are_shared_out() -> None:
    pool = DevicePool(["cuda:0", "cuda:1"], jobs=4)
    assert sorted(pool.acquire(2)) == ["cuda:0", "cuda:1"]
    assert sorted(pool.acquire(2)) == ["cuda:0", "cuda:1"]
    pool.release(["cuda:1"])
    assert pool.acquire(1) == ["cuda:1"]
    with pytest.raises(ConfigurationError, match="at most 2"):
        pool.check(Training(devices=3))
    assert DevicePool(["cuda:0", "cuda:1"]).jobs == 2


def test_cpu_workers_get_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert environment(on_cpu=True)["OMP_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in environment(on_cpu=False)
    assert environment(on_cpu=True)["OMP_WAIT_POLICY"] == "PASSIVE"
