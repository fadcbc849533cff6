"""A component's complaint becomes a line of the spec."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from tuskbench.cli import main

SPEC = """title = "too many"
seeds = [0]

[task.mnist-hard]
source = "digits"

[system]
name = "tusk"

[system.head]
name = "single-heatmap"
keypoints = 900
"""


def run(tmp_path: Path, monkeypatch, *arguments: str):
    monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    command = ["run", str(path), "--budget", "smoke", "--out", str(tmp_path / "out")]
    return CliRunner().invoke(main, [*command, *arguments])


def test_keypoints_that_do_not_fit(tmp_path, monkeypatch) -> None:
    result = run(tmp_path, monkeypatch)
    assert result.exit_code == 2
    assert "spec.toml: line 12: system.head.keypoints: 900, but expected at most" in result.output
    assert not list((tmp_path / "out").glob("cells/*/record.json"))


def test_image_that_cannot_be_halved(tmp_path, monkeypatch) -> None:
    small = ("--set", "system.head.keypoints=9", "--set", "task.canvas=42")
    result = run(tmp_path, monkeypatch, *small)
    assert result.exit_code == 2
    assert "divisible by 4" in result.output
