"""TFRecord files: a message that TensorFlow made, hand-made bytes, and every kind of damage."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from tuskbench.data.readers.tfrecord import masked_checksum, parse_example, read_records
from tuskbench.data.writers.tfrecord import example, write_records
from tuskbench.errors import DataFormatError

# What TensorFlow's tutorial on TFRecord prints for an integer, a boolean, a string and 0.9876.
GOAT = (
    b"\nR\n\x14\n\x08feature2\x12\x08\n\x06\n\x04goat\n\x11\n\x08feature0\x12\x05\x1a\x03\n\x01"
    b"\x00\n\x11\n\x08feature1\x12\x05\x1a\x03\n\x01\x04\n\x14\n\x08feature3\x12\x08\x12\x06\n\x04"
    b"[\xd3|?"
)


def framed(record: bytes) -> bytes:
    length = struct.pack("<Q", len(record))
    checksums = (struct.pack("<I", masked_checksum(part)) for part in (length, record))
    return length + next(checksums) + record + next(checksums)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.tfrecords"
    write_records(path, [b"first", b"second" * 200, b"third"])
    return path


def test_a_message_of_tensorflow() -> None:
    found = parse_example(GOAT)
    assert found["feature0"].tolist() == [0]
    assert found["feature1"].tolist() == [4]
    assert found["feature2"].tobytes() == b"goat"
    assert found["feature3"].tolist() == [np.float32(0.9876)]


def test_checksum_is_the_castagnoli_one() -> None:
    # The CRC-32C of these digits is e3069283 (RFC 3720 and every CRC catalogue).
    crc = 0xE3069283
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    assert masked_checksum(b"123456789") == (rotated + 0xA282EAD8) % 2**32


def test_one_byte_strings_are_every_third_byte() -> None:
    values = np.random.default_rng(0).integers(0, 256, 500).astype(np.uint8)
    entries = b"".join(bytes([0x0A, 0x01, value]) for value in values)
    feature = b"\x0a\xdc\x0b" + entries
    assert len(entries) == 0xDC - 0x80 + (0x0B << 7)
    entry = b"\x0a\x01p\x12" + _varint(len(feature)) + feature
    features = b"\x0a" + _varint(len(entry)) + entry
    record = b"\x0a" + _varint(len(features)) + features
    assert np.array_equal(parse_example(record)["p"], values)
    assert example({"p": values}) == record


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number % 128 + 128, number // 128])


def test_one_long_string_is_read_too() -> None:
    content = bytes(range(256)) * 3
    assert parse_example(example({"image": content}))["image"].tobytes() == content


def test_floats_and_integers_of_both_kinds() -> None:
    unpacked = b"\x0d" + struct.pack("<f", 1.5) + b"\x0d" + struct.pack("<f", -2.0)
    lists = {b"f": b"\x12\x0a" + unpacked, b"i": b"\x1a\x04\x08\x05\x08\x07"}
    lists[b"n"] = b"\x1a\x0c\x0a\x0a" + b"\xff" * 9 + b"\x01"
    entries = b"".join(
        b"\x0a"
        + bytes([5 + len(feature)])
        + b"\x0a\x01"
        + name
        + b"\x12"
        + bytes([len(feature)])
        + feature
        for name, feature in lists.items()
    )
    found = parse_example(b"\x0a" + bytes([len(entries)]) + entries)
    assert found["f"].tolist() == [1.5, -2.0]
    assert found["i"].tolist() == [5, 7]
    assert found["n"].tolist() == [-1]


def test_records_come_back_in_order(file: Path) -> None:
    assert list(read_records(file)) == [b"first", b"second" * 200, b"third"]


def test_plain_files_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "plain.tfrecords"
    path.write_bytes(framed(b"one") + framed(b"two"))
    assert list(read_records(path)) == [b"one", b"two"]


def test_a_file_without_records(tmp_path: Path) -> None:
    path = tmp_path / "empty.tfrecords"
    path.write_bytes(b"")
    assert list(read_records(path)) == []


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.97])
def test_a_truncated_gzip_file(file: Path, kept: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataFormatError, match="ends inside record"):
        list(read_records(file))


@pytest.mark.parametrize("cut", [2, 7, 14, 18])
def test_a_truncated_plain_file(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "plain.tfrecords"
    path.write_bytes(framed(b"whole") + framed(b"cut")[:cut])
    with pytest.raises(DataFormatError, match="ends inside record 1"):
        list(read_records(path))


def test_a_damaged_record(tmp_path: Path) -> None:
    path = tmp_path / "damaged.tfrecords"
    content = bytearray(framed(b"whole") + framed(b"damaged"))
    content[-8] ^= 1
    path.write_bytes(gzip.compress(bytes(content), mtime=0))
    with pytest.raises(DataFormatError, match="record 1 is damaged: its checksum"):
        list(read_records(path))


def test_a_damaged_length(tmp_path: Path) -> None:
    path = tmp_path / "damaged.tfrecords"
    content = bytearray(framed(b"whole") + framed(b"damaged"))
    content[len(framed(b"whole"))] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataFormatError, match="record 1 has a damaged length"):
        list(read_records(path))


def test_damaged_gzip_data(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[14:30] = bytes(16)
    file.write_bytes(bytes(content))
    with pytest.raises(DataFormatError):
        list(read_records(file))


@pytest.mark.parametrize(
    "content", [b"\x89PNG and so on, long enough", gzip.compress(b"x" * 99, mtime=0)]
)
def test_a_foreign_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.tfrecords"
    path.write_bytes(content)
    with pytest.raises(DataFormatError, match="not a TFRecord file"):
        list(read_records(path))


@pytest.mark.parametrize(
    "record", [b"\x0a\xff", b"\x0a\x05ab", b"\x0f\x01", b"\xff" * 12, GOAT[:-3]]
)
def test_what_is_no_example(record: bytes) -> None:
    with pytest.raises(ValueError, match=r"does not end|beyond its message|wire type"):
        parse_example(record)


def test_byte_strings_of_several_lengths() -> None:
    feature = b"\x0a\x02ab\x0a\x01c"
    entry = b"\x0a\x01p\x12\x09\x0a\x07" + feature
    record = b"\x0a" + bytes([len(entry) + 2]) + b"\x0a" + bytes([len(entry)]) + entry
    with pytest.raises(ValueError, match="feature 'p': 2 byte strings"):
        parse_example(record)
