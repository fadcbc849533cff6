"""Keypoints on a user's own pictures: geometry, files, clear errors."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from tuskbench.cell import Cell, Training
from tuskbench.cli import main
from tuskbench.contracts import TaskInfo, WarpSettings
from tuskbench.errors import ConfigurationError, StoreError
from tuskbench.predict import Predictor, draw, open_picture, predict_files
from tuskbench.run import checkpoint
from tuskbench.systems.tusk import Tusk

WARP = WarpSettings((1.0, 0.05), 0.05, 0.02, 0.1)
TASK = TaskInfo("mnist-hard", (16, 16), (WARP, WARP))
CHOICE = {
    "name": "tusk",
    "encoder": {"name": "unet", "width": 8, "depth": 2},
    "head": {"name": "single-heatmap", "keypoints": 3, "window": 5},
    "decoder": {"name": "unet-sum", "width": 8, "depth": 2},
}


@pytest.fixture
def trained(tmp_path):
    torch.manual_seed(0)
    settings = {key: value for key, value in CHOICE.items() if key != "name"}
    cell = Cell("mnist-hard", {}, CHOICE, Training(), 0, "smoke", "p", {}, "f", "digits", "v")
    path = tmp_path / "cell" / "checkpoint.safetensors"
    metadata = {"cell": cell.to_json(), "task": asdict(TASK)}
    checkpoint.save(path, Tusk(TASK, **settings), {}, 1, metadata)
    return path


def test_task_info_round_trip() -> None:
    assert TaskInfo.from_json(json.loads(json.dumps(asdict(TASK)))) == TASK


def test_positions_are_in_the_pictures_own_pixels(trained) -> None:
    large = Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8))
    small = large.resize((16, 16), Image.Resampling.BILINEAR)
    predictor = Predictor(trained)
    for before, after in zip(predictor(small), predictor(large), strict=True):
        # The picture's border is the border of the small one: -1/2 maps to -1/2.
        assert after.x == pytest.approx((before.x + 0.5) * 3 - 0.5, abs=0.02)
        assert after.y == pytest.approx((before.y + 0.5) * 2 - 0.5, abs=0.02)
        assert after.label == before.label


def test_command_writes_pictures_and_json(trained, tmp_path) -> None:
    picture = tmp_path / "mine.jpg"
    Image.new("RGB", (40, 30), "red").save(picture)
    out = tmp_path / "out"
    arguments = ["predict", str(trained.parent), str(picture), "--keypoints", "5"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(out)])
    assert result.exit_code == 0, result.output
    content = json.loads((out / "mine.keypoints.json").read_text())
    assert (content["width"], content["height"]) == (40, 30)
    assert len(content["keypoints"]) == 5
    scores = [keypoint["score"] for keypoint in content["keypoints"]]
    assert scores == sorted(scores, reverse=True)
    with Image.open(out / "mine.keypoints.png") as drawn:
        assert min(drawn.size) >= 300
        assert len(np.unique(np.asarray(drawn).reshape(-1, 3), axis=0)) > 1


def test_more_keypoints_than_fit(trained) -> None:
    with pytest.raises(ConfigurationError, match="at most"):
        Predictor(trained, keypoints=1000)(Image.new("RGB", (16, 16)))


def test_missing_checkpoint(tmp_path) -> None:
    with pytest.raises(StoreError, match="no such checkpoint"):
        Predictor(tmp_path / "nothing")


@pytest.mark.parametrize("content", [None, b"text"])
def test_unreadable_picture_is_one_sentence(trained, tmp_path, content) -> None:
    picture = tmp_path / "picture.png"
    if content:
        picture.write_bytes(content)
    result = CliRunner().invoke(main, ["predict", str(trained), str(picture)])
    assert result.exit_code == 2
    assert "picture.png" in result.output
    assert "Traceback" not in result.output


def test_files_of_one_name_do_not_hide_each_other(trained, tmp_path) -> None:
    files = []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        files.append(tmp_path / place / "same.png")
        Image.new("RGB", (20, 20), "red").save(files[-1])
    drawn = predict_files(Predictor(trained), files, tmp_path / "out")
    assert [path.name for path in drawn] == ["same.keypoints.png", "same-2.keypoints.png"]
    assert all(path.with_suffix(".json").exists() for path in drawn)


def test_pictures_are_read_as_they_are_seen(tmp_path) -> None:
    deep = np.full((4, 4), 128 * 257, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    turned = Image.new("RGB", (6, 4))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert np.asarray(open_picture(tmp_path / "deep.png")).tolist() == [[[128] * 3] * 4] * 4
    assert not np.asarray(open_picture(tmp_path / "clear.png")).any()
    assert open_picture(tmp_path / "turned.jpg").size == (4, 6)


def test_a_narrow_picture_is_not_drawn_without_end() -> None:
    assert max(draw(Image.new("RGB", (3000, 20)), []).size) == 3000


def test_an_unknown_device_is_one_sentence(trained, tmp_path) -> None:
    picture = tmp_path / "picture.png"
    Image.new("RGB", (16, 16)).save(picture)
    arguments = ["predict", str(trained), str(picture), "--device", "gpu"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "expected auto, cpu, cuda or cuda:N" in result.output


def test_one_bad_picture_does_not_stop_the_others(trained, tmp_path) -> None:
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 30)
    Image.new("RGB", (20, 20), "red").save(tmp_path / "good.png")
    files = [str(tmp_path / name) for name in ("bad.png", "good.png", "missing.png")]
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["predict", str(trained), *files, "--out", str(out)])
    assert result.exit_code == 1
    assert (out / "good.keypoints.json").is_file()
    assert "bad.png: cannot be read as a picture" in result.output
    assert "missing.png: is not a file" in result.output
