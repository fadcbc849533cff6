"""`tuskbench run` from the outside: exit codes, tables, what is computed again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import tuskbench
from tests import fakes
from tuskbench.cli import main
from tuskbench.errors import StoreError

SPEC = """
title = "Fakes"
seeds = [0]

[task.fake-task]

[system]
name = "fake-system"

[training]
batch_size = 8

[[variant]]
label = "quiet"

[[variant]]
label = "noisy"
set = { "noise" = 0.5 }

[budget.smoke]
"training.steps" = 5

[table]
columns = ["distance"]
"""


@pytest.fixture
def folder(install: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec of the fakes, which are registered."""
    site = install("fake-package", {}, fakes.ENTRY_POINTS)
    folders = [site, *(Path(module.__file__ or "").parents[1] for module in (fakes, tuskbench))]
    monkeypatch.setenv("PYTHONPATH", ":".join(map(str, folders)))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fakes.toml").write_text(SPEC)
    return tmp_path


def _run(*arguments: str) -> Result:
    options = ["--budget", "smoke", "--executor", "inline", "--device", "cpu", "--no-figures"]
    return CliRunner().invoke(main, ["run", "fakes.toml", *options, *arguments])


def test_all_done_then_cached(folder: Path) -> None:
    first = _run()
    assert first.exit_code == 0, first.stderr
    assert "| quiet" in first.stdout
    assert first.stderr.count("] done ") == 2
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("record.json")}
    assert len(written) == 2
    second = _run()
    assert second.exit_code == 0
    assert second.stdout == first.stdout
    assert second.stderr == ""
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("record.json")} == written


def test_a_damaged_record_is_computed_again(folder: Path) -> None:
    first = _run()
    for path in folder.rglob("record.json"):
        path.write_text(path.read_text().replace("distance", "dastance"))
    again = _run()
    assert again.exit_code == 0
    assert "warning" in again.stderr
    assert again.stdout == first.stdout


def test_some_failed(folder: Path) -> None:
    result = _run("--set", "system.accident=crash")
    assert result.exit_code == 1
    assert "in train: RuntimeError: the system fell over" in result.stderr
    assert "Traceback" not in result.output
    assert "failed" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "system.width=3"], "an even number"),
        (["--set", "training.batch_sizes=3"], "batch_size"),
        (["--executor", "inlin"], "did you mean 'inline'?"),
        (["--device", "tpu"], "auto, cpu, cuda or cuda:N"),
        (["--jobs", "2"], "executor local"),
        (["--executor-set", "job=2"], "did you mean 'jobs'?"),
        (["--executor-set", "cell_timeout=soon"], "expected a number, more than 0"),
        (["--detach"], "without --detach"),
        (["--budget", "smok"], "smoke"),
        (["--jobs", "0"], "jobs"),
    ],
)
def test_wrong_usage_computes_nothing(folder: Path, arguments: list[str], message: str) -> None:
    result = _run(*arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not list(folder.rglob("cells"))


def test_a_profile_sets_the_executor_and_the_command_line_wins(folder: Path) -> None:
    (folder / "tuskbench.toml").write_text("[executor.inline]\njobs = 2\n")
    refused = _run()
    assert refused.exit_code == 2
    assert "jobs = 2" in refused.stderr
    assert _run("--executor-set", "jobs=1").exit_code == 0


def test_a_spec_says_nothing_of_executors(folder: Path) -> None:
    (folder / "fakes.toml").write_text(SPEC + "[executor.inline]\njobs = 1\n")
    result = _run()
    assert result.exit_code == 2
    assert "executor" in result.stderr


def test_nothing_to_do(folder: Path, install: Any) -> None:
    source = "from tests.fakes import FakeTask\nclass Masked(FakeTask):\n    needs = {'masks'}\n"
    points = "[tuskbench.tasks]\nmasked = masked:Masked\n"
    install("masked-package", {"masked.py": source}, points)
    (folder / "fakes.toml").write_text(SPEC.replace("fake-task", "masked"))
    result = _run()
    assert result.exit_code == 3
    assert "does not provide masks" in result.stderr


def test_a_full_disk_keeps_what_is_done(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, cells = os.replace, set()

    def fill(source: str, target: str) -> None:
        cells.update({Path(target).parent} if "cells" in Path(target).parts else ())
        if len(cells) > 1:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fill)
    result = _run()
    assert result.exit_code == 1
    assert result.stderr.strip().splitlines()[-1].endswith("No space left on device")
    assert "Traceback" not in result.output
    assert len(list(folder.rglob("record.json"))) == 1
    monkeypatch.undo()


def test_ctrl_c_and_go_on(folder: Path) -> None:
    command = [sys.executable, "-m", "tuskbench", "run", "fakes.toml", "--budget", "smoke"]
    command += ["--device", "cpu", "--jobs", "2", "--no-figures"]
    slow = ["--set", "training.steps=150", "--set", "system.delay=0.02"]
    process = subprocess.Popen([*command, *slow], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while sum('"step"' in path.read_text() for path in folder.rglob("log.jsonl")) < 2:
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130, told
    assert "press Ctrl-C again to stop at once" in told
    assert not list(folder.rglob("record.json"))
    assert len(list(folder.rglob("checkpoint.safetensors"))) == 2
    again = subprocess.run([*command, *slow], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "resumed at step" in "".join(p.read_text() for p in folder.rglob("record.json"))
    assert "quiet" in again.stdout


def test_all_that_was_run_into_a_folder_is_reported(folder: Path) -> None:
    for arguments in (("--seeds", "0"), ("--seeds", "1,2"), ("--set", "training.steps=6")):
        result = _run(*arguments)
        assert result.exit_code == 0, result.output
    text = CliRunner().invoke(main, ["report", "tuskbench-results", "--no-figures"]).output
    assert text.count("3 of 3") == 2
    assert text.count("1 of 1") == 2
    assert "training.steps = 6" in text


def test_tables_are_printed_where_figures_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw_all(*arguments: Any, **options: Any) -> None:
        raise StoreError("figures", "cannot be written: No space left on device")

    monkeypatch.setattr("tuskbench.report.figures.draw_all", draw_all)
    result = _run("--figures")
    assert result.exit_code == 0, result.output
    assert "| quiet" in result.stdout
    assert "no figures: figures: cannot be written" in result.stderr
