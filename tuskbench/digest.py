"""Short names for long content."""

from __future__ import annotations

import hashlib


def digest(content: str) -> str:
    """Return 16 hexadecimal digits that stand for `content`."""
    return hashlib.sha256(content.encode()).hexdigest()[:16]
