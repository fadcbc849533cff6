"""celeba-wild's protocol: oracle, baseline, sources, several faces."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tuskbench.contracts import Keypoints, Prediction
from tuskbench.data.generators.faces import generate
from tuskbench.data.writers.celeba import write_celeba
from tuskbench.errors import DataMissingError
from tuskbench.tasks.celeba_wild import CelebAWild


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TUSKBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def small(**settings) -> CelebAWild:
    few = {"canvas": 32, "train_images": 8, "labelled_images": 60, "test_images": 20}
    return CelebAWild(source="generated", **{**few, **settings})


def oracle(task: CelebAWild, asked: list | None = None, constant: bool = False):
    """Predict the landmarks, or the middle of the image, in shuffled order of detections."""

    def predict(split: str, *, objects: int | None = None):
        if asked is not None:
            asked.append((split, objects))
        points = task.split(split).targets["landmarks"].reshape(len(task.split(split)), -1, 2)
        label = torch.arange(points.shape[1]) % 5
        order = torch.randperm(len(label), generator=torch.Generator().manual_seed(0))
        xy = torch.full_like(points, 15.5) if constant else points[:, order]
        for start in range(0, len(xy), 7):
            part = xy[start : start + 7]
            score = torch.ones(part.shape[:2])
            yield Prediction(Keypoints(part, score, label[order].expand(len(part), -1)))

    return predict


def test_oracle_has_no_error() -> None:
    metrics = small().evaluate(oracle(small()))
    assert set(metrics.values) == {"error", "mean_landmark_error", "oracle_error"}
    assert metrics.values["oracle_error"] < 0.01
    assert metrics.values["error"] < 0.01
    assert metrics.values["mean_landmark_error"] > 0.4
    assert metrics.counts["labelled"] == 60
    assert metrics.per_image["error"].shape == (20,)


def test_constant_keypoints_are_the_mean_landmarks() -> None:
    metrics = small().evaluate(oracle(small(), constant=True))
    assert metrics.values["error"] == pytest.approx(metrics.values["mean_landmark_error"], rel=1e-3)


def test_code_trains_the_regressor_by_adam() -> None:
    paper, code = (small(labelled_images=1500, faithful_to=side) for side in ("paper", "code"))
    closed, trained = (task.evaluate(oracle(task)).values["error"] for task in (paper, code))
    assert closed < trained < 0.5


def test_several_faces() -> None:
    asked: list = []
    task = small(several_images=4)
    metrics = task.evaluate(oracle(task, asked))
    assert set(metrics.values) == set(task.metrics)
    assert [entry for entry in asked if entry[1]] == [(f"several-{n}", n) for n in (2, 3, 4)]
    for faces in (1, 2, 3, 4):
        assert metrics.values[f"covered_{faces}"] == 1
        assert metrics.values[f"false_{faces}"] < 0.02
        for name in (f"covered_{faces}", f"false_{faces}"):
            assert metrics.per_image[name].mean() == pytest.approx(metrics.values[name])
    assert task.split("several-3").targets["landmarks"].shape == (4, 3, 5, 2)
    assert metrics.figures["faces_4_images"].shape == (4, 32, 32, 3)


def test_splits_are_cached_and_differ() -> None:
    first, again = small().split("test"), small().split("test")
    assert torch.equal(first.images, again.images)
    labelled = small(labelled_images=20).split("labelled")
    assert not torch.equal(labelled.images, first.images)


def test_official_files_are_found_and_used(folders) -> None:
    assert CelebAWild().source_key() == "generated"
    scenes = {
        split: generate(64, 1, (0.31, 0.6), 0, split, np.arange(count))
        for split, count in (("train", 6), ("labelled", 12), ("test", 5))
    }
    write_celeba(folders / "celeba", scenes)
    task = CelebAWild(canvas=32, several_images=3)
    assert task.source_key() == "celeba"
    assert "official" in task.data_source()
    assert len(task.split("train")) == 18
    metrics = task.evaluate(oracle(task))
    assert "covered_2" not in metrics.values
    assert metrics.counts["images"] == 5


def test_fingerprint_follows_the_lists(folders) -> None:
    scenes = {"test": generate(64, 1, (0.31, 0.6), 0, "a", np.arange(3))}
    write_celeba(folders / "celeba", scenes)
    before = CelebAWild().fingerprint()
    assert before != CelebAWild(source="generated").fingerprint()
    write_celeba(folders / "celeba", {"labelled": scenes["test"]})
    assert CelebAWild().fingerprint() != before


@pytest.mark.parametrize("source", ["celeba", "autolink"])
def test_missing_data_says_what_to_do(source) -> None:
    with pytest.raises(DataMissingError, match="TUSKBENCH_DATA"):
        CelebAWild(source=source).data_source()


def test_departures_from_the_protocol_are_told() -> None:
    assert small().rules() == CelebAWild.protocol
    assert small(reach=0.5).rules() == CelebAWild.protocol
    changed = small(faithful_to="code", ridge=1e-3, smallest_face=0.2, reach=0.5, several_images=1)
    assert changed.rules() == f"{CelebAWild.protocol} (code, ridge 0.001, reach 0.5)"
    assert changed.data_source().endswith(", faces above 0.2 of the image")
