"""What plugins do wrong while they are planned breaks their own cells, and nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.conftest import Install
from tuskbench.cli import main
from tuskbench.plan import Plan, make_plan, manifest
from tuskbench.spec.load import load

if TYPE_CHECKING:
    from pathlib import Path

SPEC = 'title = "x"\nseeds = [0]\n[task.dots]\n[task.bad]\n[system]\nname = "demo"\n[budget.cpu]\n'

GOOD = """
    def __init__(self): {}
    def fingerprint(self): return "f"
    def data_source(self): return "d"
    def info(self): ...
    def split(self, name): ...
    def evaluate(self, predict): ...
"""

HEAD = """\
import ctypes, os
from tuskbench.contracts import Task
class Stop(BaseException): ...
class Bad({base}):
    "Bad."
    name = "bad"
    protocol = "bad 1"
    needs = frozenset()
    metrics = {{}}
"""


def plan_with(install: Install, tmp_path: Path, module: str) -> Plan:
    points = "[tuskbench.tasks]\nbad = bad_package.task:Bad\n"
    modules = {"bad_package/__init__.py": "", "bad_package/task.py": module}
    install("bad-package", modules, points, folder="bad")
    file = tmp_path / "bad.toml"
    file.write_text(SPEC)
    return make_plan(load(file), budget="cpu", out=tmp_path / "out")


CONSTRUCTORS = {
    "raise ValueError('no\\n way')": "ValueError: no way (",
    "raise SystemExit(0)": "SystemExit: 0 (",
    "raise KeyboardInterrupt": "KeyboardInterrupt: no message (",
    "raise Stop('so')": "Stop: so (",
    "os._exit(0)": "ended the process that asked for it with exit code 0",
    "ctypes.string_at(0)": "ended the process that asked for it by signal 11 (SIGSEGV)",
}


@pytest.mark.parametrize("body", CONSTRUCTORS)
def test_a_constructor_may_do_anything(
    body: str, install: Install, demo: Path, tmp_path: Path
) -> None:
    plan = plan_with(install, tmp_path, HEAD.format(base="Task") + GOOD.format(body))
    assert [planned.state for planned in plan.cells] == ["new", "broken"]
    reason = plan.cells[1].reason
    assert reason.startswith("task 'bad' of package bad-package cannot be loaded: ")
    assert CONSTRUCTORS[body] in reason
    if body.startswith("raise"):
        assert "task.py, line 11)" in reason
    bad = manifest(plan)["cells"][1]
    assert (bad["state"], bad["reason"]) == ("skipped", reason)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (HEAD.format(base="Task"), "TypeError: Can't instantiate abstract class Bad"),
        (HEAD.format(base="object") + GOOD.format("pass"), "no subclass of tuskbench.contracts"),
        (
            HEAD.format(base="Task") + GOOD.format("pass").replace('"f"', "3"),
            "fingerprint() returns 3, but expected text",
        ),
        ("import os\nos._exit(0)\n" + HEAD.format(base="Task") + GOOD, "with exit code 0"),
        ("import ctypes\nctypes.string_at(0)\n" + HEAD.format(base="Task") + GOOD, "SIGSEGV"),
        ("raise KeyboardInterrupt\n" + HEAD.format(base="Task") + GOOD, "KeyboardInterrupt"),
    ],
    ids=["abstract", "base", "answer", "exit", "segfault", "interrupt"],
)
def test_a_task_against_its_contract_is_broken(
    module: str, reason: str, install: Install, demo: Path, tmp_path: Path
) -> None:
    plan = plan_with(install, tmp_path, module)
    assert [planned.state for planned in plan.cells] == ["new", "broken"]
    assert reason in plan.cells[1].reason


def test_nothing_of_a_plugin_is_made_in_this_process(
    install: Install, demo: Path, tmp_path: Path
) -> None:
    note = tmp_path / "pids"
    body = f"open({str(note)!r}, 'a').write(str(os.getpid()) + ' '); print('made')"
    plan = plan_with(install, tmp_path, HEAD.format(base="Task") + GOOD.format(body))
    assert [planned.state for planned in plan.cells] == ["new", "new"]
    pids = note.read_text().split()
    assert len(pids) == 1
    assert pids != [str(os.getpid())]


@pytest.mark.parametrize(
    ("imports", "default", "shown"),
    [
        ("from pathlib import Path", "Path('.')", "PosixPath"),
        ("import enum\nclass Side(enum.Enum):\n    A = 1", "Side.A", "Side"),
        ("", "1j", "complex"),
        ("", "frozenset({1})", "frozenset"),
    ],
)
def test_a_default_that_is_no_json_breaks_its_own_cells(
    imports: str, default: str, shown: str, demo: Path, tmp_path: Path
) -> None:
    source = (
        f"{imports}\nclass Sharp:\n    'Sharp.'\n    def __init__(self, *, at={default}): ...\n"
    )
    (demo / "demo" / "sharp.py").write_text(source)
    file = tmp_path / "defaults.toml"
    file.write_text(
        'title = "x"\nseeds = [0]\n[task.dots]\n[system]\nname = "demo"\n'
        '[[variant]]\nlabel = "good"\n'
        '[[variant]]\nlabel = "bad"\nset = { "encoder.name" = "sharp" }\n'
    )
    plan = make_plan(load(file), budget="cpu", out=tmp_path / "out")
    assert [planned.state for planned in plan.cells] == ["new", "broken"]
    assert f"encoder 'sharp': the default of 'at' is a {shown}" in plan.cells[1].reason
    assert "sharp.py:" in plan.cells[1].reason


def test_a_module_that_ends_the_process_ends_neither_plan_nor_list(
    install: Install, demo: Path, tmp_path: Path
) -> None:
    # An alias as base cannot be followed in the source, so that the class has to be imported.
    source = "import os\nos._exit(0)\nBase = object\nclass Bad(Base):\n    'Bad.'\n"
    points = "[tuskbench.encoders]\nbad = bad_encoder:Bad\n"
    install("bad-package", {"bad_encoder.py": source}, points, folder="bad")
    file = tmp_path / "spec.toml"
    file.write_text(SPEC.replace("[task.bad]\n", "").replace("[bud", 'encoder.name = "bad"\n[bud'))
    result = CliRunner().invoke(main, ["plan", str(file), "--budget", "cpu"])
    assert result.exit_code == 2
    assert "importing bad_encoder ends the process with exit code 0" in result.output
    listed = CliRunner().invoke(main, ["list", "encoder", "--check"])
    assert listed.exit_code == 0
    assert "ended the process that asked for it with exit code 0" in listed.output
    assert "blur" in listed.output
