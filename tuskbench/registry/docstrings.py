"""Reading Google-style docstrings."""

from __future__ import annotations

import inspect
import re

_ARGUMENT = re.compile(r"^\*{0,2}(\w+)(?:\s*\(.*?\))?:\s*(.*)$")
_SECTION = re.compile(r"^(Args|Arguments|Returns|Raises|Yields|Attributes|Example|Examples|Note):$")


def _sections(docstring: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {"": []}
    current = ""
    for line in inspect.cleandoc(docstring).splitlines():
        match = _SECTION.match(line)
        if match:
            current = match[1]
            sections[current] = []
        elif line and not line.startswith(" ") and current:
            current = ""
            sections[""].append(line)
        else:
            sections[current].append(line)
    return sections


def argument_docs(docstring: str) -> dict[str, str]:
    """Return the text on each argument in a Google-style docstring."""
    sections = _sections(docstring)
    lines = sections.get("Args") or sections.get("Arguments") or []
    indent = min((len(x) - len(x.lstrip()) for x in lines if x.strip()), default=0)
    docs: dict[str, str] = {}
    name = ""
    for line in lines:
        text = line[indent:]
        match = _ARGUMENT.match(text)
        if match:
            name = match[1]
            docs[name] = match[2]
        elif name and text.strip():
            docs[name] = f"{docs[name]} {text.strip()}".strip()
    return docs


def without_arguments(docstring: str) -> str:
    """Return a docstring's prose, without its sections."""
    return "\n".join(_sections(docstring)[""]).strip()
