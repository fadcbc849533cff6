"""Generated scenes written to disk, in an official layout or as files to map into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuskbench.data import scene_store
from tuskbench.data.cache import chunks
from tuskbench.data.readers.multi_object import CLEVR, FORMATS, TETROMINOES
from tuskbench.data.scenes import Scenes
from tuskbench.errors import ConfigurationError, StoreError

Layout = Literal["official", "hdf5", "cache"]
"""DeepMind's TFRecord file, the HDF5 file of TUSK's authors, or `scene_store`'s folder."""

CHUNK = 64


def _clevr(seed: int, index: NDArray[np.int64]) -> Scenes:
    from tuskbench.data.clevr_scenes import generate

    return generate((3, 10), seed, CLEVR.name, index)


def _tetrominoes(seed: int, index: NDArray[np.int64]) -> Scenes:
    from tuskbench.data.generators.tetrominoes import render

    return render((3, 3), seed, TETROMINOES.name, index)


GENERATORS: Mapping[str, Callable[[int, NDArray[np.int64]], Scenes]] = {
    CLEVR.name: _clevr,
    TETROMINOES.name: _tetrominoes,
}
"""What can be generated, as the original has it."""


def generate(
    name: str,
    folder: Path,
    count: int,
    layout: Layout = "official",
    seed: int = 0,
    progress: scene_store.Progress = lambda done: None,
) -> Path:
    """Write generated scenes below a folder, and return the file or folder.

    The official layouts are written where they are looked for with TUSKBENCH_DATA set to
    `folder`; their files are marked as generated. A cache that was interrupted is gone on with.

    Args:
        name: a key of `GENERATORS`.
        folder: is made where it is missing.
        count: how many scenes.
        layout: what is written.
        seed: of the generator.
        progress: is told how many scenes are done.

    Raises:
        ConfigurationError: if nothing of that name can be generated.
        StoreError: if the folder cannot be written.
    """
    if name not in GENERATORS:
        raise ConfigurationError("data generate", "NAME", name, f"one of {', '.join(GENERATORS)}")
    try:
        if layout == "cache":
            target, origin = folder / name, f"{name} generated with seed {seed}"
            scene_store.write_scenes(
                target, origin, count, lambda start: _scenes(name, seed, start, count), progress
            )
            return target
        return _write_official(name, folder, count, layout, seed, progress)
    except OSError as error:
        raise StoreError(folder, f"cannot be written ({error.strerror or error})") from error


def _write_official(
    name: str,
    folder: Path,
    count: int,
    layout: Layout,
    seed: int,
    progress: scene_store.Progress,
) -> Path:
    from tuskbench.data.writers.multi_object import write

    target = FORMATS[name].files(folder)[layout == "hdf5"]
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_stem(f".{target.stem}")

    def counted() -> Iterator[scene_store.Arrays]:
        for done, scene in enumerate(_scenes(name, seed, 0, count), start=1):
            yield scene
            progress(done)

    write(partial, FORMATS[name], counted())
    partial.replace(target)
    return target


def _scenes(name: str, seed: int, start: int, count: int) -> Iterator[scene_store.Arrays]:
    """Yield the arrays of scenes `start` to `count`, one after the other."""
    for index in chunks(count, start, CHUNK):
        yield from scene_store.iterate(GENERATORS[name](seed, index))
