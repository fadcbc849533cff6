"""Finding components without import, loading on use, and plugins that are wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tuskbench import registry
from tuskbench.errors import (
    BrokenComponentError,
    ConfigurationError,
    ConflictError,
    UnknownComponentError,
)

Install = Callable[..., Path]

GOOD = """
class Part:
    def __init__(self, *, size: int = 1): ...
"""


def entry(kind: str, name: str) -> registry.Entry:
    return next(e for e in registry.entries(kind) if e.name == name)


def test_entries_are_found_without_import(demo: Path) -> None:
    found = {(e.kind, e.name): e for e in registry.entries()}
    assert found["encoder", "blur"].target == "demo.blur:Blur"
    assert found["encoder", "blur"].distribution == "demo-package"
    assert found["encoder", "blur"].version == "2.5"
    assert found["encoder", "blur"].state == "ok"
    assert "demo" not in sys.modules


def test_load_imports_and_says_why_it_cannot(demo: Path) -> None:
    assert registry.load("encoder", "sharp").__name__ == "Sharp"
    with pytest.raises(BrokenComponentError, match=r"demo-package.*RuntimeError: imported"):
        registry.load("encoder", "blur")


def test_unknown_names_are_told_the_nearest(demo: Path) -> None:
    with pytest.raises(UnknownComponentError, match="did you mean 'sharp'"):
        registry.load("encoder", "shrap")
    with pytest.raises(UnknownComponentError, match="did you mean 'encoder'"):
        registry.entries("encodr")


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("import no_such_library\nclass Part: ...\n", "bad.part:Part", "no_such_library"),
        ("from . import other\nclass Part: ...\n", "bad.part:Part", ""),
        ("from .nowhere import other\nclass Part: ...\n", "bad.part:Part", "bad.nowhere"),
        (
            "try:\n    import no_such\nexcept ImportError: ...\nclass Part: ...\n",
            "bad.part:Part",
            "",
        ),
        ("import os.path\nclass Part: ...\n", "bad.part:Part", ""),
        ("class Part(:\n", "bad.part:Part", "line 1"),
        ("class Whole: ...\n", "bad.part:Part", "no 'Part'"),
        ("class Part: ...\n", "bad.missing:Part", "bad.missing is not found"),
        ("class Part: ...\n", "bad.part", "not of the form module:attribute"),
    ],
)
def test_state_is_told_from_files(install: Install, source: str, target: str, reason: str) -> None:
    install(
        "bad-plugin",
        {"bad/__init__.py": "", "bad/part.py": source},
        f"[tuskbench.heads]\nbad = {target}\n",
    )
    found = entry("head", "bad")
    assert found.state == ("broken" if reason else "ok"), found.reason
    assert reason in found.reason
    assert "\n" not in found.reason
    assert "bad" not in sys.modules


def test_a_broken_plugin_breaks_nothing_but_itself(demo: Path, install: Install) -> None:
    install("garbled", {"garbled.py": GOOD}, "[tuskbench.heads]\nno equals sign here\n")
    install("missing", {"missing.py": "import nothing_there\n"}, "[tuskbench.heads]\nm = missing:X")
    states = {e.name: e.state for e in registry.entries()}
    assert states["sharp"] == "ok"
    assert states["m"] == "broken"
    assert states["?"] == "broken"


def test_conflict_names_both_packages(install: Install) -> None:
    points = "[tuskbench.heads]\ntwin = {}:Part\n"
    install("first-package", {"first.py": GOOD}, points.format("first"))
    install("second-package", {"second.py": GOOD}, points.format("second"))
    twins = [e for e in registry.entries("head") if e.name == "twin"]
    assert [e.state for e in twins] == ["conflict", "conflict"]
    assert "first-package and second-package" in twins[0].reason
    with pytest.raises(ConflictError, match="first-package and second-package"):
        registry.load("head", "twin")


def test_the_same_distribution_twice_is_no_conflict(install: Install) -> None:
    points = "[tuskbench.heads]\npart = some_part:Part\n"
    install("some-part", {"some_part.py": GOOD}, points, folder="one")
    install("Some_Part", {"some_part.py": GOOD}, points, folder="two")
    assert entry("head", "part").state == "ok"
    assert registry.load("head", "part")


def test_register_lasts_until_undone(demo: Path) -> None:
    class Mine:
        """Mine."""

    with registry.register("encoder", "mine", Mine):
        assert registry.load("encoder", "mine") is Mine
        assert registry.find("encoder", "mine").distribution == "this process"
        assert registry.find("encoder", "mine").state == "ok"
    with pytest.raises(UnknownComponentError):
        registry.find("encoder", "mine")
    undo = registry.register("encoder", "mine", Mine)
    undo()
    assert "mine" not in {e.name for e in registry.entries("encoder")}
    with pytest.raises(ConflictError, match="demo-package and this process"):
        registry.register("encoder", "sharp", Mine)


def test_register_again_replaces_and_changes_the_version() -> None:
    class First:
        """One."""

    class Second:
        """Two."""

    with registry.register("encoder", "mine", First):
        first = registry.component_version("encoder", "mine")
        with registry.register("encoder", "mine", Second):
            assert registry.load("encoder", "mine") is Second
            assert registry.component_version("encoder", "mine") != first
        assert registry.load("encoder", "mine") is First


def test_version_is_the_components_own_or_its_packages(demo: Path) -> None:
    assert registry.component_version("encoder", "blur") == "demo-package 7"
    assert registry.component_version("encoder", "sharp") == "demo-package 2.5"


def test_build_checks_settings(demo: Path) -> None:
    assert registry.build("encoder", {"name": "sharp", "power": 2}).power == 2.0
    with pytest.raises(ConfigurationError, match="did you mean 'power'"):
        registry.build("encoder", {"name": "sharp", "powr": 2})
    with pytest.raises(ConfigurationError, match="no default"):
        registry.build("encoder", {"name": "sharp"})
    with pytest.raises(ConfigurationError, match="expected a number"):
        registry.build("encoder", {"name": "sharp", "power": "much"})
    with pytest.raises(ConfigurationError, match="name"):
        registry.build("encoder", {"power": 2})
