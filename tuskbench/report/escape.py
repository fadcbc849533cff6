"""Texts of specs, plugins and foreign manifests, made harmless for where they are shown."""

from __future__ import annotations

import html as _html
import json
import re
from typing import Any

# Control characters but tab and line feed, marks that turn the direction of writing, line ends
# that are none to a terminal, and halves of surrogate pairs, which cannot be encoded.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_MARKDOWN = re.compile(
    r"""[*`~|$]
    | \\(?=[!-/:-@\[-`{-~])     # a backslash that would escape what follows
    | (?<![^\W_])_ | _(?![^\W_])  # within a word an underscore is one
    | <(?=[A-Za-z/!?])
    | &(?=\#?\w+;)
    | \](?=[(\[:])              # the end of a link's text
    """,
    re.VERBOSE,
)
_MARKDOWN_START = re.compile(r"[-+>#=]|(?<=\d)[.)](?=\s|$)")
_LATEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "∩": r"$\cap$",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"\textbar{}",
    # At the start of a row a bracket would be taken for an argument of the line break before.
    "[": "{[}",
}
_FORMULA = tuple("=+-@\t\r")


def terminal(text: str) -> str:
    r"""Return a text without control characters but tab and line feed; ESC becomes `\x1b`."""
    return _HIDDEN.sub(lambda match: ascii(match[0])[1:-1], text)


def line(text: str) -> str:
    """Return a text in one line, without control characters."""
    return terminal(" ".join(text.split()))


def markdown(text: str) -> str:
    """Return a text in one line that CommonMark and GitHub show as it is, in a table too."""
    return _MARKDOWN.sub(r"\\\g<0>", line(text))


def markdown_block(text: str) -> str:
    """Return `markdown` of a text that begins a paragraph or an item of a list."""
    shown = markdown(text)
    number = re.match(r"\d{1,9}(?=[.)](\s|$))", shown)
    place = number.end() if number else 0
    if _MARKDOWN_START.match(shown, place):
        return f"{shown[:place]}\\{shown[place:]}"
    return shown


def latex(text: str) -> str:
    """Return a text in one line that LaTeX prints as it is."""
    return "".join(_LATEX.get(character, character) for character in line(text))


def csv(value: Any) -> Any:
    """Return a value for a CSV file; a text that a spreadsheet would compute gets a quote."""
    if not isinstance(value, str):
        return value
    shown = terminal(value)
    return f"'{shown}" if value.startswith(_FORMULA) else shown


def html(text: str) -> str:
    """Return a text for HTML, in an element or in a quoted attribute."""
    return _html.escape(terminal(text))


def json_text(content: Any) -> str:
    """Return JSON in which what a terminal or an encoder would stumble over is escaped."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
