"""The locator of keys against the standard library's reader of TOML."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuskbench.spec.locate import Path, dotted, locate, nearest_line

if TYPE_CHECKING:
    from collections.abc import Iterator


def paths(value: Any, above: Path = ()) -> Iterator[Path]:
    if above:
        yield above
    items = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield from paths(inner, (*above, key))


def lookup(document: Any, path: Path) -> bool:
    for part in path:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


KEYS = st.text(max_size=8)
SCALARS = (
    st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.text(max_size=20)
    | st.dates()
    | st.datetimes()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, VALUES, max_size=5), st.booleans())
def test_every_key_is_found(document: dict[str, Any], multiline: bool) -> None:
    text = tomli_w.dumps(document, multiline_strings=multiline)
    assert set(locate(text)) == set(paths(tomllib.loads(text)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_a_statement_is_not_there_before_its_line(document: dict[str, Any]) -> None:
    # Each statement of tomli_w begins on a line of its own, so a text cut before it parses.
    text = tomli_w.dumps(document)
    rows = text.split("\n")
    read = tomllib.loads(text)
    for path, line in locate(text).items():
        try:
            before = tomllib.loads("\n".join(rows[: line - 1]))
        except tomllib.TOMLDecodeError:
            continue
        assert lookup(read, path)
        assert not lookup(before, path)


TEXT = '''\
# a comment with a = "key"
title = "x # [no]" # comment
"quoted.key" = """
[not.a.table]
k = 1 \\""" still""""
list = [
  1, # one
  { a = 1, b.c = ']' },
]
[a . "b.c"]
\tx.y = 'it''s'
[[v]]
n = 1979-05-27T07:32:00Z
[v.deep]
m = 1
[[v]]
n.o = 2
[a]
z = {}
'''.replace("'it''s'", "'its'")


def test_lines_of_a_written_document() -> None:
    lines = locate(TEXT)
    assert set(lines) == set(paths(tomllib.loads(TEXT)))
    assert lines["title",] == 2
    assert lines["quoted.key",] == 3
    assert lines["list", 0] == 7
    assert lines["list", 1, "b", "c"] == 8
    assert lines["a", "b.c", "x", "y"] == 11
    assert lines["v", 0, "deep", "m"] == 15
    assert lines["v", 1, "n", "o"] == 17
    assert lines["a",] == 18
    assert locate(TEXT.replace("\n", "\r\n")) == lines


def test_what_is_missing_is_on_the_line_of_its_table() -> None:
    lines = locate("x = 1\n[t]\ny = 2\n")
    assert nearest_line(lines, ("t", "missing")) == 2
    assert nearest_line(lines, ("missing",)) is None


def test_paths_are_written_as_toml_does() -> None:
    assert dotted(("variant", 0, "set", "a.b")) == 'variant[0].set."a.b"'
