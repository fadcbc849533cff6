"""Tetrominoes and CLEVR6: splits of original and generated data, oracles, chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.data.scenes import clevr_like
from tuskbench.contracts import Keypoints, Prediction, Split, Task
from tuskbench.data import scene_store
from tuskbench.data.generate import generate
from tuskbench.data.readers.multi_object import CLEVR
from tuskbench.data.writers.multi_object import write
from tuskbench.errors import ConfigurationError, DataFormatError, DataMissingError
from tuskbench.tasks.clevr6 import Clevr6
from tuskbench.tasks.tetrominoes import Tetrominoes

Relabel = Callable[[Tensor], Tensor]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TUSKBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def small(**settings: object) -> Tetrominoes:
    return Tetrominoes(**{"train_images": 40, "test_images": 30, "canvas": 40, **settings})


def truth(split: Split, keypoints: bool = True) -> Prediction:
    """Predict the true masks, and a prototype for every pair of shape and colour."""
    objects = split.targets["shape"].shape[1]
    masks = torch.nn.functional.one_hot(split.targets["masks"].long(), objects + 1)
    masks = masks.movedim(-1, 1).float()
    if not keypoints:
        return Prediction(masks=masks)
    label = split.targets["shape"] * 8 + split.targets["colour"]
    # Background is a keypoint of its own, whose prototype means nothing.
    label = torch.cat([torch.full((len(split), 1), 900), label.clamp_min(0)], 1)
    xy = torch.zeros(*label.shape, 2)
    return Prediction(Keypoints(xy, torch.ones(label.shape), label), masks)


def predictor(task: Task, predict: Callable[[Split], Prediction] = truth):
    def call(split: str, *, objects: int | None = None) -> Iterator[Prediction]:
        assert objects == (6 if split == "test-more" else None)
        yield predict(task.split(split))

    return call


def test_the_truth_scores_everything() -> None:
    task = small(train_images=300, test_images=300)
    metrics = task.evaluate(predictor(task))
    for name in ("ari", "ari_all", "ari_more", "best_iou", "shape", "colour", "coverage"):
        assert metrics.values[name] == 1, name
    # Few of 114 prototypes have not been met in training.
    assert metrics.values["shape_strict"] == metrics.values["colour_strict"] > 0.9
    assert metrics.counts == {"images": 300, "objects": 900, "skipped": 0}
    assert all(scores.shape == (300,) for scores in metrics.per_image.values())
    assert metrics.figures["images"].shape == (4, 40, 40, 3)
    assert metrics.figures["alphas"].shape == (4, 4, 40, 40)


def test_masks_without_keypoints_have_no_properties() -> None:
    task = small()
    metrics = task.evaluate(predictor(task, lambda split: truth(split, keypoints=False)))
    assert set(metrics.values) == {"ari", "ari_all", "ari_more", "best_iou"}


def test_one_segment_for_all_and_chance() -> None:
    task = small()

    def whole(split: Split) -> Prediction:
        masks = torch.zeros(len(split), 4, 40, 40)
        masks[:, 2] = 1
        return Prediction(masks=masks)

    assert task.evaluate(predictor(task, whole)).values["ari"] == 0

    def noise(split: Split) -> Prediction:
        generator = torch.Generator().manual_seed(0)
        return Prediction(masks=torch.rand(len(split), 4, 40, 40, generator=generator))

    assert abs(task.evaluate(predictor(task, noise)).values["ari"]) < 0.02


def test_splits_are_of_the_size_asked_for_and_differ() -> None:
    task = small()
    splits = {name: task.split(name) for name in ("train", "test", "test-more")}
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 40,
        "test": 30,
        "test-more": 30,
    }
    hashes = {image.numpy().tobytes() for split in splits.values() for image in split.images}
    assert len(hashes) == 100
    assert splits["test-more"].targets["shape"].shape == (30, 6)
    assert (splits["test-more"].targets["shape"] >= 0).sum(1).unique().tolist() == [4, 5, 6]
    assert splits["test"].targets["masks"].dtype == torch.uint8


def test_sizes_of_the_papers() -> None:
    assert Tetrominoes().info().image_size == (112, 112)
    assert Tetrominoes(crop="slot-attention").info().image_size == (35, 35)
    assert Clevr6().info().image_size == (112, 112)
    assert Clevr6(crop="slot-attention").info().image_size == (128, 128)
    assert Clevr6(canvas=48).info().image_size == (48, 48)
    native = small(crop="slot-attention", canvas=0).split("test").images
    assert native.shape[2:] == (35, 35)
    # 112 / 35 = 3.2: every fifth column is repeated four times, the others three.
    scaled = small(canvas=112).split("test").images
    index = torch.arange(112) * 35 // 112
    assert torch.equal(scaled, native[:, :, index][..., index])


def test_more_objects_must_be_more() -> None:
    with pytest.raises(ConfigurationError, match="more_objects"):
        Tetrominoes(more_objects=(3, 6))
    with pytest.raises(ConfigurationError, match="more_objects"):
        Clevr6(more_objects=(7, 11))


@pytest.mark.parametrize("layout", ["official", "hdf5"])
def test_official_tetrominoes(folder: Path, layout: str) -> None:
    assert small().source_key() == "generated"
    assert small().data_source() == "Tetrominoes (generated)"
    generate("tetrominoes", folder, 50, layout)
    task = small()
    assert task.source_key() == "official"
    assert task.data_source() == "Tetrominoes (generated, in the official layout)"
    train, test = task.split("train"), task.split("test")
    assert (len(train), len(test)) == (40, 10)
    metrics = task.evaluate(predictor(task))
    assert metrics.values["ari"] == 1
    # The original has no images of more pieces, and generated ones do not stand in.
    assert "ari_more" not in metrics.values
    assert small(source="generated").source_key() == "generated"


def test_official_clevr(folder: Path) -> None:
    scenes = clevr_like(60, seed=1)
    count = (scenes.factors["shape"] >= 0).sum(1)
    path = folder / "clevr_with_masks" / "clevr_with_masks_train.tfrecords"
    path.parent.mkdir(parents=True)
    write(path, CLEVR, scene_store.iterate(scenes))
    task = Clevr6(source="official", test_images=5)
    train, test, more = (task.split(name) for name in ("train", "test", "test-more"))
    few, many = np.flatnonzero(count <= 6), np.flatnonzero(count > 6)
    held_out = len(few) // 5
    assert len(train) == len(few) - held_out
    assert len(test) == min(5, held_out)
    index = 24 + torch.arange(112) * 192 // 112
    expected = torch.from_numpy(scenes.images[few[-held_out]])[:, index][:, :, index + 40]
    assert torch.equal(test.images[0], expected)
    assert torch.equal(
        more.images[-1], torch.from_numpy(scenes.images[many[-1]])[:, index][:, :, index + 40]
    )
    # What the cut leaves nothing of has no properties.
    for split in (train, test, more):
        for number in range(1, 11):
            seen = (split.targets["masks"] == number).flatten(1).any(1)
            for name in task.properties:
                assert ((split.targets[name][:, number - 1] >= 0) == seen).all()


def test_slot_attention_cut_of_clevr(folder: Path) -> None:
    scenes = clevr_like(20, seed=1)
    path = folder / "clevr_with_masks" / "clevr_with_masks_train.h5"
    path.parent.mkdir(parents=True)
    write(path, CLEVR, scene_store.iterate(scenes))
    task = Clevr6(source="official", crop="slot-attention", canvas=192)
    few = np.flatnonzero((scenes.factors["shape"] >= 0).sum(1) <= 6)
    expected = scenes.images[few[0]][:, 29:221, 64:256]
    assert np.array_equal(task.split("train").images[0].numpy(), expected)


def test_a_truncated_original(folder: Path) -> None:
    path = generate("tetrominoes", folder, 50)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataFormatError, match="ends inside record"):
        small().split("train")


def test_missing_data_says_what_to_do() -> None:
    for task in (small(source="official"), Clevr6(source="official")):
        with pytest.raises(DataMissingError, match="gs://multi-object-datasets"):
            task.data_source()


def test_fingerprint_follows_the_data(folder: Path) -> None:
    before = small().fingerprint()
    generate("tetrominoes", folder, 10)
    first = small().fingerprint()
    generate("tetrominoes", folder, 10, seed=1)
    assert len({before, first, small().fingerprint()}) == 3


def test_departures_from_the_protocol_are_told() -> None:
    assert Tetrominoes().rules() == Tetrominoes.protocol
    assert Tetrominoes(faithful_to="code").rules() == f"{Tetrominoes.protocol} (code)"
    changed = Clevr6(source="generated", shading="flat", more_objects=(8, 9))
    assert changed.rules() == f"{Clevr6.protocol} (8 to 9 objects in test-more, flat shading)"
