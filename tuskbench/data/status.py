"""Which original data is there, and what is missing where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tuskbench.data import face_sources
from tuskbench.data.digit_sources import resolve
from tuskbench.data.human36m_sources import FOLDERS, Key, PeopleSource
from tuskbench.data.locations import data_root
from tuskbench.data.scene_sources import resolve as resolve_scenes
from tuskbench.errors import DataMissingError


@dataclass(frozen=True)
class DataStatus:
    """One data set: which tasks use it, where it is looked for, what is missing ("" if nothing)."""

    name: str
    tasks: tuple[str, ...]
    folder: Path | None
    missing: str
    licence: str


def statuses() -> list[DataStatus]:
    """Return the state of every data set that a built-in task can read."""
    root = data_root()
    return [
        DataStatus("digits", ("mnist-hard",), None, "", "BSD-3-Clause, inside scikit-learn"),
        DataStatus(
            "mnist",
            ("mnist-hard",),
            root / "mnist",
            _missing(lambda: resolve("mnist", "")),
            "CC BY-SA 3.0, LeCun, Cortes, Burges",
        ),
        DataStatus(
            "mnist_hard",
            ("mnist-hard",),
            root / "mnist_hard",
            _missing(lambda: resolve("mist", "")),
            "see ubc-vision/mist",
        ),
        _scenes("clevr_with_masks", "clevr6"),
        _scenes("tetrominoes", "tetrominoes"),
        DataStatus(
            "celeba",
            ("celeba-wild",),
            root / "celeba",
            _missing(lambda: face_sources.resolve("celeba")),
            "non-commercial research only, MMLAB (CUHK); ask there for the files",
        ),
        DataStatus(
            "celeba_wild.h5",
            ("celeba-wild",),
            root,
            _missing(lambda: face_sources.resolve("autolink")),
            "as celeba; made from it by AutoLink's script",
        ),
        *(_human36m(key, root / folder) for key, folder in FOLDERS.items()),
    ]


def _scenes(name: str, task: str) -> DataStatus:
    """Return the state of one of DeepMind's multi-object data sets, which can be generated."""
    return DataStatus(
        name,
        (task,),
        data_root() / name,
        _missing(lambda: resolve_scenes(name, "official")),
        "see deepmind/multi_object_datasets",
    )


def _human36m(key: Key, folder: Path) -> DataStatus:
    licence = "Human3.6M's own: academic use, no redistribution; register with its authors"
    source = PeopleSource(key, folder)
    return DataStatus(folder.name, ("h36m",), folder, _missing(source.check), licence)


def _missing(look: Callable[[], object]) -> str:
    try:
        look()
    except DataMissingError as error:
        return f"{error.expected}; {error.remedy}"
    return ""
