"""Files that others made: whatever a library says of them becomes one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuskbench.errors import DataFormatError, TuskbenchError

LARGEST_LIST = 256 << 20
"""Bytes above which a list of names is not read."""


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn every error of the libraries that read `path` into a `DataFormatError`.

    Readers of damaged files raise nearly anything; so this holds only calls that read the file.

    Args:
        path: the file.
        what: what it is read as, for the sentence.
    """
    try:
        yield
    except TuskbenchError:
        raise
    except Exception as error:
        raise DataFormatError(path, f"cannot be read as {what} ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    told = " ".join(str(error).split())
    return told[:200] or type(error).__name__


def read_text(path: Path) -> str:
    """Return a list in UTF-8, with or without a byte order mark.

    Raises:
        DataFormatError: if it cannot be read, is too large, or is not UTF-8.
    """
    with reading(path, "a list"):
        with path.open("rb") as stream:
            content = stream.read(LARGEST_LIST + 1)
        if len(content) > LARGEST_LIST:
            raise DataFormatError(path, f"larger than {LARGEST_LIST >> 20} MiB, and no list")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataFormatError(path, f"line {line} is not UTF-8") from error


def is_file(path: Path) -> bool:
    """Return whether there is such a file, as far as the user may see."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Return whether there is such a folder, as far as the user may see."""
    try:
        return path.is_dir()
    except OSError:
        return False
