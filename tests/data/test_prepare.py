"""Every original data set can be hashed ahead, under the name that its status shows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.data.test_fingerprints import LONG_AGO, SOURCES
from tests.data.test_idx import write_set
from tuskbench.cli import main
from tuskbench.data import hashes
from tuskbench.data.prepare import NAMES
from tuskbench.data.status import statuses

HASHED = [kind for kind in SOURCES if kind not in ("CLEVR", "Tetrominoes, HDF5", "IDX")]


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TUSKBENCH_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def prepare(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["data", "prepare", *arguments])


def _written(data: Path, kind: str) -> Path:
    write, name, _, _ = SOURCES[kind]
    write(data / name)
    for path in data.rglob("*"):
        os.utime(path, ns=(0, LONG_AGO))
    return data / name


def test_every_name_of_the_status_is_known() -> None:
    assert sorted(NAMES) == sorted(status.name for status in statuses())


@pytest.mark.parametrize("kind", HASHED)
def test_nothing_is_hashed_after_it(data: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = _written(data, kind)
    result = prepare(place.name)
    assert (result.exit_code, result.stdout.strip()) == (0, str(place)), result.output

    def fail(base: str, name: str, start: int) -> bytes:
        raise AssertionError(f"{name} is hashed again")

    monkeypatch.setattr(hashes, "_block", fail)
    assert len(SOURCES[kind][2]().fingerprint()) == 64


def test_a_folder_of_idx_files_is_prepared_by_its_path(data: Path) -> None:
    write_set(data / "letters")
    assert prepare(str(data / "letters")).stdout.strip() == str(data / "letters")


def test_embedded_digits_are_prepared() -> None:
    assert prepare("digits").stdout.strip().endswith("digits.csv.gz")


@pytest.mark.parametrize("name", ["mnist", "celeba", "celeba_wild.h5", "h36m", "h36m_lmdis"])
def test_what_is_not_there_cannot_be_prepared(name: str) -> None:
    result = prepare(name)
    assert result.exit_code == 2
    assert "is missing" in result.stderr


def test_an_unknown_name_is_told_the_nearest() -> None:
    result = prepare("tetromino")
    assert result.exit_code == 2
    assert result.stderr.strip().endswith("did you mean 'tetrominoes'?")


def test_a_check_finds_what_changed_unseen(data: Path) -> None:
    place = _written(data, "AutoLink")
    assert prepare(place.name, "--check").exit_code == 0
    with place.open("r+b") as file:
        file.seek(place.stat().st_size // 2)
        file.write(np.random.default_rng(0).bytes(8))
    os.utime(place, ns=(0, LONG_AGO))
    assert prepare(place.name).exit_code == 0
    result = prepare(place.name, "--check")
    assert result.exit_code == 2
    assert "content has changed" in result.stderr
    assert prepare(place.name, "--check").exit_code == 0
