"""JSON files that others may have written or damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LARGEST = 64 << 20
"""Bytes above which a file is not read."""


def read_json(path: Path, largest: int = LARGEST) -> Any:
    """Return the content of a JSON file.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no JSON in UTF-8, too large, or nested too deeply.
    """
    with path.open("rb") as stream:
        content = stream.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"larger than {largest >> 20} MiB")
    try:
        read = json.loads(content.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if b"\\ud" in content.lower():
        # Half of a surrogate pair cannot be written anywhere: UnicodeEncodeError, a ValueError.
        json.dumps(read, ensure_ascii=False).encode()
    return read
