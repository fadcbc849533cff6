"""Where MNIST-Hard's digits come from: official files, or scikit-learn's embedded ones."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuskbench.data.hashes import content_hash
from tuskbench.data.locations import data_root
from tuskbench.data.readers import idx, mist
from tuskbench.errors import DataMissingError

Source = Literal["auto", "mnist", "mist", "digits", "idx"]

# Every fifth of scikit-learn's digits is kept for test, so that all its writers are in both.
TEST_EVERY = 5
# Every so many training digits, one is kept for validation where settings are chosen on it.
HELD_OUT_EVERY = 5
# Border given to the 8x8 digits, whose ink fills them; MNIST's fills 20 of 28 pixels.
DIGITS_BORDER = 2


@dataclass(frozen=True)
class DigitSource:
    """A resolved source of digits or of whole scenes.

    Attributes:
        key: `mnist`, `mist`, `digits` or `idx`.
        folder: where its files lie; None for the embedded digits.
        transposed: whether they store their pictures transposed.
    """

    key: Literal["mnist", "mist", "digits", "idx"]
    folder: Path | None
    transposed: bool = False

    @property
    def title(self) -> str:
        """Return the name shown in tables."""
        if self.key == "mist":
            return "MNIST-Hard (official files)"
        if self.key == "mnist":
            return "MNIST-Hard (generated from MNIST)"
        if self.key == "digits":
            return "MNIST-Hard (generated from scikit-learn's 8x8 digits)"
        assert self.folder is not None
        return f"MNIST-Hard (generated from {self.folder.name})"

    def fingerprint(self) -> str:
        """Return a hash of the files' content, that of the pictures that they list included.

        Raises:
            DataMissingError: if one is not there.
            DataFormatError: if one cannot be read.
        """
        files = self._files()
        root = self.folder or files[0].parent
        if self.key == "mist":
            files += [path for split in ("train", "test") for path in mist.pictures(root, split)]
        return hashlib.sha256(f"{self.key} {content_hash(root, files)}".encode()).hexdigest()

    def _files(self) -> list[Path]:
        if self.key == "digits":
            return [embedded_digits()]
        assert self.folder is not None
        if self.key == "mist":
            return [file for split in ("train", "test") for file in mist.files(self.folder, split)]
        name = "mnist" if self.key == "mnist" else str(self.folder)
        return [file for split in idx.FILES for file in idx.locate(self.folder, name, split)]

    def digits(
        self, split: str, *, hold_out: bool = False
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the tiles [N, h, w] and classes [N] of a split; splits share no digit.

        Args:
            split: `train`, `test` or `validation`.
            hold_out: leave every fifth training digit to `validation`.

        Raises:
            DataMissingError: if a file is not there.
            DataFormatError: if a file is damaged.
        """
        which = "train" if hold_out else split
        if self.key == "digits":
            tiles, classes = _scikit_digits(which)
        else:
            assert self.folder is not None
            tiles, classes = idx.read_digits(self.folder, self.key, which)
            tiles = tiles.swapaxes(1, 2).copy() if self.transposed else tiles
        if not hold_out:
            return tiles, classes
        chosen = (np.arange(len(tiles)) % HELD_OUT_EVERY == 0) == (split == "validation")
        return tiles[chosen], classes[chosen]


def resolve(source: Source, path: str, *, transpose: bool = False) -> DigitSource:
    """Decide which source is used.

    "auto" takes MIST's official folder, else MNIST's files, else the embedded digits.

    Raises:
        DataMissingError: if the files of the source asked for are not there.
    """
    root = data_root()
    if source == "digits":
        return DigitSource("digits", None)
    if source == "idx":
        if not path:
            remedy = 'give the folder of the IDX files as path = "..."'
            raise DataMissingError("mnist-hard", "no path for source 'idx'", remedy)
        return _present(DigitSource("idx", Path(path).expanduser(), transpose))
    choices = [DigitSource("mist", root / "mnist_hard"), DigitSource("mnist", root / "mnist")]
    if source != "auto":
        return _present(next(choice for choice in choices if choice.key == source))
    for choice in choices:
        try:
            return _present(choice)
        except DataMissingError:
            continue
    return DigitSource("digits", None)


def _present(source: DigitSource) -> DigitSource:
    """Return a source whose files are there and whose labels are classes."""
    files = source._files()
    if source.key == "mist":
        for file in files:
            if file.name.endswith("_labels.txt"):
                mist.read_labels(file)
    elif source.key != "digits":
        for _, labels in zip(files[::2], files[1::2], strict=True):
            idx.read_labels(labels)
    return source


def embedded_digits() -> Path:
    """Return scikit-learn's file of digits.

    Raises:
        DataMissingError: if scikit-learn is not installed.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        remedy = "install scikit-learn"
        raise DataMissingError("digits", "scikit-learn's digits.csv.gz", remedy)
    return Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"


def _scikit_digits(split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    data = load_digits()
    # Sixteen grey levels to 256.
    tiles = np.round(data.images * (255 / 16)).astype(np.uint8)
    border = (DIGITS_BORDER, DIGITS_BORDER)
    tiles = np.pad(tiles, ((0, 0), border, border))
    held_out = np.arange(len(tiles)) % TEST_EVERY == TEST_EVERY - 1
    chosen = held_out if split == "test" else ~held_out
    return tiles[chosen], data.target[chosen].astype(np.int64)
