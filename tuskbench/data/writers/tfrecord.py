"""Gzipped TFRecord files of `tf.train.Example`s, written without TensorFlow or protobuf."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuskbench.data.readers.tfrecord import BYTES, FLOATS, FOOTER, HEADER, LENGTH, masked_checksum

COMPRESSION = 6


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Write records to a gzipped TFRecord file."""
    with gzip.open(path, "wb", compresslevel=COMPRESSION) as stream:
        for record in records:
            length = len(record).to_bytes(8, "little")
            stream.write(HEADER.pack(len(record), masked_checksum(length)))
            stream.write(record)
            stream.write(FOOTER.pack(masked_checksum(record)))


def example(features: Mapping[str, NDArray | bytes]) -> bytes:
    """Serialise a `tf.train.Example`.

    Args:
        features: arrays of uint8 become one byte string a number, as DeepMind's data sets have
            it; arrays of float32 a list of floats; bytes one string.
    """
    entries = [
        _field(1, _field(1, name.encode()) + _field(2, _feature(value)))
        for name, value in features.items()
    ]
    return _field(1, b"".join(entries))


def _feature(value: NDArray | bytes) -> bytes:
    if isinstance(value, bytes):
        return _field(BYTES, _field(1, value))
    if value.dtype == np.uint8:
        triples = np.empty((value.size, 3), np.uint8)
        triples[:] = (1 << 3 | LENGTH, 1, 0)
        triples[:, 2] = value.ravel()
        return _field(BYTES, triples.tobytes())
    return _field(FLOATS, _field(1, value.astype("<f4").tobytes()))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | LENGTH) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    content = bytearray()
    while number > 0x7F:
        content.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*content, number])
