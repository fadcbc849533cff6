"""A component's complaint becomes a line of the spec."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner

from tuskbench import registry
from tuskbench.cli import main
from tuskbench.errors import ConfigurationError
from tuskbench.plan import make_plan
from tuskbench.spec.blame import blame
from tuskbench.spec.load import load

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


WORDS = """
    from tuskbench.errors import ConfigurationError
    class Sharp:
        "Picky."
        def __init__(self, *, width: int = 3, other: int = 1) -> None:
            raise ConfigurationError({component!r}, {parameter!r}, width, "more")
    """


@pytest.mark.parametrize(
    ("component", "parameter", "said"),
    [
        ("picky", "width", "system.encoder.width: 9, but expected more"),
        ("encoder 'picky'", "width", "system.encoder.width: 9, but expected more"),
        ("Picky", "encoder.width", "system.encoder.width: 9, but expected more"),
        ("the U-Net", "system.encoder.width", "system.encoder.width: 9, but expected more"),
        ("", "Width", "system.encoder.width: 9, but expected more"),
        ("", "its two widths", "system.encoder: its two widths = 9, but expected more"),
    ],
)
def test_the_key_is_named_whatever_the_wording(
    component: str, parameter: str, said: str, tmp_path: Path, demo: Path
) -> None:
    source = dedent(WORDS.format(component=component, parameter=parameter))
    (demo / "demo" / "sharp.py").write_text(source)
    file = tmp_path / "words.toml"
    file.write_text(
        'title = "x"\nseeds = [0]\n[task.dots]\n[system]\nname = "demo"\n'
        '[[variant]]\nlabel = "v"\nset = { encoder.name = "sharp", "encoder.width" = 9 }\n'
    )
    plan = make_plan(load(file), budget="cpu", out=tmp_path / "out")
    with pytest.raises(ConfigurationError) as caught:
        registry.build("encoder", plan.cells[0].cell.system["encoder"])
    found = blame(plan.spec, plan.cells, caught.value)
    line = f"{file}: line 8: " if "encoder.width" in said else f"{file}: line 4: "
    assert str(found) == line + said
