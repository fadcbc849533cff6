"""Human3.6M without a video goes on and says so; EMNIST's names and storage get a hint."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tuskbench.data import digit_sources
from tuskbench.data.human36m_sources import PeopleSource
from tuskbench.data.readers.h36m import official
from tuskbench.errors import DataFormatError, DataMissingError

if TYPE_CHECKING:
    from pathlib import Path

LACKING = "Directions.54138969"


@pytest.fixture
def human36m(tmp_path: Path) -> Path:
    parts = ((official.POSES, "cdf"), (official.VIDEOS, "mp4"), (official.MASKS, "mp4"))
    for subject in ("S1", "S11"):
        for clip in ("Walking.54138969", LACKING):
            for part, ending in parts:
                file = tmp_path / subject / part / f"{clip}.{ending}"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
    return tmp_path


@pytest.mark.parametrize("part", [official.VIDEOS, official.MASKS, official.POSES])
def test_a_missing_file_leaves_its_clip_out(human36m: Path, part: str) -> None:
    (gone,) = (human36m / "S11" / part).glob(f"{LACKING}.*")
    gone.unlink()
    (clip,) = official.clips(human36m, "test", "lmdis")
    assert clip.video.stem == "Walking.54138969"
    assert PeopleSource("official", human36m).lacking() == [f"S11 {LACKING}"]
    with pytest.raises(DataMissingError, match=LACKING):
        PeopleSource("official", human36m, strict=True).check()


def test_a_subject_without_any_clip_is_missing(human36m: Path) -> None:
    for video in (human36m / "S11" / official.VIDEOS).iterdir():
        video.unlink()
    with pytest.raises(DataMissingError, match="S11"):
        official.clips(human36m, "test", "lmdis")


def write_idx(folder: Path, labels: list[int], beginning: str = "") -> None:
    images = np.arange(len(labels) * 6, dtype=np.uint8)
    for split in ("train", "t10k"):
        name = split if not beginning else split.replace("t10k", "test")
        file = folder / f"{beginning}{name}-images-idx3-ubyte"
        file.write_bytes(b"\0\0\x08\3" + struct.pack(">3I", len(labels), 2, 3) + images.tobytes())
        file = folder / f"{beginning}{name}-labels-idx1-ubyte"
        file.write_bytes(b"\0\0\x08\1" + struct.pack(">I", len(labels)) + bytes(labels))


def test_transposed_pictures_are_turned(tmp_path: Path) -> None:
    write_idx(tmp_path, [0, 9])
    plain, _ = digit_sources.resolve("idx", str(tmp_path)).digits("train")
    turned, _ = digit_sources.resolve("idx", str(tmp_path), transpose=True).digits("train")
    assert np.array_equal(turned, plain.transpose(0, 2, 1))


def test_emnists_own_names_get_a_hint(tmp_path: Path) -> None:
    write_idx(tmp_path, [0, 9], "emnist-digits-")
    with pytest.raises(DataMissingError, match="transpose = true"):
        digit_sources.resolve("idx", str(tmp_path))


def test_labels_out_of_range_are_refused_before_training(tmp_path: Path) -> None:
    write_idx(tmp_path, [1, 10])
    with pytest.raises(DataFormatError, match=r"labels-idx1-ubyte: .* 0 to 9, found 10"):
        digit_sources.resolve("idx", str(tmp_path))
