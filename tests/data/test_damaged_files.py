"""Files that promise too much, or cannot be read, are refused in a sentence."""

from __future__ import annotations

import gzip
import os
import struct
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from tuskbench.data.readers import hdf5, idx, mist, tfrecord
from tuskbench.errors import DataFormatError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 2**40])
@pytest.mark.parametrize("packed", [False, True])
def test_a_record_that_promises_too_much(tmp_path: Path, length: int, packed: bool) -> None:
    head = struct.pack("<Q", length)
    content = head + struct.pack("<I", tfrecord.masked_checksum(head)) + b"x" * 20
    file = tmp_path / "x.tfrecords"
    file.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataFormatError, match=f"promises {length} bytes"):
        list(tfrecord.read_records(file))


def test_an_integer_of_seventy_bits_is_cut_to_sixty_four() -> None:
    number = b"\xff" * 9 + b"\x7f"
    integers = b"\x1a" + bytes([len(number) + 1]) + b"\x08" + number
    entry = b"\x0a\x01a\x12" + bytes([len(integers)]) + integers
    features = b"\x0a" + bytes([len(entry)]) + entry
    example = b"\x0a" + bytes([len(features)]) + features
    assert tfrecord.parse_example(example)["a"].tolist() == [-1]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\0\0\x08\x64" + struct.pack(">100I", *[1] * 100) + b"x", "100 dimensions"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "at most"),
        (b"\0\0\x08\x01" + struct.pack(">I", 3) + b"xx", "found 2"),
        (b"\0\0\x08\x01" + struct.pack(">I", 3) + b"xxxx", "found more"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_header_that_promises_too_much(
    tmp_path: Path, content: bytes, told: str, packed: bool
) -> None:
    file = tmp_path / "x"
    file.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataFormatError, match=told):
        idx.read_array(file)


def test_an_hdf5_data_set_that_was_never_written(tmp_path: Path) -> None:
    file = tmp_path / "x.h5"
    with h5py.File(file, "w") as content:
        content.create_dataset("image/000000", (10**6, 10**6), "u1", chunks=(10, 10))
    with pytest.raises(DataFormatError, match="not stored"):
        list(hdf5.read_features(file))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_files_without_read_permission(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"\0" * 20)
    file.chmod(0)
    folder = tmp_path
    while folder.stat().st_uid == 0 and folder != folder.parent and not folder.stat().st_mode & 1:
        folder.chmod(0o755)
        folder = folder.parent
    os.seteuid(65534)
    try:
        for read in (
            idx.read_array,
            mist.read_labels,
            lambda path: list(tfrecord.read_records(path)),
        ):
            with pytest.raises(DataFormatError, match="Permission denied"):
                read(file)
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("text", ["1,2\n10,3\n", "-1,2\n", "", "a,b\n", "1,2\n3\n", "1" * 5000])
def test_labels_out_of_range_name_file_and_range(tmp_path: Path, text: str) -> None:
    file = tmp_path / "train_labels.txt"
    file.write_text(text)
    with pytest.raises(DataFormatError, match=r"train_labels.txt: .*class"):
        mist.read_labels(file)


def test_labels_are_read(tmp_path: Path) -> None:
    file = tmp_path / "train_labels.txt"
    file.write_text("1,2\n9,0\n")
    assert np.array_equal(mist.read_labels(file), [[1, 2], [9, 0]])
