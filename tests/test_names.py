"""Names that become files, and JSON that others wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tuskbench import names
from tuskbench.jsonfile import read_json

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["cpu", "mnist-hard", "a.b_c+d", "0", "x" * 100])
def test_plain_names_are_names(name: str) -> None:
    assert names.is_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../x", "a\n", "\x1b[31m", "=1", "-rf", "x" * 101, "é", "a b", 3]
)
def test_what_could_leave_the_folder_is_no_name(name: object) -> None:
    assert not names.is_name(name)


@pytest.mark.parametrize(("change", "told"), [("task", "task"), ("id", "id of a cell")])
def test_manifest_with_a_path_for_a_name_is_refused(change: str, told: str) -> None:
    planned = {"id": "0123456789abcdef", "task": "clevr6"}
    names.check_manifest({"tasks": ["clevr6"], "cells": [planned]})
    with pytest.raises(ValueError, match=told):
        names.check_manifest({"tasks": ["clevr6"], "cells": [{**planned, change: "../../x"}]})


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"\xff", b"", b"1" * 5000, b'{"a": ' * 3000], ids=len
)
def test_bad_json_is_a_value_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        read_json(file)


def test_large_json_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="larger than 1 MiB"):
        read_json(file, 1 << 20)
