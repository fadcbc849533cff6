"""TFRecord files of `tf.train.Example`s, gzipped or plain, read without TensorFlow or protobuf.

DeepMind's multi-object data sets keep every pixel as a byte string of its own. On the wire each
is the three bytes 0a 01 vv, so a feature is every third byte of its list, and a record is read
through one NumPy view.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from tuskbench.errors import DataFormatError

Features = dict[str, NDArray]
"""Feature name to a flat array: uint8 of byte strings, float32 or int64."""

# A record is its length, the checksum of that, its bytes, and their checksum.
HEADER, FOOTER = struct.Struct("<QI"), struct.Struct("<I")
# A scene of CLEVR with masks takes 3 MB.
LARGEST_RECORD = 256 << 20
GZIP = b"\x1f\x8b"
MASK = 0xA282EAD8
# Field numbers of `tf.train.Feature`, and what its lists hold.
BYTES, FLOATS, INTEGERS = 1, 2, 3
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
# One byte string of one byte: field 1 with a length, and the length 1.
ONE_BYTE = (0x0A, 0x01)


def masked_checksum(content: bytes) -> int:
    """Return the CRC-32C of `content`, rotated and offset as TFRecord files have it."""
    crc: int = google_crc32c.value(content)
    return (((crc >> 15) | (crc << 17)) + MASK) & 0xFFFFFFFF


def read_records(path: Path) -> Iterator[bytes]:
    """Yield the records of a file in order.

    Raises:
        DataFormatError: if the file is cut short, damaged, or no TFRecord file.
    """
    number = 0
    with _opened(path) as raw:
        compressed = raw.peek(2)[:2] == GZIP
        stream: BinaryIO = gzip.GzipFile(fileobj=raw) if compressed else raw  # type: ignore[assignment]
        try:
            while (record := _read_record(stream, path, number)) is not None:
                yield record
                number += 1
        except EOFError as error:
            raise DataFormatError(path, f"the file ends inside record {number}") from error
        except (zlib.error, gzip.BadGzipFile) as error:
            problem = f"damaged gzip data at record {number} ({error})"
            raise DataFormatError(path, problem) from error
        except OSError as error:
            raise DataFormatError(path, f"cannot be read ({error.strerror or error})") from error


def _opened(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataFormatError(path, f"cannot be read ({error.strerror or error})") from error


def _read_record(stream: BinaryIO, path: Path, number: int) -> bytes | None:
    """Return the next record, or None at the end of the file."""
    header = stream.read(HEADER.size)
    if not header:
        return None
    if len(header) < HEADER.size:
        raise EOFError
    length, checksum = HEADER.unpack(header)
    if masked_checksum(header[:8]) != checksum:
        problem = f"record {number} has a damaged length" if number else "not a TFRecord file"
        raise DataFormatError(path, problem)
    if length > LARGEST_RECORD:
        problem = f"record {number} promises {length} bytes; at most {LARGEST_RECORD} are read"
        raise DataFormatError(path, problem)
    record, footer = stream.read(length), stream.read(FOOTER.size)
    if len(record) < length or len(footer) < FOOTER.size:
        raise EOFError
    if masked_checksum(record) != FOOTER.unpack(footer)[0]:
        raise DataFormatError(path, f"record {number} is damaged: its checksum does not match")
    return record


def parse_example(record: bytes) -> Features:
    """Return the features of a serialised `tf.train.Example`.

    Raises:
        ValueError: if the record is no such message, or holds byte strings of several lengths.
    """
    found: Features = {}
    for entries in _values(memoryview(record), LENGTH):
        for entry in _values(entries, LENGTH):
            name, feature = b"", memoryview(b"")
            for number, kind, value in _fields(entry):
                if (number, kind) == (1, LENGTH):
                    name = bytes(value)
                elif (number, kind) == (2, LENGTH):
                    feature = value
            try:
                found[name.decode()] = _feature(feature)
            except ValueError as error:
                raise ValueError(f"feature {name.decode(errors='replace')!r}: {error}") from error
    return found


def _feature(message: memoryview) -> NDArray:
    for number, kind, value in _fields(message):
        if kind == LENGTH and number == BYTES:
            return _byte_strings(value)
        if kind == LENGTH and number == FLOATS:
            return _floats(value)
        if kind == LENGTH and number == INTEGERS:
            return _integers(value)
    return np.zeros(0, np.uint8)


def _byte_strings(message: memoryview) -> NDArray[np.uint8]:
    """Return the bytes of strings that have one each, or of a single long string."""
    raw = np.frombuffer(message, np.uint8)
    if raw.size % 3 == 0:
        triples = raw.reshape(-1, 3)
        if (triples[:, 0] == ONE_BYTE[0]).all() and (triples[:, 1] == ONE_BYTE[1]).all():
            return triples[:, 2]
    strings = list(_values(message, LENGTH))
    if len(strings) != 1:
        raise ValueError(f"{len(strings)} byte strings that are not of one byte each")
    return np.frombuffer(strings[0], np.uint8)


def _floats(message: memoryview) -> NDArray[np.float32]:
    # Packed into one field, or a field each.
    parts = [
        np.frombuffer(value, "<f4")
        for number, kind, value in _fields(message)
        if number == 1 and kind in (LENGTH, FIXED32)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _integers(message: memoryview) -> NDArray[np.int64]:
    numbers: list[int] = []
    for _, kind, value in _fields(message):
        place = 0
        while place < len(value) if kind == LENGTH else place == 0:
            number, place = _varint(value, place)
            numbers.append(number)
    return np.array(numbers, np.uint64).astype(np.int64)


def _values(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Yield field 1 of a message."""
    for number, kind, value in _fields(message):
        if (number, kind) == (1, wanted):
            yield value


def _fields(message: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield field number, wire type and bytes of every field of a protobuf message."""
    place = 0
    while place < len(message):
        tag, start = _varint(message, place)
        kind = tag & 7
        if kind == LENGTH:
            size, start = _varint(message, start)
        elif kind == VARINT:
            size = _varint(message, start)[1] - start
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"unknown wire type {kind}")
        place = start + size
        if place > len(message):
            raise ValueError("a field reaches beyond its message")
        yield tag >> 3, kind, message[start:place]


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Return the number at `place` and the place after it."""
    number = 0
    for step in range(10):
        if place + step >= len(message):
            break
        byte = message[place + step]
        number |= (byte & 0x7F) << (7 * step)
        if byte < 0x80:
            # The tenth byte has room for more than 64 bits.
            return number & 0xFFFFFFFFFFFFFFFF, place + step + 1
    raise ValueError("a number does not end")
