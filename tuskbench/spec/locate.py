"""From every key of a TOML text to the line that it is on."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

Path = tuple[str | int, ...]
"""Keys and list positions from the top of a document."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = " \t"
_BLANK = " \t\r\n"


def locate(text: str) -> dict[Path, int]:
    """Return the line, counted from 1, of every key, table and list item.

    Args:
        text: a valid TOML document; `tomllib` has read it before.
    """
    return _Scanner(text).scan()


def nearest_line(lines: Mapping[Path, int], path: Path) -> int | None:
    """Return the line of a path, or of the closest table around it."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def dotted(path: Path) -> str:
    """Write a path the way TOML does, with list positions in brackets counted from 0."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = part if _BARE.fullmatch(part) else f'"{part}"'
            text += f".{shown}" if text else shown
    return text


class _Scanner:
    """A cursor over the text; every method leaves it behind what it has read."""

    def __init__(self, text: str) -> None:
        # As tomllib: a carriage return before a line feed means nothing.
        self.text = text.replace("\r\n", "\n")
        self.ends = [match.start() for match in re.finditer("\n", self.text)]
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.counts: dict[Path, int] = {}

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip_blank():
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self.lines

    def _line(self) -> int:
        return bisect_left(self.ends, self.at) + 1

    def _skip(self, characters: str) -> None:
        while self.at < len(self.text) and self.text[self.at] in characters:
            self.at += 1

    def _skip_blank(self) -> bool:
        """Skip white space, line ends and comments; return whether anything follows."""
        while True:
            self._skip(_BLANK)
            if self.at >= len(self.text):
                return False
            if self.text[self.at] != "#":
                return True
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end

    def _header(self) -> Path:
        line, is_list = self._line(), self.text.startswith("[[", self.at)
        self.at += 2 if is_list else 1
        keys = self._key("]")
        self.at += 2 if is_list else 1
        path: Path = ()
        for position, key in enumerate(keys):
            path = (*path, key)
            self.lines.setdefault(path, line)
            last = position == len(keys) - 1
            if last and is_list:
                self.counts[path] = self.counts.get(path, 0) + 1
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
                self.lines.setdefault(path, line)
        # A table may follow its own subtables, whose headers only imply it.
        self.lines[path] = line
        return path

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for key in self._key("="):
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.at += 1
        self._skip(_SPACE)
        self._value(path)

    def _key(self, end: str) -> list[str]:
        """Read a dotted key up to `end` and return its parts."""
        start = self.at
        while self.text[self.at] != end:
            if self.text[self.at] in "\"'":
                self._string()
            else:
                self.at += 1
        found: Any = tomllib.loads(f"{self.text[start : self.at].strip()} = 0")
        parts: list[str] = []
        while isinstance(found, dict):
            ((part, found),) = found.items()
            parts.append(part)
        return parts

    def _value(self, path: Path) -> None:
        first = self.text[self.at]
        if first in "\"'":
            self._string()
        elif first == "[":
            self._list(path)
        elif first == "{":
            self._inline_table(path)
        else:
            while self.at < len(self.text) and self.text[self.at] not in ",]}#\n":
                self.at += 1

    def _string(self) -> None:
        quote = self.text[self.at]
        long = self.text.startswith(quote * 3, self.at)
        end = quote * 3 if long else quote
        self.at += len(end)
        while not self.text.startswith(end, self.at):
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
        self.at += len(end)
        # Up to two quotes may stand directly before the three that end a long string.
        while long and self.text.startswith(quote, self.at):
            self.at += 1

    def _list(self, path: Path) -> None:
        self.at += 1
        position = 0
        while self._skip_blank() and self.text[self.at] != "]":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self.lines[(*path, position)] = self._line()
            self._value((*path, position))
            position += 1
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        while self._skip_blank() and self.text[self.at] != "}":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._pair(path)
        self.at += 1
