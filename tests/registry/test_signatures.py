"""Signatures read from source agree with what Python itself says of the class."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge

from tuskbench import registry
from tuskbench.registry.docstrings import argument_docs, without_arguments
from tuskbench.registry.values import WrongValueError, checked, expected

Install = Callable[..., Path]


def test_signature_is_read_without_import(demo: Path) -> None:
    found = registry.signature("encoder", "blur")
    assert found.doc == "Blur images.\n\nMore on blurring."
    width, kind, sides = found.parameters
    assert (width.name, width.default, width.annotation) == ("width", 5, Annotated[int, Ge(1)])
    assert width.doc == "how wide, in pixels; even or odd."
    assert width.type_text == "Annotated[int, Ge(1)]"
    assert kind.annotation == Literal["box", "gauss"]
    assert sides.default == (1, 0.5)
    assert found.version == "7"
    file, _, line = found.source.rpartition(":")
    assert Path(file).read_text().splitlines()[int(line) - 1].startswith("class Blur")


def test_nested_component_and_attributes(demo: Path) -> None:
    found = registry.signature("system", "demo")
    encoder = found.parameter("encoder")
    assert encoder is not None
    assert encoder.component_kind == "encoder"
    assert encoder.default == {"name": "blur", "width": 9}
    assert found.provides == {"keypoints"}
    assert found.supervision == "none"
    assert found.settings_file == demo / "demo" / "rules.toml"


def test_bases_are_followed(demo: Path) -> None:
    lines = registry.signature("task", "lines")
    assert [p.name for p in lines.parameters] == ["canvas", "source"]
    assert lines.needs == {"keypoints", "labels"}
    assert lines.version == "3"
    assert lines.settings == ""


SOURCES = {
    "constants": """
        WIDTH = 3
        Size = Literal["s", "m"]
        class Part:
            def __init__(self, wired, *, width: int = WIDTH, size: Size = "s"): ...
        """,
    "keywords passed on": """
        class Base:
            def __init__(self, *, depth: int = 2): ...
        class Part(Base):
            def __init__(self, *, width: int = 1, **rest): ...
        """,
    "a re-export": "from some_parts.inner import Inner as Part\n",
    "a dataclass": """
        from dataclasses import dataclass
        @dataclass(kw_only=True)
        class Part:
            width: int = 4
        """,
    "made by a call": "Part = type('Part', (), {'__init__': lambda self, *, width=5: None})\n",
    "nothing to set": "class Part: ...\n",
    "a computed default": """
        class Part:
            def __init__(self, *, width: int = len("abc")): ...
        """,
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_source_and_import_agree(install: Install, source: str) -> None:
    inner = "class Inner:\n    def __init__(self, *, width: int = 8): ...\n"
    from textwrap import dedent

    source = "from __future__ import annotations\nfrom typing import Literal\n" + dedent(source)
    install(
        "some-parts",
        {"some_parts/__init__.py": "", "some_parts/inner.py": inner, "some_parts/part.py": source},
        "[tuskbench.heads]\npart = some_parts.part:Part\n",
    )
    found = registry.signature("head", "part")
    cls = registry.load("head", "part")
    wanted: dict[str, Any] = {}
    for base in cls.__mro__[:-1]:
        for name, parameter in inspect.signature(base.__init__).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY:
                wanted.setdefault(name, parameter.default)
    assert {p.name: p.default for p in found.parameters} == wanted
    assert not found.open


def test_registered_class_is_inspected() -> None:
    class Mine:
        """Mine.

        Args:
            encoder: a component.
        """

        provides = frozenset({"masks"})

        def __init__(self, *, encoder: Mapping[str, Any], rate: Annotated[int, Ge(2)] = 3) -> None:
            """Make one."""

    with registry.register("system", "mine", Mine):
        found = registry.signature("system", "mine")
    encoder, rate = found.parameters
    assert encoder.component_kind == "encoder"
    assert encoder.required
    assert encoder.doc == "a component."
    assert rate.default == 3
    assert found.provides == {"masks"}


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (int, 3, 3.0),
        (int, 3, True),
        (float, 3, "3"),
        (float, 0.5, float("nan")),
        (bool, True, 1),
        (Annotated[int, Ge(1)], 1, 0),
        (Literal["a", "b"], "a", "c"),
        (tuple[int, float], [1, 2], [1]),
        (int | None, None, "x"),
        (list[str], ["x"], "x"),
        (Mapping[str, Any], {"x": 1}, 1),
    ],
)
def test_values_are_checked_strictly(annotation: Any, good: Any, bad: Any) -> None:
    assert checked(annotation, good) == good
    with pytest.raises(WrongValueError):
        checked(annotation, bad)


def test_expectations_are_words() -> None:
    assert expected(Annotated[int, Ge(1)]) == "an integer, at least 1"
    assert expected(Literal["a", "b"]) == "'a' or 'b'"
    assert expected(tuple[int, float]) == "a list of 2 values (an integer; a number)"
    assert expected(float | None) == "a number"


def test_docstring_sections() -> None:
    text = """Do it.

    Args:
        one: first,
            continued.
        two (int): second: with a colon.

    Raises:
        ValueError: never.
    """
    assert argument_docs(text) == {"one": "first, continued.", "two": "second: with a colon."}
    assert without_arguments(text) == "Do it."
