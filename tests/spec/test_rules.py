"""Whom a rule is for, and what it may override."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import DEMO, DEMO_POINTS, Install
from tuskbench.errors import SpecError
from tuskbench.spec.layers import Resolved, resolve_cell
from tuskbench.spec.load import load
from tuskbench.spec.resolve import Findings

if TYPE_CHECKING:
    from pathlib import Path

SPEC = 'title = "x"\nseeds = [0]\n[task.dots]\n[system]\nname = "demo"\n'
SHARP = SPEC + 'encoder = { name = "sharp", power = 7 }\n'
RULE = '[[settings]]\nbudget = "cpu"\n'


def write_rules(demo: Path, text: str) -> None:
    (demo / "demo" / "rules.toml").write_text(text)


def resolve(folder: Path, text: str, budget: str = "cpu", **options: Any) -> Resolved:
    file = folder / "spec.toml"
    file.write_text(text)
    spec = load(file)
    findings = Findings(spec)
    found = resolve_cell(spec, spec.tasks[0], spec.rows()[0], budget, findings, **options)
    if findings.all():
        raise SpecError(spec.file, findings.all())
    return found


@pytest.mark.parametrize("budget", ["", 'budget = "cpu"\n'])
def test_a_rule_reaches_the_component_that_it_names_and_no_other(
    budget: str, tmp_path: Path, demo: Path
) -> None:
    sharp = (demo / "demo" / "sharp.py").read_text().replace("power: float", "width: int = 64")
    (demo / "demo" / "sharp.py").write_text(sharp)
    write_rules(demo, f'[[settings]]\n{budget}set = {{ "system.encoder[blur].width" = 16 }}')
    assert resolve(tmp_path, SPEC).system["encoder"]["width"] == 16
    text = SPEC + 'encoder = { name = "sharp" }\n'
    assert resolve(tmp_path, text).system["encoder"]["width"] == 64
    text = SPEC + 'encoder = { name = "sharp", width = 32 }\n'
    assert resolve(tmp_path, text).system["encoder"]["width"] == 32


def test_a_rule_may_name_several_components(tmp_path: Path, demo: Path) -> None:
    write_rules(demo, RULE + 'set = { "system.encoder[sharp, elsewhere].power" = 2.0 }')
    assert resolve(tmp_path, SHARP).system["encoder"]["power"] == 2.0


def test_a_table_of_a_rule_is_for_the_component_in_it(tmp_path: Path, demo: Path) -> None:
    write_rules(demo, 'settings = [{ set = { system.encoder = { name = "sharp", power = 3 } } }]')
    assert resolve(tmp_path, SPEC).system["encoder"]["power"] == 3.0
    blur = SPEC + 'encoder = { name = "blur" }\n'
    assert "power" not in resolve(tmp_path, blur).system["encoder"]


def test_a_rule_that_names_no_component_is_an_error(tmp_path: Path, demo: Path) -> None:
    write_rules(demo, RULE + 'set = { "system.encoder.width" = 16 }')
    with pytest.raises(SpecError, match=r"system\.encoder\.width does not name its component"):
        resolve(tmp_path, SPEC)


def test_a_component_that_the_spec_chose_is_not_exchanged(tmp_path: Path, demo: Path) -> None:
    write_rules(demo, RULE + 'set = { "system.encoder.name" = "blur" }')
    assert resolve(tmp_path, SHARP).system["encoder"]["name"] == "sharp"
    write_rules(demo, RULE + 'set = { "system.encoder[sharp].name" = "blur" }')
    from tuskbench import registry

    registry.forget()
    named = SPEC + 'encoder = { name = "sharp" }\n'
    power = (demo / "demo" / "sharp.py").read_text().replace("power: float", "power: float = 1.0")
    (demo / "demo" / "sharp.py").write_text(power)
    assert resolve(tmp_path, named).system["encoder"]["name"] == "blur"


def test_what_the_spec_says_gives_way_only_to_a_rule_for_that_very_component(
    tmp_path: Path, demo: Path
) -> None:
    from tuskbench import registry

    said = SPEC.replace("[task.dots]", "[task.dots]\ncanvas = 8") + "rate = 0.5\n"
    write_rules(demo, RULE + 'set = { "system.rate" = 0.9, "task.canvas" = 16 }')
    found = resolve(tmp_path, said)
    # The file is of the system and of the task; each overrides its own.
    assert (found.system["rate"], found.task["canvas"]) == (0.9, 16)
    source = (demo / "demo" / "task.py").read_text()
    (demo / "demo" / "task.py").write_text(source.replace("settings = ", "unused = "))
    registry.forget()
    assert resolve(tmp_path, said).task["canvas"] == 8
    assert resolve(tmp_path, SPEC).task["canvas"] == 16
    write_rules(demo, RULE + 'task = "dots"\nset = { "task.canvas" = 16 }')
    registry.forget()
    assert resolve(tmp_path, said).task["canvas"] == 16


def test_the_code_side_of_a_spec_survives_rules_that_name_the_component(
    tmp_path: Path, demo: Path
) -> None:
    write_rules(demo, RULE + 'set = { "system.encoder[sharp].faithful_to" = "paper" }')
    assert resolve(tmp_path, SHARP).system["encoder"]["faithful_to"] == "paper"
    code = SHARP + 'faithful_to = "code"\n'
    assert resolve(tmp_path, code).system["encoder"]["faithful_to"] == "code"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('tsak = "dots"\nset = {}', "number 1: unknown key 'tsak'; did you mean 'task'"),
        (
            'task = "linnes"\nset = {}',
            "task = 'linnes' is no name that is known; did you mean 'lines'",
        ),
        ('system = "demmo"\nset = {}', "did you mean 'demo'"),
        ('budget = "smok"\nset = {}', "did you mean 'smoke'"),
        ('task = ["dots"]\nset = {}', "expected a name; write a rule for each"),
        ('set = { "system.encoder[bblur].width" = 1 }', "did you mean 'blur'"),
        ('set = { "system.encoder[].width" = 1 }', "is no dotted key"),
        ('set = { "system.encoder[blur.width" = 1 }', "is no dotted key"),
        ('set = { "sistem.rate" = 1 }', "does not begin with one of task, system, training"),
        ("set = 3", "set is no table"),
    ],
)
def test_a_misspelt_rule_is_an_error(text: str, sentence: str, tmp_path: Path, demo: Path) -> None:
    write_rules(demo, f"[[settings]]\n{text}")
    with pytest.raises(
        SpecError, match=r"demo-package cannot be loaded: its rules rules\.toml"
    ) as e:
        resolve(tmp_path, SPEC)
    assert sentence in str(e.value)


def test_names_of_packages_that_are_not_installed_are_no_error(tmp_path: Path, demo: Path) -> None:
    write_rules(demo, '[[settings]]\nsystem = "demo-large"\nset = { "system.rate" = 1 }')
    assert resolve(tmp_path, SPEC).system["rate"] == 0.1


def test_rules_missing_from_a_wheel_are_an_error(tmp_path: Path, demo: Path) -> None:
    (demo / "demo" / "rules.toml").unlink()
    with pytest.raises(SpecError, match=r"its rules rules\.toml: No such file"):
        resolve(tmp_path, SPEC)


@pytest.mark.parametrize("base", ["Demo", "Alias"])
def test_rules_are_inherited_by_a_subclass_in_another_package(
    base: str, tmp_path: Path, install: Install
) -> None:
    install("demo-package", DEMO, DEMO_POINTS)
    # An alias cannot be followed in the source: the class is imported then.
    heir = f"from demo.system import Demo\nAlias = Demo\nclass Heir({base}): 'Heir.'\n"
    points = "[tuskbench.systems]\nheir = heirs.system:Heir\n"
    install("heirs", {"heirs/__init__.py": "", "heirs/system.py": heir}, points, folder="other")
    assert resolve(tmp_path, SPEC.replace("demo", "heir")).system["rate"] == 0.2


def test_every_setting_tells_who_gave_it(tmp_path: Path, demo: Path) -> None:
    write_rules(demo, RULE + 'set."system.encoder[blur].width" = 16\nset."task.canvas" = 8')
    text = SPEC + '[training]\nsteps = 3\n[[variant]]\nlabel = "v"\nset = { rate = 2 }\n'
    found = resolve(tmp_path, text, overrides={"training.batch_size": 5}).origins
    rules = demo / "demo" / "rules.toml"
    assert found["system.encoder.width"].text == f"{rules}:3"
    assert found["system.encoder.width"].rule
    assert found["task.canvas"].text == f"{rules}:4"
    assert found["training.steps"].text == f"{tmp_path / 'spec.toml'}:7"
    assert found["system.rate"].text == f"{tmp_path / 'spec.toml'}:10"
    assert found["training.batch_size"].text == "--set"
    assert "system.encoder.kind" not in found
