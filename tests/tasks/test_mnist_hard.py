"""MNIST-Hard's protocol: oracles, chance, sources, hand-made cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tuskbench.contracts import Keypoints, Prediction
from tuskbench.errors import ConfigurationError, DataMissingError
from tuskbench.tasks.mnist_hard import MnistHard


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TUSKBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def small(**settings) -> MnistHard:
    return MnistHard(source="digits", **{"train_images": 40, "test_images": 40, **settings})


def oracle(task: MnistHard, relabel=lambda label: label, offset=(0.0, 0.0)):
    """Predict the truth, batch by batch, in shuffled order of detections."""

    def predict(split: str, *, objects: int | None = None):
        whole = task.split(split)
        boxes, labels = whole.targets["boxes"], whole.targets["labels"]
        order = torch.randperm(labels.shape[1], generator=torch.Generator().manual_seed(0))
        xy = boxes[:, order, :2] + torch.tensor(offset)
        label = relabel(labels[:, order].clamp_min(0))
        score = (labels[:, order] >= 0).float()
        descriptor = torch.nn.functional.one_hot(label, 40).float()
        for start in range(0, len(whole), 16):
            part = slice(start, start + 16)
            yield Prediction(Keypoints(xy[part], score[part], label[part], descriptor[part]))

    return predict


@pytest.mark.parametrize("faithful_to", ["paper", "code"])
def test_oracle_scores_everything(faithful_to) -> None:
    task = small(faithful_to=faithful_to)
    metrics = task.evaluate(oracle(task, lambda label: (label + 3) % 10))
    for name in ("localisation", "precision", "classification", "both", "reverse", "majority"):
        assert metrics.values[name] == 1, name
    assert metrics.values["descriptor_kmeans"] == 1
    assert metrics.counts == {"images": 40, "objects": 360, "matched": 360}
    assert set(metrics.values) == set(task.metrics)
    assert all(scores.shape == (40,) for scores in metrics.per_image.values())


def test_oracle_with_an_unknown_number_of_digits() -> None:
    task = small(fewest=1, smallest_score=0.5)
    metrics = task.evaluate(oracle(task))
    assert metrics.values["both"] == 1
    assert metrics.counts["objects"] < 360


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_smallest_score_can_be_fitted(split) -> None:
    task = small(fewest=1, smallest_score="fitted", fit_mapping_on=split)

    def unsure(name: str, *, objects: int | None = None):
        for prediction in oracle(task)(name):
            # The truth scores from 0.6 to 0.9, places without a digit from 0.1 to 0.4.
            noise = 0.3 * torch.rand_like(prediction.keypoints.score)
            prediction.keypoints.score = 0.1 + 0.5 * prediction.keypoints.score + noise
            yield prediction

    values = task.evaluate(unsure).values
    assert values["localisation"] == values["precision"] == 1
    everything = small(fewest=1)
    values = everything.evaluate(unsure).values
    assert values["localisation"] == 1
    assert 0.4 < values["precision"] < 0.7


def test_shuffled_classes_are_chance() -> None:
    task = small(test_images=400)
    generator = torch.Generator().manual_seed(0)
    noise = oracle(task, lambda label: torch.randint(10, label.shape, generator=generator))
    metrics = task.evaluate(noise)
    assert metrics.values["localisation"] == 1
    assert metrics.values["classification"] == pytest.approx(0.1, abs=0.04)


def test_far_detections_find_nothing() -> None:
    task = small()
    metrics = task.evaluate(oracle(task, offset=(100.0, 100.0)))
    assert metrics.values["localisation"] == 0
    assert metrics.values["classification"] == 0


def test_more_prototypes_than_classes_map_by_majority() -> None:
    task = small()
    generator = torch.Generator().manual_seed(0)

    def halves(label):
        return label + 10 * torch.randint(2, label.shape, generator=generator)

    assert task.evaluate(oracle(task, halves)).values["classification"] == 1
    one_to_one = small(mapping="bipartite")
    assert one_to_one.evaluate(oracle(one_to_one, halves)).values["classification"] < 0.7


def test_labels_of_a_system_that_learnt_from_classes_are_classes() -> None:
    task, swapped = small(), (lambda label: torch.where(label < 2, 1 - label, label))
    unnamed = oracle(task, swapped)

    def named(split: str, *, objects: int | None = None):
        return [replace(prediction, named=True) for prediction in unnamed(split)]

    assert task.evaluate(unnamed).values["classification"] == 1
    metrics = task.evaluate(named)
    labels = task.split("test").targets["labels"]
    right = (labels >= 2).float().mean().item()
    assert metrics.values["classification"] == pytest.approx(right)
    assert metrics.figures["prototype_classes"].tolist() == list(range(10))


def test_kmeans_on_the_pixels_at_the_true_positions_needs_no_system() -> None:
    values = [
        small().evaluate(oracle(small(), relabel)).values["pixel_kmeans"]
        for relabel in (lambda label: label, torch.zeros_like)
    ]
    assert values[0] == values[1]
    assert 0.3 < values[0] < 0.9


def test_fewer_prototypes_than_classes() -> None:
    task = small()
    metrics = task.evaluate(oracle(task, lambda label: label // 2))
    assert 0.4 < metrics.values["classification"] < 0.65
    assert metrics.values["reverse"] == 1


def test_mapping_fitted_on_train() -> None:
    task = small(fit_mapping_on="train")
    assert task.evaluate(oracle(task)).values["both"] == 1


def test_splits_share_no_digit() -> None:
    from tuskbench.data.digit_sources import resolve

    source = resolve("digits", "")
    train, test = (source.digits(split)[0] for split in ("train", "test"))
    assert len(train) + len(test) == 1797
    seen = {tile.tobytes() for tile in train}
    # The set itself holds a few identical digits; every digit is in one split only.
    assert sum(tile.tobytes() in seen for tile in test) <= 2


def test_cache_returns_the_same(folders) -> None:
    first, again = small().split("train"), small().split("train")
    assert torch.equal(first.images, again.images)
    assert first.images.dtype == torch.uint8
    assert first.images.shape == (40, 1, 40, 40)


def test_auto_takes_mnist_where_it_is(folders) -> None:
    from tests.data.test_idx import write_set

    assert MnistHard().source_key() == "digits"
    write_set(folders / "mnist")
    task = MnistHard(train_images=4, test_images=4)
    assert task.source_key() == "mnist"
    assert task.info().image_size == (80, 80)
    assert task.split("test").images.shape == (4, 1, 80, 80)
    assert "MNIST" in task.data_source()


def test_idx_by_path(tmp_path) -> None:
    from tests.data.test_idx import write_set

    write_set(tmp_path / "fashion", compress=False)
    task = MnistHard(source="idx", path=str(tmp_path / "fashion"), canvas=40, test_images=3)
    assert task.split("test").images.shape == (3, 1, 40, 40)
    assert task.data_source() == "MNIST-Hard (generated from fashion), 40 pixels a side"


def test_missing_data_says_what_to_do() -> None:
    with pytest.raises(DataMissingError, match="TUSKBENCH_DATA"):
        MnistHard(source="mnist").data_source()


def test_fingerprint_follows_the_data(folders) -> None:
    from tests.data.test_idx import write_set

    write_set(folders / "mnist")
    before = MnistHard(source="mnist").fingerprint()
    write_set(folders / "mnist", count=20)
    assert MnistHard(source="mnist").fingerprint() != before


def test_official_folder(folders) -> None:
    folder = folders / "mnist_hard"
    (folder / "images").mkdir(parents=True)
    for split in ("train", "test"):
        names = [f"images/{split}{i}.png" for i in range(3)]
        for name in names:
            Image.fromarray(np.zeros((160, 160, 3), np.uint8)).save(folder / name)
        (folder / f"{split}.txt").write_text("\n".join(names))
        (folder / f"{split}_labels.txt").write_text("\n".join(["0,1,2,3,4,5,6,7,8"] * 3))
        np.save(folder / f"{split}_keypoints.npy", np.full((3, 9, 3), 40.0))
    task = MnistHard(test_images=2)
    assert task.source_key() == "mist"
    split = task.split("test")
    assert split.images.shape == (2, 1, 80, 80)
    assert split.targets["labels"][0].tolist() == list(range(9))
    assert (split.targets["boxes"] == 20).all()
    with pytest.raises(ConfigurationError, match="official scenes are as they are"):
        MnistHard(fewest=1).source_key()


def test_unusual_scenes_are_named_so() -> None:
    digits = "MNIST-Hard (generated from scikit-learn's 8x8 digits)"
    assert small().data_source() == digits
    assert small(fewest=1).data_source() == f"{digits}, 1 to 9 digits"
    task = small(fewest=4, most=4, distance=0.125, tile=(0.2, 0.4))
    unusual = "4 digits, centres 0.125 of the side apart, tiles 0.2 to 0.4"
    assert task.data_source() == f"{digits}, {unusual}"


def test_impossible_settings() -> None:
    with pytest.raises(ConfigurationError, match="fewest"):
        MnistHard(fewest=5, most=3)
    with pytest.raises(ConfigurationError, match="tile"):
        MnistHard(tile=(0.5, 0.2))


def test_settings_that_change_what_numbers_mean_are_named_with_the_protocol() -> None:
    assert small().rules() == MnistHard.protocol
    task = small(faithful_to="code", mapping="reverse", fit_mapping_on="train")
    assert task.rules() == f"{task.protocol} (code, reverse mapping, mapping fitted on train)"
