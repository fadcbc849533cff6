"""What executors build on: settings that are checked, and notes of where cells are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tuskbench.errors import ConfigurationError, StoreError
from tuskbench.run.executors import make_executor
from tuskbench.run.executors.contract import (
    EXIT_INTERRUPTED,
    EXIT_STORE,
    Ending,
    clear_place,
    outcome,
    read_place,
    record_death,
    record_since,
    write_place,
)
from tuskbench.run.interrupt import Interrupted
from tuskbench.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuskbench.cell import Cell


def test_settings_of_an_executor_are_checked(tmp_path: Path) -> None:
    for settings, message in (
        ({"jobs": "two"}, "jobs = 'two', but expected an integer"),
        ({"jobs": 0}, "at least 1"),
        ({"job": 1}, "did you mean 'jobs'?"),
    ):
        with pytest.raises(ConfigurationError) as raised:
            make_executor("local", tmp_path, settings)
        assert message in str(raised.value)


def test_what_is_given_wins_over_the_profile(tmp_path: Path) -> None:
    profile = {"jobs": 3, "device": "cpu"}
    made = make_executor("local", tmp_path, profile, jobs=2, device=None)
    assert made.slots == 2
    made.close()


def test_the_place_of_a_cell_is_read_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert read_place(store, "abc") is None
    place = write_place(store, "abc", "slurm", "12_3", "jobs/12_3.err")
    assert (place.executor, place.job, place.log) == ("slurm", "12_3", "jobs/12_3.err")
    assert read_place(store, "abc") == place
    clear_place(store, "abc")
    clear_place(store, "abc")
    assert read_place(store, "abc") is None
    (store.folder("abc") / "place.json").write_text('{"job": 3')
    assert read_place(store, "abc") is None


def test_a_record_from_before_is_not_that_of_a_place(
    make_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    store, cell = Store(tmp_path), make_cell()
    record_death(store, cell, "JobEnded", "it was gone")
    place = write_place(store, cell.id, "slurm", "7")
    assert place.failures == 1
    assert record_since(store, cell.id, place) is None
    second = record_death(store, cell, "JobEnded", "it was gone again")
    assert second.failure is not None
    assert second.failure["attempts"] == 2
    assert record_since(store, cell.id, place) == second


@pytest.mark.parametrize(
    ("code", "exception", "phase"),
    [(-9, "SIGKILL", "train"), (-15, "SIGTERM", "train"), (3, "WorkerExit", "train")],
)
def test_a_worker_that_died_gets_its_record(
    make_cell: Callable[..., Cell], tmp_path: Path, code: int, exception: str, phase: str
) -> None:
    store, cell = Store(tmp_path), make_cell()
    record = outcome(store, cell, Ending(code, "its last words", phase))
    assert record == store.read(cell.id)
    assert record.failure is not None
    assert (record.failure["exception"], record.failure["phase"]) == (exception, phase)
    assert (store.folder(cell.id) / "traceback.txt").read_text() == "its last words"


def test_a_worker_that_was_stopped_or_could_not_write_has_no_record(
    make_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    store, cell = Store(tmp_path), make_cell()
    for ending in (Ending(EXIT_INTERRUPTED), Ending(-15, stopped=True)):
        with pytest.raises(Interrupted):
            outcome(store, cell, ending)
    with pytest.raises(StoreError) as raised:
        outcome(store, cell, Ending(EXIT_STORE, "noise\n/results/x\nno space left\n"))
    assert (raised.value.path, raised.value.problem) == ("/results/x", "no space left")
    assert store.read(cell.id) is None


@pytest.mark.parametrize(("executor", "package"), [("slurm", "submitit"), ("ray", "ray")])
def test_an_extra_that_is_missing_is_a_sentence(
    executor: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError, match=rf'pip install "tuskbench\[{executor}\]"'):
        make_executor(executor, tmp_path)


def test_slurm_without_slurm_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="there is no srun here"):
        make_executor("slurm", tmp_path)
