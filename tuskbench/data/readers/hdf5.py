"""The HDF5 layout of TUSK's authors: a group a feature, a data set a scene."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from tuskbench.errors import DataFormatError, TuskbenchError

# Names of data sets are record numbers of so many digits.
DIGITS = 6
# Deflate packs at most 1,032 bytes into one; a data set that was never written takes none.
MOST_PROMISED = 1100
SMALL = 1 << 10


def read_features(path: Path, start: int = 0) -> Iterator[dict[str, NDArray]]:
    """Yield the features of every scene from number `start`, in the order of their keys.

    Raises:
        DataFormatError: if the file is damaged or of another layout.
    """
    with _opened(path) as file:
        groups = {name: group for name, group in file.items() if isinstance(group, h5py.Group)}
        if "image" not in groups:
            raise DataFormatError(path, "no group 'image' as TUSK's authors have it")
        for key in sorted(groups["image"])[start:]:
            missing = [name for name, group in groups.items() if key not in group]
            if missing:
                raise DataFormatError(path, f"scene {key} lacks {', '.join(missing)}")
            yield {name: read_array(path, group[key]) for name, group in groups.items()}


def has(path: Path, attribute: str) -> bool:
    """Return whether the file has that attribute.

    Raises:
        DataFormatError: if the file is damaged.
    """
    with _opened(path) as file:
        return attribute in file.attrs


def read_array(path: Path, content: object, count: int | None = None) -> NDArray:
    """Return a data set, or its first `count` rows, of numbers that are really stored.

    Raises:
        DataFormatError: if it is none, holds no numbers, or promises far more than is stored.
    """
    if not isinstance(content, h5py.Dataset) or content.dtype.kind not in "biuf":
        name = getattr(content, "name", content)
        raise DataFormatError(path, f"{name!r} is no data set of numbers")
    if content.nbytes > MOST_PROMISED * (content.id.get_storage_size() + SMALL):
        problem = f"{content.name!r} promises {content.nbytes} bytes that are not stored"
        raise DataFormatError(path, problem)
    return np.asarray(content[:count] if count is not None else content)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except TuskbenchError:
        raise
    except Exception as error:
        # h5py raises nearly anything on damaged files.
        reason = str(error).partition("(")[2].rstrip(")") or str(error)
        raise DataFormatError(path, f"cannot be read as HDF5 ({reason})") from error
