"""Specs that are right, and one clear sentence for every way of being wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tuskbench.errors import SpecError
from tuskbench.spec import load as loading
from tuskbench.spec.load import load
from tuskbench.spec.model import Spec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SPEC = """\
title = "Dots"
published = "paper.table1"
seeds = [0, 1]

[task.dots]
canvas = 32

[system]
name = "demo"
encoder = { name = "blur", width = 3 }

[training]
steps = 100

[[variant]]
label = "plain"
published_row = "a"

[[variant]]
label = "sharp"
set = { "encoder.kind" = "gauss", "training.steps" = 5 }

[sweep]
"rate" = [0.1, 1]

[budget.tiny]
training.batch_size = 2
"encoder.width" = 1

[table]
columns = ["found"]
"""


@pytest.fixture(autouse=True)
def _published(monkeypatch: pytest.MonkeyPatch, demo: Path) -> None:
    tables: Mapping[str, frozenset[str]] = {"paper.table1": frozenset({"a", "b"})}
    monkeypatch.setattr(loading, "published_tables", lambda: tables)


def write(folder: Path, text: str) -> Path:
    file = folder / "spec.toml"
    file.write_text(text)
    return file


def problem(folder: Path, text: str) -> str:
    """Return the one problem of a spec, without the name of its file."""
    file = write(folder, text)
    with pytest.raises(SpecError) as caught:
        load(file)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{file}: ")
    return line.removeprefix(f"{file}: ")


def test_a_right_spec(tmp_path: Path) -> None:
    spec = load(write(tmp_path, SPEC))
    assert isinstance(spec, Spec)
    assert spec.title == "Dots"
    assert spec.seeds == [0, 1]
    assert spec.tasks == ["dots"]
    labels = [row.label for row in spec.rows()]
    assert labels == ["plain, rate=0.1", "plain, rate=1", "sharp, rate=0.1", "sharp, rate=1"]


def test_the_least_spec(tmp_path: Path) -> None:
    text = 'title = "x"\nseeds = [0]\n[task.dots]\n[system]\nname = "demo"\n'
    assert [row.label for row in load(write(tmp_path, text)).rows()] == ["demo"]


CASES = {
    "unknown key": ("title =", "titel =", ["titel", "did you mean 'title'", "title: missing"]),
    "unknown table key": ("columns =", "colums =", ["line 31: table.colums", "'columns'"]),
    "unknown variant key": ("published_row =", "publishd_row =", ["line 17", "'published_row'"]),
    "unknown task": ("task.dots", "task.dot", ["line 5: task.dot: no task", "mean 'dots'"]),
    "unknown system": ('"demo"', '"dmo"', ["line 9: system.name: no system", "mean 'demo'"]),
    "unknown component": (
        'name = "blur"',
        'name = "blurr"',
        ["line 10: system.encoder.name: no encoder is named 'blurr'; did you mean 'blur'?"],
    ),
    "unknown parameter": (
        "width = 3",
        "widht = 3",
        ["line 10: system.encoder.widht: encoder 'blur' has no parameter 'widht'", "'width'"],
    ),
    "unknown parameter of the task": ("canvas", "canvs", ["line 6: task.dots.canvs", "'canvas'"]),
    "a task by another name": ("canvas = 32", 'name = "lines"', ["no parameter 'name'"]),
    "unknown training setting": ("steps = 100", "step = 100", ["line 13", "mean 'steps'"]),
    "unknown key of a variant's set": (
        '"encoder.kind"',
        '"encoder.knd"',
        ['line 21: variant[1].set."encoder.knd": ', "did you mean 'kind'?"],
    ),
    "unknown key of the sweep": ('"rate"', '"rte"', ["line 24: sweep.rte[0]", "'rate'"]),
    "unknown key of a budget": (
        '"encoder.width" = 1',
        "steps = 1",
        ["line 28: budget.tiny.steps", "did you mean 'training.steps'?"],
    ),
    "unknown metric": (
        '["found"]',
        '["fond"]',
        ["line 31: table.columns[0]: task dots has no metric 'fond'; did you mean 'found'?"],
    ),
    "unknown published table": ("paper.table1", "paper.table", ["line 2: published: no published"]),
    "unknown published row": (
        '"a"',
        '"c"',
        ["line 17: variant[0].published_row: published table 'paper.table1' has no row 'c'"],
    ),
    "wrong type": (
        "canvas = 32",
        'canvas = "big"',
        ["line 6: task.dots.canvas: expected an integer, at least 1, not 'big'"],
    ),
    "out of range": (
        "canvas = 32",
        "canvas = 0",
        ["line 6: task.dots.canvas: expected an integer"],
    ),
    "wrong choice": ('"gauss"', '"gaus"', ["line 21: ", "expected 'box' or 'gauss', not 'gaus'"]),
    "a component that is not a table": (
        'encoder = { name = "blur", width = 3 }',
        'encoder = "blur"',
        ["line 10: system.encoder: expected a table with the name of an encoder"],
    ),
    "settings of a plain value": ('"rate"', '"rate.x"', ["line 24", "has no settings of its own"]),
    "title of the wrong type": ('"Dots"', "3", ["line 1: title: expected a string", "not 3"]),
    "no seeds": ("[0, 1]", "[]", ["line 3: seeds: expected a list of one or more integers"]),
    "seed of the wrong type": ("[0, 1]", '["x"]', ["line 3: seeds[0]: expected a list"]),
    "the same seed": ("[0, 1]", "[1, 1]", ["line 3: seeds[1]: 1 is listed twice"]),
    "the same label": ('"sharp"', '"plain"', ["line 20: variant[1].label", "line 16 too"]),
    "the same value": ("[0.1, 1]", "[1, 1]", ["line 24: sweep.rate[1]: 1 is listed twice"]),
    "values shown alike": (
        '"rate" = [0.1, 1]',
        'encoder = [{ name = "blur", width = 5 }, { name = "blur", width = 7 }]',
        ["line 24: sweep.encoder[1]: is shown as 'encoder=blur', like value 0; give each a label"],
    ),
    "label of a value of the wrong type": (
        '"rate" = [0.1, 1]',
        "encoder = [{ label = 1, width = 5 }]",
        ["line 24: sweep.encoder[0].label: expected a string that is not empty, not 1"],
    ),
    "no list in the sweep": ("[0.1, 1]", "1", ["line 24: sweep.rate: expected a list"]),
    "no steps": ("steps = 100", "steps = 0", ["line 13: training.steps: expected an integer"]),
    "not TOML": ("seeds = [0, 1]", "seeds = [0, 1", ["line 5: not valid TOML: "]),
    "no name": ('name = "demo"\n', "", ["line 8: system.name: missing; expected the name of a"]),
    "no tasks": ("[task.dots]\ncanvas = 32\n", "", ["task: missing; expected one or more tables"]),
}


@pytest.mark.parametrize(("old", "new", "parts"), CASES.values(), ids=CASES)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, parts: list[str]) -> None:
    assert old in SPEC
    file = write(tmp_path, SPEC.replace(old, new, 1))
    with pytest.raises(SpecError) as caught:
        load(file)
    for part in parts:
        assert part in str(caught.value)
    wanted = 2 if "title: missing" in parts else 1
    assert len(caught.value.problems) == wanted, str(caught.value)


def test_an_empty_file(tmp_path: Path) -> None:
    assert problem(tmp_path, "# nothing\n").startswith("the file is empty; a spec needs")


def test_a_missing_file(tmp_path: Path) -> None:
    write(tmp_path, SPEC)
    with pytest.raises(SpecError, match=r"there is no such file; did you mean 'spec\.toml'"):
        load(tmp_path / "spec.tml")


def test_a_folder_and_a_binary_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="not UTF-8"):
        load(tmp_path / "x.toml")


def test_all_problems_at_once(tmp_path: Path) -> None:
    text = SPEC.replace("canvas = 32", "canvas = 0").replace('"gauss"', '"g"')
    text = text.replace('["found"]', '["lost"]').replace("steps = 100", "stepps = 1")
    with pytest.raises(SpecError) as caught:
        load(write(tmp_path, text))
    assert [p.line for p in caught.value.problems] == [6, 13, 21, 31]


def test_a_broken_component_is_named_with_its_reason(tmp_path: Path, demo: Path) -> None:
    from tuskbench.registry import static

    (demo / "demo" / "blur.py").write_text("import no_such_library\nclass Blur: ...\n")
    static.forget()
    text = problem(tmp_path, 'title="x"\nseeds=[0]\n[task.dots]\n[system]\nname="demo"\n')
    assert "encoder 'blur' of package demo-package cannot be loaded" in text
    assert "no_such_library" in text


def test_a_name_of_the_spec_with_settings_of_another_is_an_error(tmp_path: Path) -> None:
    text = SPEC.replace('"encoder.kind" = "gauss"', '"encoder.name" = "sharp"')
    with pytest.raises(SpecError, match="encoder 'sharp' has no parameter 'width'"):
        load(write(tmp_path, text))


def test_a_budget_key_may_suit_only_some_variants(tmp_path: Path) -> None:
    text = """
title = "x"
seeds = [0]
[task.dots]
[[variant]]
label = "one"
system = { name = "demo" }
[[variant]]
label = "two"
system = { name = "other" }
[budget.tiny]
"depth" = 1
"""
    assert len(load(write(tmp_path, text)).rows()) == 2
    assert "has no parameter 'dept'" in problem(tmp_path, text.replace('"depth"', '"dept"'))
    text = text.replace('"depth"', '"encoder.widht"')
    assert "has no parameter 'widht'" in problem(tmp_path, text)


def test_two_variants_at_fault_are_both_named(tmp_path: Path) -> None:
    head, tail = SPEC.split("[task.dots]")
    variants = 'variant = [1, { lable = "a" }]\n'
    rest = "[task.dots]" + tail.split("[[variant]]")[0] + "[table]\n"
    with pytest.raises(SpecError) as caught:
        load(write(tmp_path, head + variants + rest))
    text = str(caught.value)
    assert "variant[0]" in text
    assert "variant[1].lable: unknown key; did you mean 'label'?" in text
