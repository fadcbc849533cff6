"""The IDX reader on files written by hand, damaged in every way."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuskbench.data.readers import idx
from tuskbench.errors import DataFormatError, DataMissingError


def encode(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_set(folder: Path, compress: bool = True, count: int = 12) -> None:
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for images, labels in idx.FILES.values():
        for name, array in (
            (images, generator.integers(0, 256, (count, 28, 28))),
            (labels, np.arange(count) % 10),
        ):
            content = encode(array)
            path = folder / (f"{name}.gz" if compress else name)
            path.write_bytes(gzip.compress(content, mtime=0) if compress else content)


@given(shape=st.lists(st.integers(0, 5), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_reads_what_was_written(tmp_path_factory, shape) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(encode(array))
    assert np.array_equal(idx.read_array(path), array)


@pytest.mark.parametrize("compress", [True, False])
def test_reads_a_set(tmp_path, compress) -> None:
    write_set(tmp_path, compress)
    images, labels = idx.read_digits(tmp_path, "mnist", "test")
    assert images.shape == (12, 28, 28)
    assert labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


@pytest.mark.parametrize("keep", [0, 3, 10, 500, 900])
@pytest.mark.parametrize("compress", [True, False])
def test_truncated_file_is_one_sentence(tmp_path, keep, compress) -> None:
    content = encode(np.zeros((2, 28, 28)))
    content = gzip.compress(content, mtime=0) if compress else content
    path = tmp_path / "images"
    path.write_bytes(content[: min(keep, len(content) - 1)])
    with pytest.raises(DataFormatError, match="images"):
        idx.read_array(path)


def test_other_format(tmp_path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(DataFormatError, match="not an IDX file"):
        idx.read_array(path)


def test_labels_that_do_not_belong(tmp_path) -> None:
    write_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(encode(np.zeros(5))))
    with pytest.raises(DataFormatError, match="expected 12 labels"):
        idx.read_digits(tmp_path, "mnist", "test")


def test_missing_file_says_where(tmp_path) -> None:
    with pytest.raises(DataMissingError, match="train-images-idx3-ubyte"):
        idx.read_digits(tmp_path, "mnist", "train")


@pytest.mark.parametrize(("count", "label"), [(0, 0), (2, 26)])
def test_sets_without_images_or_with_other_classes_are_refused(tmp_path, count, label) -> None:
    images, labels = (tmp_path / name for name in idx.FILES["train"])
    images.write_bytes(encode(np.zeros((count, 28, 28))))
    labels.write_bytes(encode(np.full(count, label)))
    with pytest.raises(DataFormatError, match=r"holds no image|expected classes 0 to 9, found 26"):
        idx.read_digits(tmp_path, "idx", "train")
