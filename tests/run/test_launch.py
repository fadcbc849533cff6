"""Workers import and compute what their launcher does, and end when they are told to."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tuskbench
from tuskbench.errors import SourceMismatchError, StoreError
from tuskbench.run.executors.inline import InlineExecutor
from tuskbench.run.executors.local import LocalExecutor
from tuskbench.run.interrupt import EXIT_INTERRUPTED
from tuskbench.run.launch import Launch, start_worker
from tuskbench.sources import _digests, check_sources, package_of, sources
from tuskbench.store import Record, Status, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuskbench.cell import Cell

    MakeCell = Callable[..., Cell]

PACKAGE = Path(tuskbench.__file__).parent


def _computed(cell: Cell, root: Path, timeout: float | None = None) -> Record:
    executor = LocalExecutor(root, jobs=1, device="cpu", cell_timeout=timeout)
    try:
        return executor.submit(cell).result(60)
    finally:
        executor.kill()
        executor.close()


def test_files_in_the_current_folder_are_not_executed(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "checkout"
    shutil.copytree(PACKAGE, here / "tuskbench", ignore=shutil.ignore_patterns("__pycache__"))
    mark = f"open({str(tmp_path / 'executed')!r}, 'w')\n"
    for name in ("statistics.py", "kornia.py", "tuskbench/run/worker.py"):
        with (here / name).open("a") as file:
            file.write(mark)
    monkeypatch.chdir(here)
    record = _computed(make_cell(), tmp_path / "out")
    assert record.status is Status.DONE, record.failure
    assert not (tmp_path / "executed").exists()


def test_python_m_in_a_checkout_computes_with_that_checkout(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "tuskbench", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "tuskbench/run/worker.py").open("a") as file:
        file.write(f"open({str(tmp_path / 'executed')!r}, 'w')\n")
    code = (
        "from tuskbench.run.launch import Launch, start_worker\n"
        "from pathlib import Path\n"
        "launch = Launch.here()\n"
        "launch.write(Path('out'))\n"
        "print(start_worker(Path('out'), 'none', 'cpu', launch).wait())\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "executed").exists()


def test_a_package_of_pythonpath_is_found_before_installed_ones(
    make_cell: MakeCell, tmp_path: Path
) -> None:
    # The fakes are known to the worker by $PYTHONPATH alone.
    record = _computed(make_cell(), tmp_path)
    assert record.provenance["libraries"]["fake-package"] == "1.0"


def test_a_worker_with_other_sources_refuses(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = sources()
    seen["tests"]["fakes.py"] = "something else"
    monkeypatch.setattr("tuskbench.run.launch.sources", lambda: seen)
    failure = _computed(make_cell(), tmp_path).failure
    assert failure is not None
    assert (failure["phase"], failure["exception"]) == ("build", "SourceMismatchError")
    assert "the source of tests differs" in failure["message"]
    assert failure["message"].count("tests/fakes.py") == 1
    assert failure["traceback_file"] is None


def test_what_a_cell_does_not_use_may_be_edited(make_cell: MakeCell) -> None:
    seen = sources()
    check_sources(make_cell(), {**seen, "another": {"__init__.py": "edited"}})
    del seen["tuskbench"]["run/loop.py"]
    with pytest.raises(SourceMismatchError, match=r"run/loop\.py"):
        check_sources(make_cell(), seen)


def test_an_edited_source_is_seen_in_the_same_process(
    make_cell: MakeCell, install: Callable[..., Path]
) -> None:
    site = install("edited", {"edited/__init__.py": "A = 1\n"}, "")
    before = _digests("edited")
    (site / "edited" / "__init__.py").write_text("A = 2\n")
    assert _digests("edited").keys() == before.keys()
    assert _digests("edited") != before


def test_packages_of_modules(install: Callable[..., Path]) -> None:
    install("shared", {"shared_space/inner/__init__.py": "", "lonely.py": ""}, "")
    assert package_of("shared_space.inner.deeper") == "shared_space.inner"
    assert package_of("tuskbench.run.loop") == "tuskbench"
    assert package_of("lonely") == "lonely"
    assert package_of("nowhere.to.be.found") == ""


def test_a_damaged_launch_file_is_a_sentence(tmp_path: Path) -> None:
    launch = Launch(["/somewhere"], {})
    launch.write(tmp_path)
    assert Launch.read(tmp_path, launch.name) == launch
    (file,) = (tmp_path / "launches").iterdir()
    file.write_text(file.read_text().replace("some", "any"))
    with pytest.raises(StoreError, match="damaged"):
        Launch.read(tmp_path, launch.name)


def _hanging(cell: Cell, root: Path) -> subprocess.Popen[bytes]:
    """Start a worker and wait until it hangs."""
    Store(root).write_cell(cell)
    launch = Launch.here()
    launch.write(root)
    process = start_worker(root, cell.id, "cpu", launch, output=subprocess.DEVNULL)
    _until(lambda: '"train"' in _log(cell, root))
    time.sleep(0.5)
    return process


def _log(cell: Cell, root: Path) -> str:
    log = Store(root).folder(cell.id) / "log.jsonl"
    return log.read_text() if log.exists() else ""


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_second_signal_ends_a_hung_worker(make_cell: MakeCell, tmp_path: Path) -> None:
    process = _hanging(make_cell(accident="hang"), tmp_path)
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == EXIT_INTERRUPTED


def test_a_hung_worker_ends_after_a_grace_period(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUSKBENCH_GRACE_SECONDS", "0.5")
    process = _hanging(make_cell(accident="hang"), tmp_path)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == EXIT_INTERRUPTED


def test_a_hung_cell_fails_after_its_time(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUSKBENCH_GRACE_SECONDS", "0.2")
    record = _computed(make_cell(accident="hang"), tmp_path, timeout=0.5)
    assert record.failure is not None
    assert record.failure["exception"] == "CellTimeoutError"
    assert "--cell-timeout" in record.failure["message"]
    text = (Store(tmp_path).folder(record.id) / "traceback.txt").read_text()
    assert "most recent call first" in text


def test_a_slow_cell_fails_after_its_time_and_goes_on_when_it_has_more(
    make_cell: MakeCell, tmp_path: Path
) -> None:
    # What takes long the first time only is not to count.
    InlineExecutor(tmp_path, device="cpu").submit(make_cell()).result()
    cell = make_cell(training={"steps": 100}, delay=0.02)
    first = InlineExecutor(tmp_path, device="cpu", cell_timeout=1.0).submit(cell).result()
    assert first.failure is not None
    assert (first.failure["phase"], first.failure["exception"]) == ("train", "CellTimeoutError")
    record = InlineExecutor(tmp_path, device="cpu", cell_timeout=60.0).submit(cell).result()
    assert record.status is Status.DONE, record.failure
    assert record.notes[0].startswith("resumed at step")
