"""Texts of others in tables: shown as they are, in every format."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from tuskbench import report
from tuskbench.report import escape
from tuskbench.report.figures import draw_all

if TYPE_CHECKING:
    from pathlib import Path

NASTY = '=1+1 | <b>"x"</b> *y* `z` [a](b) $q$ \x1b[31m_r_ &lt; \\\n## heading'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+ sliced Wasserstein: x", "\\+ sliced Wasserstein: x"),
        ("- x", "\\- x"),
        ("# x", "\\# x"),
        ("> x", "\\> x"),
        ("1. x", "1\\. x"),
        ("12) x", "12\\) x"),
        ("1.5 x", "1.5 x"),
        ("mean_landmark_error [0.1, 0.2], p < 0.001", "mean_landmark_error [0.1, 0.2], p < 0.001"),
    ],
)
def test_a_note_begins_no_list_heading_or_quote(text: str, shown: str) -> None:
    assert escape.markdown_block(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>", "\\<script>"),
        ("[a](b)", "[a\\](b)"),
        ("*a* `b` ~c~ _d_ |", "\\*a\\* \\`b\\` \\~c\\~ \\_d\\_ \\|"),
        ("\\*", "\\\\\\*"),
        ("&lt;", "\\&lt;"),
        ("a\n\nb", "a b"),
        ("\x1b[2J", "\\x1b[2J"),
    ],
)
def test_markdown_is_shown_as_text(text: str, shown: str) -> None:
    assert escape.markdown(text) == shown


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_texts_are_no_formulas(start: str) -> None:
    assert escape.csv(f"{start}1").startswith("'")
    assert escape.csv(-1.5) == -1.5


def test_terminal_gets_no_control_characters() -> None:
    text = escape.terminal("a\x1b[31m\x00\x9b\u202e\ud800\r\n\tb")
    assert text == "a\\x1b[31m\\x00\\x9b\\u202e\\ud800\\x0d\n\tb".replace("\\x0d", "\\r")


def test_html_is_shown_as_text() -> None:
    assert escape.html('<a href="x">\x1b') == "&lt;a href=&quot;x&quot;&gt;\\x1b"


def test_every_format_survives_nasty_texts(sweep: Any) -> None:
    for variant in (NASTY, "+ plain"):
        sweep.done(variant, (0.9, 0.8, 0.7))
        sweep.row(variant, note=NASTY)
    sweep.write(title=NASTY, budget=NASTY)
    outputs = {name: report.render(sweep.root, name) for name in ("md", "csv", "latex", "json")}
    for text in outputs.values():
        assert "\x1b" not in text
        text.encode()
    notes = [line for line in outputs["md"].splitlines() if line.startswith("- ")]
    assert any(note.startswith("- \\+ plain:") for note in notes)
    assert not any(note.startswith(("- +", "- =", "- #")) for note in notes)
    assert "<b>" not in outputs["md"].replace("\\<b>", "")
    assert outputs["md"].count("\n## ") + outputs["md"].startswith("## ") == 1
    variants = {line["variant"] for line in csv.DictReader(io.StringIO(outputs["csv"]))}
    assert {variant[:2] for variant in variants} == {"'=", "'+"}
    assert json.loads(outputs["json"])["tables"][0]["rows"][0]["variant"] == NASTY


def test_foreign_manifest_with_half_a_surrogate_pair_is_left_out(sweep: Any) -> None:
    sweep.done("one", (0.9, 0.8, 0.7))
    sweep.row("one")
    sweep.write("good--cpu")
    sweep.write("half--cpu", title="half \ud800")
    warnings: list[str] = []
    report.render(sweep.root, "csv", warn=warnings.append).encode()
    assert len(warnings) == 1
    assert "half--cpu.json: is not a manifest" in warnings[0]


def test_foreign_manifest_writes_nothing_outside_its_folder(sweep: Any, tmp_path: Path) -> None:
    sweep.done("one", (0.9, 0.8, 0.7))
    sweep.row("one")
    sweep.cells[0]["task"] = "../../../outside"
    sweep.write("foreign--cpu", tasks=["../../../outside"])
    sweep.cells[0]["task"] = "mnist-hard"
    sweep.write("good--cpu")
    warnings: list[str] = []
    text = report.render(sweep.root, warn=warnings.append)
    assert "outside" not in text
    assert len(warnings) == 1
    assert "foreign--cpu" in warnings[0]


def test_pictures_do_not_follow_a_link_out_of_the_folder(sweep: Any, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    sweep.done("one", (0.9, 0.8, 0.7))
    sweep.row("one")
    sweep.write()
    (sweep.root / "figures").symlink_to(outside)
    warnings: list[str] = []
    assert draw_all(sweep.root, warn=warnings.append) == []
    assert any("leads out" in warning for warning in warnings)
    assert list(outside.iterdir()) == []
