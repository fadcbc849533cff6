"""`tuskbench run` with plugins that do their worst: their cells fail, and all others are done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import tuskbench
from tests import fakes
from tuskbench.cli import main
from tuskbench.store import Store

SPEC = """
title = "Worst"
seeds = [0]
[task.fake-task]
[training]
batch_size = 8
steps = 5
[[variant]]
label = "good"
system = { name = "fake-system" }
[budget.smoke]
"""

MODULE = """
import ctypes, os
from tests.fakes import FakeSystem
class Stop(BaseException): ...
"""

CLASS = """
class Bad{number}(FakeSystem):
    "Bad."
    version = "1"
    def __init__(self, task): {body}
"""

WORST = {
    "local": {
        "os._exit(0)": "exit code 0 and no record",
        "ctypes.string_at(0)": "SIGSEGV",
        "raise SystemExit(0)": "0",
        "raise KeyboardInterrupt": "no record",
    },
    "inline": {
        "os._exit(0)": "os._exit(0) was called",
        "raise SystemExit(0)": "0",
        "raise Stop('so')": "so",
    },
}


@pytest.mark.parametrize("executor", WORST)
def test_systems_that_do_their_worst_fail_and_the_others_are_done(
    executor: str, install: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, points, spec = MODULE, "[tuskbench.systems]\n", SPEC
    for number, body in enumerate(WORST[executor]):
        module += CLASS.format(number=number, body=body)
        points += f"bad-{number} = bad_system:Bad{number}\n"
        label = f'label = "{number}"\nsystem = {{ name = "bad-{number}" }}\n'
        spec += f"[[variant]]\n{label}"
    install("fake-package", {}, fakes.ENTRY_POINTS)
    site = install("bad-package", {"bad_system.py": module}, points)
    folders = [site, *(Path(module.__file__ or "").parents[1] for module in (fakes, tuskbench))]
    monkeypatch.setenv("PYTHONPATH", ":".join(map(str, folders)))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    file, out = tmp_path / "worst.toml", tmp_path / "out"
    file.write_text(spec)
    options = ["--budget", "smoke", "--executor", executor, "--device", "cpu", "--no-figures"]
    result = CliRunner().invoke(main, ["run", str(file), *options, "--out", str(out)])
    assert result.exit_code == 1, result.output
    found = {}
    for cell, record in Store(out).records(lambda error: None):
        found[cell.variant] = record.failure["message"] if record.failure else record.status
    assert found.pop("good") == "done"
    for number, message in enumerate(WORST[executor].values()):
        assert message in found[str(number)]


def test_a_broken_task_is_no_success(install: Any, tmp_path: Path) -> None:
    install("fake-package", {}, fakes.ENTRY_POINTS)
    source = "class Bad:\n    'No task.'\n    metrics = {}\n"
    install("bad-package", {"bad_task.py": source}, "[tuskbench.tasks]\nbad = bad_task:Bad\n")
    file = tmp_path / "worst.toml"
    file.write_text(SPEC.replace("fake-task", "bad"))
    command = ["run", str(file), "--budget", "smoke", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert "broken bad, good, seed 0: task 'bad' of package bad-package" in result.output
