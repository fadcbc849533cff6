"""Where celeba-wild's faces come from: official files, AutoLink's, or generated ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuskbench.data.hashes import content_hash
from tuskbench.data.locations import data_root
from tuskbench.data.readers import celeba
from tuskbench.errors import DataMissingError

Source = Literal["auto", "celeba", "autolink", "generated"]
TITLES = {
    "celeba": "CelebA-in-the-wild (official files)",
    "autolink": "CelebA-in-the-wild (AutoLink's HDF5)",
    "generated": "CelebA-in-the-wild (generated faces)",
}
# Versions of the readers and the generator; raise one when it makes other images of the same.
VERSIONS = {"celeba": 1, "autolink": 1, "generated": 1}


@dataclass(frozen=True)
class FaceSource:
    """A resolved source of faces; `path` is its folder or file, None where it is generated."""

    key: Literal["celeba", "autolink", "generated"]
    path: Path | None

    @property
    def title(self) -> str:
        """Return the name shown in tables."""
        return TITLES[self.key]

    def fingerprint(self) -> str:
        """Return a hash of what the data is made from.

        It covers every byte of the lists and of the photographs that they name, or of the
        HDF5 file.

        Raises:
            DataMissingError: if a file is not there.
            DataFormatError: if one cannot be read.
        """
        text = f"{self.key} {VERSIONS[self.key]}"
        if self.path is not None:
            files, root = self.files(), self.path
            if self.key == "celeba":
                files += celeba.photographs(root)
            else:
                root = root.parent
            text += f" {content_hash(root, files)}"
        return hashlib.sha256(text.encode()).hexdigest()

    def files(self) -> list[Path]:
        """Return the files.

        Raises:
            DataMissingError: if one is not there.
        """
        if self.path is None:
            return []
        return celeba.files(self.path) if self.key == "celeba" else [celeba.hdf5_file(self.path)]


def resolve(source: Source) -> FaceSource:
    """Decide which source is used: for "auto" CelebA, else AutoLink's file, else generated.

    Raises:
        DataMissingError: if the files of the source asked for are not there.
    """
    root = data_root()
    sources = {
        "celeba": FaceSource("celeba", root / "celeba"),
        "autolink": FaceSource("autolink", root / "celeba_wild.h5"),
        "generated": FaceSource("generated", None),
    }
    if source != "auto":
        sources[source].files()
        return sources[source]
    for choice in sources.values():
        try:
            choice.files()
        except DataMissingError:
            continue
        return choice
    raise AssertionError("generated faces need no file")
