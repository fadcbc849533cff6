"""The order in which settings override one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tuskbench.spec.layers import Resolved, resolve_cell
from tuskbench.spec.load import load
from tuskbench.spec.resolve import Findings

if TYPE_CHECKING:
    from pathlib import Path

BASE = 'title = "x"\nseeds = [0]\n[task.dots]\n[system]\nname = "demo"\n'


def resolve(folder: Path, text: str, budget: str = "paper", **options: Any) -> Resolved:
    file = folder / "spec.toml"
    file.write_text(text)
    spec = load(file)
    findings = Findings(spec)
    resolved = resolve_cell(spec, spec.tasks[0], spec.rows()[-1], budget, findings, **options)
    assert not findings.all()
    return resolved


@pytest.fixture(autouse=True)
def _installed(demo: Path) -> None:
    """Install the demonstration package."""


def test_defaults_then_rules(tmp_path: Path) -> None:
    found = resolve(tmp_path, BASE)
    assert found.task == {"canvas": 64, "source": "auto"}
    blur = {"name": "blur", "width": 9, "kind": "box", "sides": [1, 0.5]}
    demo = {"name": "demo", "rate": 0.2, "faithful_to": "code", "encoder": blur}
    assert found.system == demo
    assert found.training.steps == 700
    assert found.training.batch_size == 32


def test_rules_of_a_source(tmp_path: Path) -> None:
    assert resolve(tmp_path, BASE, source="paper").training.batch_size == 3
    assert resolve(tmp_path, BASE, source="ink").training.batch_size == 32


def test_the_spec_overrides_rules_without_a_budget(tmp_path: Path) -> None:
    text = BASE + "rate = 1\nencoder.width = 20\n[training]\nsteps = 3\n"
    found = resolve(tmp_path, text)
    assert found.system["rate"] == 1.0
    assert isinstance(found.system["rate"], float)
    assert found.system["encoder"]["width"] == 20
    assert found.training.steps == 3


def test_rules_of_a_budget_override_the_spec(tmp_path: Path) -> None:
    text = BASE + "encoder.width = 20\n[training]\nsteps = 3\n"
    found = resolve(tmp_path, text, "cpu")
    assert (found.system["encoder"]["width"], found.training.steps) == (4, 30)
    assert found.budget_defined
    assert not resolve(tmp_path, BASE, "gpu").budget_defined


def test_late_layers(tmp_path: Path) -> None:
    text = BASE + '[budget.cpu]\n"encoder.width" = 5\n'
    assert resolve(tmp_path, text, "cpu").system["encoder"]["width"] == 5
    text += '[[variant]]\nlabel = "v"\nset = { "encoder.width" = 6 }\n'
    assert resolve(tmp_path, text, "cpu").system["encoder"]["width"] == 6
    text += '[sweep]\n"system.encoder.width" = [7]\n'
    assert resolve(tmp_path, text, "cpu").system["encoder"]["width"] == 7
    found = resolve(tmp_path, text, "cpu", overrides={"encoder.width": 8, "task.canvas": 2})
    assert found.system["encoder"]["width"] == 8
    assert found.task["canvas"] == 2


def test_a_label_of_the_sweep_is_shown_and_sets_nothing(tmp_path: Path) -> None:
    text = BASE + '[sweep]\nencoder = [{ label = "wide", width = 7 }]\n'
    found = resolve(tmp_path, text + 'task = [{ label = "as it is" }, { canvas = 2 }]\n')
    assert found.system["encoder"]["width"] == 7
    assert found.task["canvas"] == 2
    rows = load(tmp_path / "spec.toml").rows()
    assert [row.label for row in rows] == ["demo, wide, as it is", "demo, wide, task={'canvas': 2}"]
    assert [row.name for row in rows] == ["demo, wide"] * 2
    assert rows[0].condition == "as it is"


def test_a_row_that_is_not_swept_follows_the_task_alone(tmp_path: Path) -> None:
    text = BASE + '[[variant]]\nlabel = "a"\n[[variant]]\nlabel = "b"\nswept = false\n'
    resolve(tmp_path, text + '[sweep]\n"encoder.width" = [6, 7]\n"task.canvas" = [2, 3]\n')
    rows = load(tmp_path / "spec.toml").rows()
    assert [row.name for row in rows if row.condition == "task.canvas=2"] == [
        "a, encoder.width=6",
        "a, encoder.width=7",
        "b",
    ]
    assert len(rows) == 6


def test_another_component_takes_only_the_rules_that_it_has(tmp_path: Path) -> None:
    found = resolve(tmp_path, BASE + 'encoder = { name = "sharp", power = 1 }\n', "cpu")
    assert found.system["encoder"] == {"name": "sharp", "power": 2.0, "faithful_to": "code"}


def test_the_default_of_a_component_gives_nothing_to_another_of_its_kind(
    tmp_path: Path, demo: Path
) -> None:
    source = (demo / "demo" / "sharp.py").read_text().replace("power: float", "width: int = 1")
    (demo / "demo" / "sharp.py").write_text(source)
    from tuskbench.registry import static

    static.forget()
    found = resolve(tmp_path, BASE + 'encoder = { name = "sharp" }\n')
    assert found.system["encoder"]["width"] == 1


def test_components_are_faithful_to_what_their_system_is(tmp_path: Path) -> None:
    text = BASE + 'faithful_to = "paper"\nencoder = { name = "sharp", power = 1 }\n'
    assert resolve(tmp_path, text).system["encoder"]["faithful_to"] == "paper"
    text = text.replace("power = 1", 'power = 1, faithful_to = "code"')
    assert resolve(tmp_path, text).system["encoder"]["faithful_to"] == "code"


SIDES = BASE + 'encoder = { name = "sharp", power = 1 }\n'
SIDE_RULE = """
    [[settings]]
    budget = "cpu"
    set = { "system.encoder[sharp].faithful_to" = "paper", "training.steps" = 30 }
    """


@pytest.mark.parametrize(
    "said",
    [
        SIDES.replace("[system]\n", '[system]\nfaithful_to = "code"\n'),
        SIDES.replace("power = 1", 'power = 1, faithful_to = "code"'),
        SIDES + '[budget.cpu]\n"faithful_to" = "code"\n',
        SIDES + '[[variant]]\nlabel = "v"\nset = { faithful_to = "code" }\n',
        SIDES + '[sweep]\n"system.faithful_to" = ["code"]\n',
    ],
)
def test_the_side_that_a_spec_takes_overrides_the_rules_of_every_budget(
    said: str, tmp_path: Path, demo: Path
) -> None:
    rules = demo / "demo" / "rules.toml"
    rules.write_text(rules.read_text() + SIDE_RULE)
    assert resolve(tmp_path, said, "cpu").system["encoder"]["faithful_to"] == "code"


def test_a_rule_chooses_a_side_where_the_spec_takes_none(tmp_path: Path, demo: Path) -> None:
    rules = demo / "demo" / "rules.toml"
    rules.write_text(rules.read_text() + SIDE_RULE)
    assert resolve(tmp_path, SIDES, "cpu").system["encoder"]["faithful_to"] == "paper"
    found = resolve(tmp_path, SIDES, "cpu", overrides={"faithful_to": "code"})
    assert found.system["encoder"]["faithful_to"] == "code"


def test_problems_of_the_command_line_have_its_key(tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    file.write_text(BASE)
    spec = load(file)
    findings = Findings(spec)
    overrides = {"training.stps": 1, "encoder.width": 0}
    resolve_cell(spec, "dots", spec.rows()[0], "paper", findings, overrides=overrides)
    texts = [str(problem) for problem in findings.all()]
    assert any("--set: training.stps" in t and "did you mean 'steps'" in t for t in texts)
    assert any("--set: encoder.width" in t and "at least 1" in t for t in texts)
