"""Figures of a results folder: t-SNE of descriptors, detections, masks, prototypes, landmarks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuskbench.digest import digest
from tuskbench.errors import StoreError
from tuskbench.report.escape import line
from tuskbench.store import Store, write_atomically

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from tuskbench.report.model import Row, Table
    from tuskbench.report.outcomes import Warn

Arrays = Mapping[str, "np.ndarray"]
Draw = Callable[[Mapping[str, Arrays], str], "Figure | None"]

# Part of a picture's fingerprint: raised when the drawing changes.
_VERSION = "2"
_DPI = 150

# Variants a picture: a wide sweep would make one that no viewer opens.
_PAGE = 15


def draw_all(root: Path, only: Path | None = None, warn: Warn | None = None) -> list[Path]:
    """Draw every figure that the records hold the arrays for.

    Pictures go to `<root>/figures/<sweep>/<task>/`. One that is already there and was drawn
    from the same records is kept.

    Args:
        root: the results folder.
        only: the manifest of the one sweep wanted, or None for all.
        warn: called with one sentence for whatever is damaged and left out.

    Returns:
        The pictures' paths, drawn or kept.

    Raises:
        ResultsMissingError: if the folder is missing or holds no results.
        StoreError: if a picture cannot be written.
    """
    import matplotlib

    from tuskbench.report.collect import collect

    quiet: Warn = warn or (lambda message: None)
    root = Path(root)
    store, paths = Store(root), []
    taken: set[Path] = set()
    for table in collect(root, quiet, only):
        folder = root / "figures" / table.sweep / table.task
        number = 2
        while folder in taken:
            folder = folder.with_name(f"{table.task}-{number}")
            number += 1
        taken.add(folder)
        if not folder.resolve().is_relative_to(root.resolve()):
            quiet(f"{folder} leads out of {root}; its figures are left out")
            continue
        # A dollar in a label is a dollar, and no formula.
        with matplotlib.rc_context({"text.parse_math": False}):
            paths += _draw_table(store, table, folder, quiet)
    return paths


def _draw_table(store: Store, table: Table, folder: Path, warn: Warn) -> list[Path]:
    rows = [row for row in table.rows if row.cells]
    paths: list[Path] = []
    for page, first in enumerate(range(0, len(rows), _PAGE), start=1):
        suffix = "" if page == 1 else f"-{page}"
        paths += _draw_rows(store, table, rows[first : first + _PAGE], folder, suffix, warn)
    return paths


def _draw_rows(
    store: Store, table: Table, rows: Sequence[Row], folder: Path, suffix: str, warn: Warn
) -> list[Path]:
    from tuskbench.report.figures import (
        clusters,
        detections,
        landmark_errors,
        landmarks,
        prototypes,
        segmentation,
        several_faces,
    )

    arrays, digests = _read(store, rows, warn)
    if not arrays:
        return []
    caption = line(f"{table.task}; data: {table.data_source}; budget: {table.budget}; first seed")
    fingerprint = _fingerprint([_VERSION, caption, digests])
    drawings: dict[str, Draw] = {
        "clusters": clusters.draw,
        "detections": detections.draw,
        "prototypes": prototypes.draw,
        "segmentation": segmentation.draw,
        "landmarks": landmarks.draw,
        "landmark_errors": landmark_errors.draw,
        "several_faces": several_faces.draw,
    }
    paths = []
    for name, draw in drawings.items():
        path = folder / f"{name}{suffix}.png"
        if _drawn_from(path) == fingerprint:
            paths.append(path)
            continue
        try:
            figure = draw(arrays, caption)
        except (ValueError, IndexError, TypeError) as error:
            # Arrays come from whatever task a plugin brings; a bad one costs its own picture.
            warn(f"{path} cannot be drawn: {error}")
            continue
        if figure is not None:
            _save(figure, path, fingerprint)
            paths.append(path)
    return paths


def _read(
    store: Store, rows: Sequence[Row], warn: Warn
) -> tuple[dict[str, Arrays], list[tuple[str, str]]]:
    """Return the arrays of each variant's first finished seed, and what they hash to."""
    arrays: dict[str, Arrays] = {}
    digests = []
    for row in rows:
        try:
            found, record = store.figures(row.cells[0]), store.read(row.cells[0])
        except (StoreError, ValueError, OSError) as error:
            warn(f"{error}; left out of the figures")
            continue
        if found and record:
            arrays[line(row.variant)] = found
            digests.append((row.variant, record.files["figures.npz"]))
    return arrays, digests


def _fingerprint(content: object) -> str:
    return digest(json.dumps(content))


def _drawn_from(path: Path) -> str | None:
    if not path.exists():
        return None
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.info.get("tuskbench")
    except OSError:
        return None


def _save(figure: Figure, path: Path, fingerprint: str) -> None:
    write_atomically(
        path,
        lambda temporary: figure.savefig(
            temporary,
            format="png",
            dpi=_DPI,
            bbox_inches="tight",
            pad_inches=0.08,
            metadata={"tuskbench": fingerprint},
        ),
    )
