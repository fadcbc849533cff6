"""Where scenes of several objects come from: the original files, or a generator."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock

from tuskbench.data import scene_store
from tuskbench.data.cache import verify_once, warn
from tuskbench.data.hashes import content_hash
from tuskbench.data.locations import cache_root, data_root
from tuskbench.data.progress import bar
from tuskbench.data.readers.multi_object import FORMATS, Format, is_marked, read_scenes
from tuskbench.data.scenes import Scenes
from tuskbench.errors import DataFormatError, DataMissingError, StoreError

Source = Literal["auto", "official", "generated"]


@dataclass(frozen=True)
class SceneSource:
    """A resolved source of scenes.

    Attributes:
        layout: the data set's official layout.
        file: the original file; None where scenes are generated.
    """

    layout: Format
    file: Path | None

    @property
    def key(self) -> str:
        """Return `official` or `generated`, for rules that depend on it."""
        return "generated" if self.file is None else "official"

    @property
    def title(self) -> str:
        """Return the name shown in tables."""
        if self.file is None:
            return f"{self.layout.title} (generated)"
        if is_marked(self.file):
            return f"{self.layout.title} (generated, in the official layout)"
        return f"{self.layout.title} (official files)"

    def fingerprint(self) -> str:
        """Return a hash of the file's content; of nothing where there is none.

        Raises:
            DataFormatError: if it cannot be read.
        """
        text = self.layout.name
        if self.file is not None:
            text += f" {content_hash(self.file.parent, [self.file])}"
        return hashlib.sha256(text.encode()).hexdigest()

    def scenes(self) -> Scenes:
        """Return the scenes of the file, mapped into memory; see `convert`.

        They are compared with their checksums once a process, or when a file has changed;
        what is damaged is discarded and converted again.
        """
        folder = self.convert()
        try:
            verify_once(folder, lambda: scene_store.verify(folder))
        except DataFormatError as error:
            warn(f"{error}; converting again")
            shutil.rmtree(folder, ignore_errors=True)
            folder = self.convert()
            verify_once(folder, lambda: scene_store.verify(folder))
        return scene_store.read_scenes(folder)

    def convert(self) -> Path:
        """Convert the file, once, and return the folder of the result.

        Raises:
            DataFormatError: if the file is damaged or of another format.
            StoreError: if the cache folder cannot be written.
        """
        file = self.file
        assert file is not None
        origin = self.fingerprint()
        folder = cache_root() / f"{self.layout.name}-{origin[:16]}"
        if scene_store.is_complete(folder):
            return folder
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with (
                FileLock(folder.with_suffix(".lock")),
                bar(f"converting {file.name}", self.layout.records) as progress,
            ):
                scene_store.write_scenes(
                    folder,
                    origin,
                    self.layout.records,
                    lambda start: read_scenes(file, self.layout, start),
                    progress,
                )
        except OSError as error:
            problem = f"cannot keep converted data here ({error.strerror or error})"
            raise StoreError(folder.parent, problem) from error
        return folder


def resolve(data: str, source: Source) -> SceneSource:
    """Decide which source is used.

    "auto" takes the original file where it is, and otherwise the generator.

    Raises:
        DataMissingError: if the original is asked for and not there.
    """
    layout = FORMATS[data]
    if source == "generated":
        return SceneSource(layout, None)
    files = layout.files(data_root())
    found = next((path for path in files if path.is_file()), None)
    if found is None and source == "official":
        expected = f"expected {os.fspath(files[0])} or {files[1].name} beside it"
        remedy = f"fetch gs://multi-object-datasets/{data}/{files[0].name}, or set TUSKBENCH_DATA"
        raise DataMissingError(data, expected, remedy)
    return SceneSource(layout, found)
