"""Human3.6M's protocol: oracles, baselines, splits, sources, settings that exclude each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.data.test_h36m import write_lmdis, write_tusk
from tuskbench.contracts import Keypoints, Prediction
from tuskbench.data.generators.people import Scene, generate
from tuskbench.data.status import statuses
from tuskbench.errors import ConfigurationError, DataMissingError
from tuskbench.tasks.h36m import Human36M


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TUSKBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def small(**settings) -> Human36M:
    sizes = {"source": "generated", "canvas": 32, "train_images": 200, "test_images": 60}
    return Human36M(**{**sizes, **settings})


def oracle(task: Human36M, joints=range(32), noise: float = 0.0):
    """Predict some joints, as the rule names them, with noise in pixels."""
    joints = list(joints)

    def predict(split: str, *, objects: int | None = None):
        xy = task.split(split).targets["landmarks"][:, joints]
        xy = xy + noise * torch.randn(xy.shape, generator=torch.Generator().manual_seed(0))
        label = torch.arange(len(joints)).expand(len(xy), -1)
        yield Prediction(Keypoints(xy, torch.ones(label.shape), label))

    return predict


def blind(split_sizes: dict[str, int]):
    """Predict the same point in every image."""

    def predict(split: str, *, objects: int | None = None):
        count = split_sizes[split]
        xy = torch.full((count, 1, 2), 15.5)
        label = torch.zeros((count, 1), dtype=torch.int64)
        yield Prediction(Keypoints(xy, torch.ones(count, 1), label))

    return predict


def test_oracle_makes_no_error() -> None:
    metrics = small().evaluate(oracle(small()))
    assert metrics.values["error"] == pytest.approx(0, abs=1e-3)
    assert metrics.values["anatomical_error"] > 0.01
    assert metrics.values["mean_landmark_error"] > 0.04
    assert set(metrics.values) == set(small().metrics)
    assert all(scores.shape == (60,) for scores in metrics.per_image.values())
    assert 0 < metrics.counts["swapped"] < 60


def test_anatomical_labels() -> None:
    task = small(left_right="anatomical")
    assert not task.split("test").targets["swapped"].any()
    values = task.evaluate(oracle(task)).values
    assert values["error"] == values["anatomical_error"] == pytest.approx(0, abs=1e-3)
    assert "anatomical" in task.data_source()


def test_a_constant_is_as_good_as_the_mean() -> None:
    task = small()
    values = task.evaluate(blind(task.images)).values
    assert values["error"] == pytest.approx(values["mean_landmark_error"], rel=1e-3)


def test_a_few_joints_beat_the_mean_clearly() -> None:
    """What a working system can reach: hands, elbows, knees, feet, head and hip, noisily."""
    task = small(train_images=600, test_images=200, canvas=64)
    values = task.evaluate(oracle(task, (0, 2, 3, 7, 8, 13, 15, 18, 19, 26, 27), 2.0)).values
    assert values["error"] < 0.6 * values["mean_landmark_error"]


def test_the_codes_regressor_is_worse_than_the_closed_form() -> None:
    errors = []
    for side in ("paper", "code"):
        task = small(faithful_to=side, subjects="lmdis")
        errors.append(task.evaluate(oracle(task)).values["error"])
    assert errors[0] < errors[1]


def test_subjects_follow_the_side_unless_given() -> None:
    assert small().subjects == "lmdis"
    assert small(faithful_to="code").subjects == "tusk"
    assert small(faithful_to="code", subjects="lmdis").subjects == "lmdis"
    assert "tusk split" in small(subjects="tusk").data_source()


def test_the_border_is_the_background() -> None:
    assert small().info().border == 1.0
    grey = small(background="grey")
    assert grey.info().border == 0.5
    assert grey.split("test").images[0, :, 0, 0].tolist() == [128] * 3


def test_auto_takes_the_files_that_are_there(folders) -> None:
    assert Human36M().source_key() == "generated"
    people = generate(Scene(224), 0, "layout", np.arange(14))
    write_lmdis(folders / "h36m_lmdis", people)
    lmdis = Human36M(canvas=32)
    assert lmdis.source_key() == "lmdis"
    assert len(lmdis.split("test")) == 2
    write_tusk(folders / "crop_foreground_h36m", people)
    tusk = Human36M(canvas=32, subjects="tusk")
    assert tusk.source_key() == "tusk"
    assert len(tusk.split("test")) == 4
    assert tusk.split("train").images.shape == (10, 3, 32, 32)
    assert "generated" not in tusk.data_source()
    missing = {status.name: status.missing for status in statuses()}
    assert not missing["crop_foreground_h36m"]
    assert not missing["h36m_lmdis"]
    assert "register" in missing["h36m"]


def test_fingerprint_follows_the_files(folders) -> None:
    generated = Human36M().fingerprint()
    write_tusk(folders / "crop_foreground_h36m", generate(Scene(224), 0, "a", np.arange(7)))
    before = Human36M().fingerprint()
    assert before != generated
    write_tusk(folders / "crop_foreground_h36m", generate(Scene(224), 0, "b", np.arange(7)))
    assert Human36M().fingerprint() != before


def test_missing_data_says_what_to_do() -> None:
    with pytest.raises(DataMissingError, match="register"):
        Human36M(source="official").data_source()


def test_impossible_settings(folders) -> None:
    with pytest.raises(ConfigurationError, match="background"):
        Human36M(source="tusk", background="grey")
    write_tusk(folders / "crop_foreground_h36m", generate(Scene(224), 0, "a", np.arange(7)))
    with pytest.raises(ConfigurationError, match="masks"):
        Human36M(background="grey").data_source()


def test_departures_from_the_protocol_are_told() -> None:
    assert Human36M().rules() == Human36M.protocol
    assert Human36M(ridge=0).rules() == f"{Human36M.protocol} (ridge 0)"
