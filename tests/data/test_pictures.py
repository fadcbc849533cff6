"""Pictures of every depth keep their brightness; what cannot be read is one sentence."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tuskbench.data.readers.files import read_text
from tuskbench.data.readers.pictures import open_picture, read_picture
from tuskbench.errors import DataFormatError

if TYPE_CHECKING:
    from pathlib import Path

RAMP = np.linspace(0, 1, 12).reshape(3, 4)


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """Return a PNG file of raw rows, each with its filter byte."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    deep = np.round(RAMP * 65535).astype(np.uint16)
    wanted = np.round(RAMP * 255)
    Image.fromarray(deep).save(tmp_path / "grey.png")
    Image.fromarray(deep).save(tmp_path / "grey.tif")
    rows = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in deep)
    (tmp_path / "colour.png").write_bytes(png(4, 3, 16, 2, rows))
    (tmp_path / "grey.pgm").write_bytes(b"P5 4 3 65535\n" + deep.astype(">u2").tobytes())
    for name in ("grey.png", "grey.tif", "colour.png", "grey.pgm"):
        assert np.abs(np.asarray(open_picture(tmp_path / name))[..., 0] - wanted).max() <= 1, name
        assert np.abs(read_picture(tmp_path / name, "L", (4, 3)) - wanted).max() <= 1, name


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_a_range_that_nothing_tells_is_refused(tmp_path: Path, kind: type) -> None:
    file = tmp_path / "x.tif"
    Image.fromarray((RAMP * 1000).astype(kind)).save(file)
    with pytest.raises(DataFormatError, match="a range that nothing tells"):
        open_picture(file)


@pytest.mark.parametrize(
    "error",
    [ValueError, SyntaxError, NotImplementedError, EOFError, struct.error, KeyError, MemoryError],
)
def test_whatever_pillow_raises_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    file = tmp_path / "x.png"
    Image.new("RGB", (4, 4)).save(file)

    def fail(*arguments: object) -> None:
        raise error("it is\nbroken")

    monkeypatch.setattr(Image.Image, "convert", fail)
    for read in (open_picture, lambda path: read_picture(path, "RGB", (4, 4))):
        with pytest.raises(DataFormatError, match="cannot be read as a picture"):
            read(file)


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bomb.png"
    file.write_bytes(png(60_000, 60_000, 8, 2, b""))
    with pytest.raises(DataFormatError, match="decompression bomb"):
        open_picture(file)


@pytest.mark.parametrize("name", ["missing.png", ".", "/dev/zero", "a\0b"])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataFormatError, match="is not a file"):
        open_picture(tmp_path / name)


def test_lists_may_begin_with_a_byte_order_mark_and_must_be_utf8(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
    assert read_text(file).split() == ["one", "two"]
    file.write_bytes(b"one\n\xff\n")
    with pytest.raises(DataFormatError, match="line 2 is not UTF-8"):
        read_text(file)
    with pytest.raises(DataFormatError, match="Is a directory"):
        read_text(tmp_path)
