"""The HDF5 layout of TUSK's authors: a group a feature, a data set a scene."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from tuskbench.data.readers.hdf5 import DIGITS


def write_features(
    path: Path, scenes: Iterable[Mapping[str, NDArray | bytes]], attribute: str
) -> None:
    """Write the features of scenes, and an attribute that says who wrote them."""
    with h5py.File(path, "w") as file:
        file.attrs[attribute] = "tuskbench"
        for number, features in enumerate(scenes):
            for name, value in features.items():
                if not isinstance(value, bytes):
                    file.create_dataset(f"{name}/{number:0{DIGITS}d}", data=np.asarray(value))
