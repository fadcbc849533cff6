"""`tuskbench data`: status, generated files, conversion."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tuskbench.cli import main
from tuskbench.data import scene_store


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TUSKBENCH_DATA", str(tmp_path / "data"))
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["data", *arguments])


def test_status_names_what_is_missing_until_it_is_there(folders: Path) -> None:
    def state() -> dict[str, str]:
        return {
            entry["name"]: entry["missing"] for entry in json.loads(call("status", "--json").stdout)
        }

    before = state()
    assert "gs://multi-object-datasets" in before["clevr_with_masks"]
    assert before["tetrominoes"]
    result = call("generate", "tetrominoes", "--out", str(folders / "data"), "--count", "5")
    assert result.exit_code == 0
    assert Path(result.stdout.strip()).name == "tetrominoes_train.tfrecords"
    assert "generating tetrominoes" in result.stderr
    after = state()
    assert not after["tetrominoes"]
    assert after["clevr_with_masks"]


@pytest.mark.parametrize(
    ("layout", "written"),
    [("hdf5", "tetrominoes/tetrominoes_train.h5"), ("cache", "tetrominoes")],
)
def test_other_layouts(folders: Path, layout: str, written: str) -> None:
    out = folders / "made"
    result = call("generate", "tetrominoes", "--out", str(out), "--count", "3", "--layout", layout)
    assert result.stdout.strip() == str(out / written)
    assert (out / written).exists()
    if layout == "cache":
        assert len(scene_store.read_scenes(out / written)) == 3


def test_prepare_converts_and_checks(folders: Path) -> None:
    call("generate", "tetrominoes", "--out", str(folders / "data"), "--count", "5")
    result = call("prepare", "tetrominoes")
    assert result.exit_code == 0
    folder = Path(result.stdout.strip())
    assert len(scene_store.read_scenes(folder)) == 5
    assert call("prepare", "tetrominoes", "--check").exit_code == 0
    content = bytearray((folder / "images.bin").read_bytes())
    content[100] ^= 1
    (folder / "images.bin").write_bytes(bytes(content))
    result = call("prepare", "tetrominoes", "--check")
    assert result.exit_code == 2
    assert "do not match their checksum" in result.stderr


def test_an_unknown_name_is_one_sentence() -> None:
    result = call("generate", "--out", "x", "--count", "1", "tetromino")
    assert result.exit_code == 2
    assert result.stderr.strip().splitlines()[-1].endswith("clevr_with_masks, tetrominoes")


def test_what_is_not_there_cannot_be_prepared() -> None:
    result = call("prepare", "clevr_with_masks")
    assert result.exit_code == 2
    assert "is missing" in result.stderr
