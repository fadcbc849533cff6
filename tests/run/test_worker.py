"""One cell: its record, its failures, its resumption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from tuskbench.errors import StoreError
from tuskbench.run import checkpoint
from tuskbench.run.interrupt import EXIT_INTERRUPTED, Interrupted, StopFlag
from tuskbench.run.launch import Launch, start_worker
from tuskbench.run.worker import run_cell
from tuskbench.store import Status, Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuskbench.cell import Cell

    MakeCell = Callable[..., Cell]


def test_a_cell_becomes_a_record(make_cell: MakeCell, tmp_path: Path) -> None:
    cell, store = make_cell(), Store(tmp_path)
    record = run_cell(cell, tmp_path, "cpu")
    assert record == store.verify(cell.id)
    assert record.status is Status.DONE
    assert record.metrics["distance"] == pytest.approx(store.scores(cell.id)["distance"].mean())
    assert set(store.figures(cell.id)) == {"found", "weights"}
    assert record.cost["parameters"] == 36 * 2 + 2
    assert record.cost["steps"] == 12
    assert record.cost["train_seconds"] > 0
    assert record.cost["peak_memory_bytes"] > 2**20
    assert record.cost["gpu_energy_joules"] is None
    assert record.provenance["libraries"]["torch"] == torch.__version__
    assert record.provenance["libraries"]["fake-package"] == "1.0"
    log = (store.folder(cell.id) / "log.jsonl").read_text().splitlines()
    last = [event for line in log if "step" in (event := json.loads(line))][-1]
    assert (last["step"], last["total"], set(last["losses"])) == (12, 12, {"square", "constant"})


def test_the_final_checkpoint_holds_weights_and_what_predict_needs(
    make_cell: MakeCell, tmp_path: Path
) -> None:
    cell = make_cell()
    run_cell(cell, tmp_path, "cpu")
    path = Store(tmp_path).folder(cell.id) / "checkpoint.safetensors"
    metadata = checkpoint.read_metadata(path)
    assert metadata["finished"]
    assert metadata["cell"] == json.loads(json.dumps(cell.to_json()))
    assert metadata["task"]["image_size"] == [6, 6]
    assert path.stat().st_size < 4 * 75 + 3000


def test_a_done_cell_is_not_computed_again(make_cell: MakeCell, tmp_path: Path) -> None:
    cell = make_cell()
    first = run_cell(cell, tmp_path, "cpu")
    events: list[Any] = []
    assert run_cell(cell, tmp_path, "cpu", events=events.append) == first
    assert events == []


def test_seeds_differ_and_repeat(make_cell: MakeCell, tmp_path: Path) -> None:
    values = [
        run_cell(make_cell(seed=seed), tmp_path / str(run), "cpu").metrics["distance"]
        for run, seed in enumerate((0, 1, 0))
    ]
    assert values[0] == values[2] != values[1]


def test_bfloat16_is_recorded(make_cell: MakeCell, tmp_path: Path) -> None:
    cell = make_cell(training={"precision": "bf16-mixed"})
    record = run_cell(cell, tmp_path, "cpu")
    assert record.status is Status.DONE, record.failure
    assert record.provenance["precision"] == "bf16-mixed"
    found = Store(tmp_path).figures(cell.id)["found"]
    assert found.dtype == np.float32
    # Eight bits of mantissa are all that autocast leaves.
    np.testing.assert_array_equal(found, torch.from_numpy(found).bfloat16().float().numpy())


FAILURES = {
    "build": ({"width": 3}, {}, "ConfigurationError", "expected an even number"),
    "data": ({}, {"broken": "data"}, "FileNotFoundError", "no noise today"),
    "train": ({"accident": "crash"}, {}, "RuntimeError", "the system fell over"),
    "evaluate": ({}, {"broken": "evaluate"}, "ZeroDivisionError", "nothing to divide by"),
}


@pytest.mark.parametrize("phase", FAILURES)
def test_a_failure_is_a_record(make_cell: MakeCell, tmp_path: Path, phase: str) -> None:
    system, task, exception, message = FAILURES[phase]
    cell, store = make_cell(task=task, **system), Store(tmp_path)
    run_cell(cell, tmp_path, "cpu")
    record = run_cell(cell, tmp_path, "cpu")
    failure = record.failure
    assert record.status is Status.FAILED
    assert failure is not None
    assert (failure["phase"], failure["exception"]) == (phase, exception)
    assert message in failure["message"]
    assert failure["attempts"] == 2
    assert store.read(cell.id) == record
    file = store.folder(cell.id) / "traceback.txt"
    assert file.exists() == (phase != "build")
    assert not file.exists() or exception in file.read_text()


def test_a_loss_that_is_not_finite_fails_at_its_step(make_cell: MakeCell, tmp_path: Path) -> None:
    cell = make_cell(accident="nan", at=7)
    failure = run_cell(cell, tmp_path, "cpu").failure
    assert failure is not None
    assert failure["exception"] == "NonFiniteLossError"
    assert failure["message"] == "loss 'square' became nan at step 7"
    assert failure["traceback_file"] is None


def test_a_stop_is_gone_on_from(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell, stop = make_cell(training={"steps": 30}), StopFlag()
    whole = run_cell(cell, tmp_path / "whole", "cpu")
    monkeypatch.setattr("tuskbench.run.loop.EVENT_SECONDS", 0.0)

    def at_ten(event: Any) -> None:
        if event.get("step") == 10:
            stop.raise_()

    with pytest.raises(Interrupted):
        run_cell(cell, tmp_path / "parts", "cpu", events=at_ten, stop=stop)
    assert Store(tmp_path / "parts").read(cell.id) is None
    resumed = run_cell(cell, tmp_path / "parts", "cpu")
    assert resumed.notes == ["resumed at step 10 of 30"]
    _same(cell, tmp_path / "whole", tmp_path / "parts")
    assert resumed.metrics == whole.metrics


def _same(cell: Cell, first: Path, second: Path) -> None:
    for read in (Store.scores, Store.figures):
        before, after = read(Store(first), cell.id), read(Store(second), cell.id)
        assert before.keys() == after.keys()
        for name, values in before.items():
            np.testing.assert_array_equal(values, after[name], strict=True)


def test_a_damaged_checkpoint_means_training_again(make_cell: MakeCell, tmp_path: Path) -> None:
    cell = make_cell()
    whole = run_cell(cell, tmp_path / "whole", "cpu")
    path = Store(tmp_path / "parts").folder(cell.id) / "checkpoint.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a checkpoint")
    record = run_cell(cell, tmp_path / "parts", "cpu")
    assert record.metrics == whole.metrics
    assert record.notes == ["its checkpoint was damaged; trained again from the first step"]


def test_a_full_disk_is_not_a_failed_cell(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match="No space left on device"):
        run_cell(make_cell(), tmp_path, "cpu")


def _start(cell: Cell, root: Path) -> subprocess.Popen[bytes]:
    Store(root).write_cell(cell)
    launch = Launch.here()
    launch.write(root)
    environment = {**os.environ, "TUSKBENCH_CHECKPOINT_SECONDS": "0"}
    return start_worker(root, cell.id, "cpu", launch, environment=environment)


def _wait_for(path: Path) -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_killed_in_the_middle_ends_in_the_same_numbers(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = make_cell(training={"steps": 60}, delay=0.02)
    process = _start(cell, tmp_path / "parts")
    folder = Store(tmp_path / "parts").folder(cell.id)
    _wait_for(folder / "checkpoint.safetensors")
    time.sleep(0.2)
    process.kill()
    process.wait()
    assert not (folder / "record.json").exists()
    resumed = _start(cell, tmp_path / "parts")
    whole = _start(cell, tmp_path / "whole")
    assert resumed.wait() == whole.wait() == 0
    record = Store(tmp_path / "parts").read(cell.id)
    assert record is not None
    assert record.notes[0].startswith("resumed at step")
    _same(cell, tmp_path / "whole", tmp_path / "parts")


def test_a_terminated_worker_checkpoints_first(make_cell: MakeCell, tmp_path: Path) -> None:
    cell = make_cell(training={"steps": 10_000}, delay=0.01)
    process = _start(cell, tmp_path)
    path = Store(tmp_path).folder(cell.id) / "checkpoint.safetensors"
    _wait_for(path)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == EXIT_INTERRUPTED
    assert not checkpoint.read_metadata(path)["finished"]


def test_two_processes_compute_a_cell_once(make_cell: MakeCell, tmp_path: Path) -> None:
    cell = make_cell(training={"steps": 60}, delay=0.02)
    processes = [_start(cell, tmp_path) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    log = (Store(tmp_path).folder(cell.id) / "log.jsonl").read_text().splitlines()
    assert sum(json.loads(line) == {"phase": "train"} for line in log) == 1
