"""Names that become files: what they may hold, whoever wrote them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LONGEST = 100
RULE = f"letters, digits and . _ + -, the first a letter or digit, at most {LONGEST} characters"
"""What a name that becomes a file or folder may hold, in words."""

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._+-]{{0,{LONGEST - 1}}}")
_ID = re.compile(r"[0-9a-f]{8,64}")


def is_name(text: object) -> bool:
    """Return whether a text may become the name of a file or folder; see `RULE`."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def is_id(text: object) -> bool:
    """Return whether a text may be the id of a cell, which is the name of its folder."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def is_utf8(text: str) -> bool:
    """Return whether a path or an argument could be decoded."""
    return text.isascii() or text.encode("utf-8", "replace").decode() == text


def check_manifest(manifest: Mapping[str, Any]) -> None:
    """Check the names in a manifest that become files: tasks and ids of cells.

    Raises:
        ValueError: if one of them could lead out of the results folder.
        KeyError, TypeError: if the content is no manifest at all.
    """
    for task in [*manifest["tasks"], *(planned["task"] for planned in manifest["cells"])]:
        if not is_name(task):
            raise ValueError(f"the name {task!r:.60} of a task may hold only {RULE}")
    for planned in manifest["cells"]:
        if not is_id(planned["id"]):
            raise ValueError(f"{planned['id']!r:.60} is not the id of a cell")
