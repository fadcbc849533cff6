"""What tasks would do with original data, done ahead: hashing, and conversion where they map it."""

from __future__ import annotations

from pathlib import Path

from tuskbench.data import (
    digit_sources,
    face_sources,
    hashes,
    human36m_sources,
    scene_sources,
    scene_store,
)
from tuskbench.data.digit_sources import DigitSource
from tuskbench.data.face_sources import FaceSource
from tuskbench.data.human36m_sources import PeopleSource
from tuskbench.data.readers.multi_object import FORMATS
from tuskbench.data.scene_sources import SceneSource
from tuskbench.errors import ConfigurationError, DataFormatError, suggestion

Source = DigitSource | FaceSource | PeopleSource | SceneSource

DIGITS: dict[str, digit_sources.Source] = {
    "digits": "digits",
    "mnist": "mnist",
    "mnist_hard": "mist",
}
FACES: dict[str, face_sources.Source] = {"celeba": "celeba", "celeba_wild.h5": "autolink"}
PEOPLE = {folder: key for key, folder in human36m_sources.FOLDERS.items()}
NAMES = (*DIGITS, *FORMATS, *FACES, *PEOPLE)
"""What `prepare` knows, as `tuskbench data status` names it."""


def prepare(data: str, *, check: bool = False) -> Path:
    """Hash the files of a data set, convert them where tasks map them into memory.

    Args:
        data: one of `NAMES`, or a folder of IDX files.
        check: hash what is remembered again, and compare what is converted with its checksums.

    Returns:
        The folder or file of the data set, or the folder of what it was converted to.

    Raises:
        ConfigurationError: if no data set has that name.
        DataMissingError: if it is not there.
        DataFormatError: if a file is damaged, or its content has changed unseen.
    """
    source = _resolve(data)
    place = _place(source)
    before = source.fingerprint()
    if check:
        hashes.forget(place if place.is_dir() else place.parent)
        if source.fingerprint() != before:
            problem = "its content has changed, though sizes and times of its files are the same"
            raise DataFormatError(place, problem)
    if not isinstance(source, SceneSource):
        return place
    folder = source.convert()
    if check:
        scene_store.verify(folder)
    return folder


def _resolve(data: str) -> Source:
    if data in DIGITS:
        return digit_sources.resolve(DIGITS[data], "")
    if data in FORMATS:
        return scene_sources.resolve(data, "official")
    if data in FACES:
        return face_sources.resolve(FACES[data])
    if data in PEOPLE:
        return human36m_sources.resolve(PEOPLE[data])
    if Path(data).is_dir():
        return digit_sources.resolve("idx", data)
    expected = "the name of a data set or a folder of IDX files"
    raise ConfigurationError("data prepare", "NAME", data, expected + suggestion(data, NAMES))


def _place(source: Source) -> Path:
    """Return the folder that the names of a source's files are below, or its only file."""
    if isinstance(source, DigitSource):
        return source.folder or digit_sources.embedded_digits()
    place = (
        source.file
        if isinstance(source, SceneSource)
        else (source.path if isinstance(source, FaceSource) else source.folder)
    )
    assert place is not None
    return place
