"""Where the task h36m gets its people: Human3.6M in one of three layouts, or generated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuskbench.data.hashes import content_hash
from tuskbench.data.locations import data_root
from tuskbench.data.readers.h36m import lmdis, official, tusk
from tuskbench.errors import DataMissingError

Source = Literal["auto", "tusk", "lmdis", "official", "generated"]
Key = Literal["tusk", "lmdis", "official", "generated"]

FOLDERS: Mapping[Key, str] = {
    "tusk": tusk.FOLDER,
    "lmdis": lmdis.FOLDER,
    "official": official.FOLDER,
}
TITLES: Mapping[Key, str] = {
    "tusk": "Human3.6M (TUSK's crops)",
    "lmdis": "Human3.6M (lmdis-rep's frames)",
    "official": "Human3.6M (official files)",
    "generated": "Human3.6M (generated)",
}
# Versions of the readers; raise one when it makes other images or landmarks of the same files.
VERSIONS: Mapping[Key, int] = {"tusk": 1, "lmdis": 2, "official": 1, "generated": 1}


@dataclass(frozen=True)
class PeopleSource:
    """A resolved source.

    Attributes:
        key: which one.
        folder: where its files lie; None for generated people.
        strict: stop where a clip of the official files lacks its video, masks or poses.
    """

    key: Key
    folder: Path | None
    strict: bool = False

    def lacking(self) -> list[str]:
        """Return the clips of the official files that are left out."""
        if self.key != "official" or self.folder is None:
            return []
        return official.lacking(self.folder)

    def fingerprint(self) -> str:
        """Return a hash of the files' content.

        Raises:
            DataMissingError: if one is not there.
        """
        text = f"{self.key} {VERSIONS[self.key]}"
        if self.folder is not None:
            text += f" {content_hash(self.folder, self._files())}"
        return hashlib.sha256(text.encode()).hexdigest()

    def _files(self) -> list[Path]:
        """Return the files of all frames that may be read."""
        assert self.folder is not None
        folder, both = self.folder, ("train", "test")
        if self.key == "tusk":
            frames = [name for split in both for name in tusk.listed(folder, split, "tusk")]
            return [*tusk.files(folder), *(folder / name for name in frames)]
        if self.key == "lmdis":
            return [path for name in self._names() for path in lmdis.paths(folder, name)]
        found = [clip for split in both for clip in official.clips(folder, split, "lmdis")]
        return [path for clip in found for path in (clip.poses, clip.video, clip.masks)]

    def _names(self) -> list[str]:
        assert self.folder is not None
        both = ("train", "test")
        if self.key == "lmdis":
            return [name for split in both for name in lmdis.listed(self.folder, split, "lmdis")]
        found = [
            clip
            for split in both
            for clip in official.clips(self.folder, split, "lmdis", strict=self.strict)
        ]
        paths = [path for clip in found for path in (clip.poses, clip.video, clip.masks)]
        return [f"{path.relative_to(self.folder)} {path.stat().st_size}" for path in paths]

    def check(self) -> None:
        """Raise `DataMissingError` unless the files are there."""
        if self.folder is None:
            return
        if self.key == "tusk":
            tusk.files(self.folder)
        else:
            names = self._names()
            if self.key == "lmdis":
                lmdis.check_complete(self.folder, names)


def resolve(source: Source, *, strict: bool = False) -> PeopleSource:
    """Decide which source is used; "auto" takes the first one that is there, else generates.

    Raises:
        DataMissingError: if the files of the source asked for are not there.
    """
    root = data_root()
    choices = [PeopleSource(key, root / folder, strict) for key, folder in FOLDERS.items()]
    if source == "generated":
        return PeopleSource("generated", None)
    for choice in choices:
        if source in ("auto", choice.key):
            try:
                choice.check()
                return choice
            except DataMissingError:
                if source != "auto":
                    raise
    return PeopleSource("generated", None)
