"""What a newcomer types first: help, list, describe and plan, without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from tuskbench import cli
from tuskbench.errors import StoreError

Install = Callable[..., Path]

SPEC = 'title = "Dots"\nseeds = [0]\n[task.dots]\n[system]\nname = "demo"\n'


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, list(arguments))


def test_help_names_every_command() -> None:
    result = call("--help")
    assert result.exit_code == 0
    for command in cli.COMMANDS:
        assert f"\n  {command} " in result.stdout


def test_version() -> None:
    assert call("--version").stdout.startswith("tuskbench ")


def test_unknown_command_is_told_the_nearest() -> None:
    result = call("plna")
    assert result.exit_code == 2
    assert "no command is named 'plna'; did you mean 'plan'?" in result.stderr
    assert result.stdout == ""


def test_list(demo: Path) -> None:
    result = call("list", "encoder", "--json")
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert rows["blur"] == {
        "kind": "encoder",
        "name": "blur",
        "distribution": "demo-package",
        "version": "2.5",
        "state": "ok",
        "reason": "",
    }
    assert "demo-package" in call("list").stdout
    assert "did you mean 'encoder'" in call("list", "encodr").stderr


def test_list_check_imports(demo: Path) -> None:
    rows = json.loads(call("list", "encoder", "--json", "--check").stdout)
    states = {row["name"]: (row["state"], row["reason"]) for row in rows}
    assert states["blur"] == ("broken", "RuntimeError: imported")
    assert states["sharp"] == ("ok", "")


def test_list_of_conflicts_and_broken_plugins(demo: Path, install: Install) -> None:
    install("rival", {"rival.py": "class Blur: ...\n"}, "[tuskbench.encoders]\nblur = rival:Blur")
    install("poor", {"poor.py": "import nowhere\n"}, "[tuskbench.encoders]\npoor = poor:Poor")
    text = call("list", "encoder").stdout
    assert "registered by demo-package and rival" in text
    assert "imports nowhere, which is not installed" in text


def test_describe(demo: Path) -> None:
    text = call("describe", "encoder", "blur").stdout
    for part in ("Blur images.", "width", "how wide, in pixels", "blur.py:", "demo-package 7"):
        assert part in text
    content = json.loads(call("describe", "task", "dots", "--json").stdout)
    assert content["needs"] == ["keypoints"]
    assert content["metrics"]["found"] == "share of dots found"
    assert content["parameters"][0]["default"] == 64
    assert "did you mean 'blur'" in call("describe", "encoder", "blr").stderr


def test_describe_shows_the_settings_of_an_executor() -> None:
    shown = json.loads(call("describe", "executor", "slurm", "--json").stdout)
    settings = {parameter["name"]: parameter for parameter in shown["parameters"]}
    assert {"jobs", "device", "partition", "minutes", "pack_minutes"} <= set(settings)
    assert settings["minutes"]["default"] == 60
    assert "time limit" in settings["minutes"]["doc"]


def test_plan(demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "dots.toml"
    file.write_text(SPEC)
    out = str(tmp_path / "out")
    options = ("--budget", "cpu", "--out", out, "--seeds", "0,3", "--set", "encoder.kind=gauss")
    content = json.loads(call("plan", str(file), *options, "--json").stdout)
    assert [cell["seed"] for cell in content["cells"]] == [0, 3]
    assert content["cells"][0]["state"] == "new"
    assert content["cells"][0]["system"]["encoder"]["kind"] == "gauss"
    text = call("plan", str(file), *options).stdout
    assert content["cells"][0]["id"] in text
    assert "2 cells under budget 'cpu' (2 new)" in text
    assert not Path(out).exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--seeds", "a"), "expected integers separated by commas"),
        (("--set", "x"), "expected KEY=VALUE"),
        (("--budget", "cup"), "did you mean 'cpu'"),
        (("--set", "training.steps=0"), "at least 1"),
    ],
)
def test_wrong_options(demo: Path, tmp_path: Path, options: tuple[str, ...], sentence: str) -> None:
    file = tmp_path / "dots.toml"
    file.write_text(SPEC)
    result = call("plan", str(file), *options)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stdout == ""


def test_a_wrong_spec_is_sentences_without_a_traceback(tmp_path: Path) -> None:
    result = call("plan", str(tmp_path / "none.toml"))
    assert result.exit_code == 2
    assert result.stderr.strip() == f"{tmp_path / 'none.toml'}: there is no such file"


def test_exit_codes_of_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[BaseException] = [StoreError("x", "full"), KeyboardInterrupt()]

    @click.command()
    def fail() -> None:
        raise raised.pop(0)

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda self, ctx, name: fail)
    result = call("run")
    assert (result.exit_code, result.stderr) == (1, "x: full\n")
    assert call("run").exit_code == 130


def test_nothing_imports_torch(demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "dots.toml"
    file.write_text(SPEC)
    program = """
import sys
from tuskbench.cli import main
for arguments in (["--help"], ["list"], ["describe", "system", "demo"],
                  ["plan", sys.argv[1], "--budget", "cpu"]):
    try:
        main(arguments)
    except SystemExit as stop:
        assert stop.code == 0, (arguments, stop.code)
heavy = {"torch", "timm", "pandas", "scipy", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(demo), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_plan_tells_rules_and_who_gave_every_setting(demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "dots.toml"
    file.write_text(
        'title = "D"\nseeds = [0, 1]\n[task.dots]\n[system]\nname = "demo"\n'
        'encoder.kind = "gauss"\n'
    )
    options = ("--budget", "cpu", "--out", str(tmp_path / "out"), "--set", "training.batch_size=2")
    rules = demo / "demo" / "rules.toml"
    text = call("plan", str(file), *options).stdout
    assert f"{rules}:3: system.rate\n" in text
    assert f"{rules}:8: system.encoder.width" in text
    text = call("plan", str(file), *options, "--settings").stdout
    rows = {row[0]: row[1:] for row in map(str.split, text.splitlines()) if len(row) == 3}
    assert rows["system.encoder.width"] == ["4", f"{rules}:8"]
    assert rows["system.encoder.kind"] == ['"gauss"', f"{file}:6"]
    assert rows["training.batch_size"] == ["2", "--set"]
    assert rows["task.canvas"] == ["64", "default"]
    content = json.loads(call("plan", str(file), *options, "--json").stdout)
    assert content["cells"][0]["origins"]["system.encoder.width"] == f"{rules}:8"
