"""Looking at processes from outside."""

from __future__ import annotations

import os
from pathlib import Path


def lives(process: int) -> bool:
    """Return whether a process runs, zombies not counted."""
    try:
        os.kill(process, 0)
        # An orphan that nobody waits for stays a zombie in some containers.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
