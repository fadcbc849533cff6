"""The report: tables and figures from nothing but a results folder and packaged numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _to_stderr(message: str) -> None:
    from tuskbench.report.escape import terminal

    sys.stderr.write(f"warning: {terminal(message)}\n")


def render(
    root: Path,
    format: str = "md",
    only: Path | None = None,
    warn: Callable[[str], object] = _to_stderr,
) -> str:
    """Return the tables of a results folder as text.

    Args:
        root: the results folder.
        format: `md`, `csv`, `latex` or `json`.
        only: the manifest of the one sweep wanted, or None for all.
        warn: called with one sentence for whatever is damaged and left out.

    Raises:
        ResultsMissingError: if the folder is missing or holds no results.
        ValueError: if the format is unknown.
    """
    from tuskbench.report import tables
    from tuskbench.report.collect import collect

    return tables.write(collect(Path(root), warn, only), format)
