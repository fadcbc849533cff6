"""Whatever bytes a file holds: a result or a `TuskbenchError`, and never more than a moment."""

from __future__ import annotations

import gzip
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuskbench.data.readers import celeba, hdf5, idx, mist, multi_object, tfrecord
from tuskbench.data.readers.files import read_text
from tuskbench.data.readers.h36m import lmdis
from tuskbench.data.readers.pictures import open_picture
from tuskbench.errors import TuskbenchError
from tuskbench.jsonfile import read_json
from tuskbench.spec.load import load
from tuskbench.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

SPEC = b'title = "x"\nseeds = [0]\n[task.mnist-hard]\nsource = "digits"\n[system]\nname = "tusk"\n'


def _record(content: bytes) -> bytes:
    head = struct.pack("<Q", len(content))
    checksums = [struct.pack("<I", tfrecord.masked_checksum(part)) for part in (head, content)]
    return head + checksums[0] + content + checksums[1]


def _stored(path: Path) -> None:
    folder = path.parent / "cells" / "0123456789abcdef"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("record.json", "cell.json"):
        (folder / name).write_bytes(path.read_bytes())
    list(Store(path.parent).records(lambda error: None))


def _json(path: Path) -> None:
    try:
        read_json(path)
    except ValueError:
        return


READERS: dict[str, tuple[Callable[[Path], Any], bytes]] = {
    "spec": (load, SPEC),
    "idx": (idx.read_array, b"\0\0\x08\3\0\0\0\1\0\0\0\2\0\0\0\2abcd"),
    "packed idx": (idx.read_array, gzip.compress(b"\0\0\x08\1\0\0\0\1a", mtime=0)),
    "labels": (mist.read_labels, b"1,2\n3,4\n"),
    "tfrecord": (lambda path: list(tfrecord.read_records(path)), _record(b"abc")),
    "example": (
        lambda path: list(multi_object.read_scenes(path, multi_object.TETROMINOES)),
        _record(b"\x0a\x0b\x0a\x09\x0a\x01a\x12\x04\x1a\x02\x08\x01"),
    ),
    "hdf5": (lambda path: list(hdf5.read_features(path)), b"\x89HDF\r\n\x1a\n" + b"\0" * 88),
    "rows": (lambda path: celeba._read_rows(path, 4, header=2), b"1\nx\na.jpg 1 2 3 4\n"),
    "list": (read_text, b"a\nb\n"),
    "landmarks": (lmdis._read_pose, b"MATLAB 5.0 MAT-file" + b" " * 105 + b"\0\1IM"),
    "picture": (open_picture, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0"),
    "bitmap": (open_picture, b"P5 2 2 255\nabcd"),
    "json": (_json, b'{"tasks": [], "cells": []}'),
    "record": (_stored, b'{"record": {"metrics": {}}, "sha256": "0"}'),
}


@st.composite
def damaged(draw: st.DrawFn, sound: bytes) -> bytes:
    """Return a sound file with bytes changed, cut out or added, or any bytes at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    content = bytearray(sound)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 3))
        content[place : place + length] = draw(st.binary(max_size=8))
    return bytes(content)


def _check(kind: str, data: st.DataObject) -> None:
    read, sound = READERS[kind]
    content = data.draw(damaged(sound))
    if kind == "example" and len(content) > 16:
        # With right checksums, so that damage reaches the message within.
        content = _record(content[12:-4])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file.tfrecords"
        file.write_bytes(content)
        try:
            read(file)
        except TuskbenchError:
            return


QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=15, deadline=5000, suppress_health_check=QUIET, derandomize=True)
@given(data=st.data())
def test_damaged_files_are_read_or_refused(kind: str, data: st.DataObject) -> None:
    _check(kind, data)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=3000, deadline=5000, suppress_health_check=QUIET)
@given(data=st.data())
def test_many_damaged_files_are_read_or_refused(kind: str, data: st.DataObject) -> None:
    _check(kind, data)
