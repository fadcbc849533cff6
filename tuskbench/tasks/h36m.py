"""Human3.6M: landmarks of the human body, regressed from keypoints found without labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as MappingType
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge

from tuskbench.contracts import (
    EvaluateOn,
    Faithful,
    MetricInfo,
    Metrics,
    Predict,
    Prediction,
    Split,
    TaskInfo,
    WarpSettings,
)
from tuskbench.data.cache import Arrays, cache_key, chunks
from tuskbench.data.human36m import SUBJECTS, Subjects, facing_camera_swap, in_test
from tuskbench.data.human36m_sources import TITLES, PeopleSource, Source, resolve
from tuskbench.digest import digest
from tuskbench.errors import ConfigurationError
from tuskbench.tasks.landmarks import LandmarkTask

BACKGROUNDS = {"white": 1.0, "grey": 0.5}
# The generator's version; raise it when the same settings make other images.
GENERATOR = 1
GENERATOR_SEED = 2022
# Ranges of the official code (datasets/dataset_utils.py and datasets/h36m.py).
WARPS = (
    WarpSettings(scale=(0.98, 0.02), displacement=0.03, offset=0.02, rotation=0.05),
    WarpSettings(scale=(0.95, 0.10), displacement=0.05, offset=0.10, rotation=0.25),
)
# Epochs of the official code's regressor.
ADAM_EPOCHS = 2


class Human36M(LandmarkTask):
    """One person before a plain background; 32 joints by a linear layer without bias.

    The layer is fitted on the labelled training images, after a system was trained on them
    without labels. The error is the mean distance over images and joints, as a share of the
    side of the image.

    Args:
        source: "tusk" (crops made by TUSK's notebook), "lmdis" (lmdis-rep's frames), "official"
            (the authors' videos, masks and CDF poses), "generated" (shaded figures with the same
            skeleton), or "auto": the first of these that is there.
        canvas: side of the image in pixels; 112 in the paper.
        train_images: number of training images, evenly spread over those there are.
        test_images: number of test images, evenly spread too.
        subjects: who is tested: "lmdis" S11, as TUSK's paper says; "tusk" S1 and S11, as its
            code does; "auto" follows `faithful_to`.
        background: what the person stands before: "white" as in TUSK, "grey" as in lmdis-rep.
        left_right: "tusk" exchanges left and right unless two thirds of the pairs are the
            right way round in the image; "anatomical" keeps the person's own sides.
        faithful_to: "paper" fits the regressor in closed form, with keypoints sorted by x;
            "code" by two epochs of Adam, with keypoints sorted by y.
        ridge: penalty of the closed form.
        strict: stop where a clip of the official files lacks its video, masks or poses (many
            copies lack S11 Directions 54138969), instead of going on without it.
        evaluate_on: the split that is scored: "test", or for choosing settings "validation":
            the last tenth of the training images in their order, or generated images of the
            last training subject, which training then does without.
    """

    name = "h36m"
    protocol = "h36m/2"
    needs: ClassVar[frozenset[str]] = frozenset({"keypoints"})
    settings = "h36m.toml"
    version = "1"
    metrics: ClassVar[MappingType[str, MetricInfo]] = {
        "error": MetricInfo("distance to the joint / side of the image", higher_is_better=False),
        "mean_landmark_error": MetricInfo(
            "error of the training images' mean joints, which look at no image",
            higher_is_better=False,
        ),
        "oracle_error": MetricInfo(
            "the same for the regressor on the true landmarks: what the protocol itself costs",
            higher_is_better=False,
        ),
        "anatomical_error": MetricInfo(
            "error when left and right are the person's own", higher_is_better=False
        ),
    }

    def __init__(
        self,
        *,
        source: Source = "auto",
        canvas: Annotated[int, Ge(8)] = 112,
        train_images: Annotated[int, Ge(1)] = 50_000,
        test_images: Annotated[int, Ge(1)] = 10_000,
        subjects: Literal["auto", "lmdis", "tusk"] = "auto",
        background: Literal["white", "grey"] = "white",
        left_right: Literal["tusk", "anatomical"] = "tusk",
        faithful_to: Faithful = "paper",
        ridge: Annotated[float, Ge(0)] = 1e-6,
        evaluate_on: EvaluateOn = "test",
        strict: bool = False,
    ) -> None:
        self.strict = strict
        self.source, self.canvas = source, canvas
        self.images = {"train": train_images, "test": test_images, "validation": test_images}
        self.evaluate_on = evaluate_on
        self.background, self.left_right = background, left_right
        self.faithful_to, self.ridge = faithful_to, ridge
        by_side: Subjects = "lmdis" if faithful_to == "paper" else "tusk"
        self.subjects: Subjects = by_side if subjects == "auto" else subjects
        if source == "tusk":
            self._check_background()

    @cached_property
    def _resolved(self) -> PeopleSource:
        resolved = resolve(self.source, strict=self.strict)
        if resolved.key == "tusk":
            self._check_background()
        return resolved

    def _check_background(self) -> None:
        if self.background != "white":
            expected = '"white": TUSK\'s crops have no masks to replace their background by'
            raise ConfigurationError(self.name, "background", self.background, expected)

    def source_key(self) -> str:
        """Return the key of the resolved source: tusk, lmdis, official or generated."""
        return self._resolved.key

    def data_source(self) -> str:
        """Return the name of the resolved source and of the rules that papers differ in."""
        sides = "" if self.left_right == "tusk" else ", anatomical sides"
        grey = "" if self.background == "white" else ", grey background"
        without = f", {self._without}" if self._without else ""
        return f"{TITLES[self._resolved.key]}, {self.subjects} split{sides}{grey}{without}"

    @cached_property
    def _without(self) -> str:
        clips = self._resolved.lacking()
        return f"without {clips[0] if len(clips) == 1 else f'{len(clips)} clips'}" if clips else ""

    @property
    def note(self) -> str:
        """Return what the record says of clips that are left out."""
        clips = self._resolved.lacking()
        return f"files of these clips are missing: {', '.join(clips[:20])}" if clips else ""

    def info(self) -> TaskInfo:
        """Return size, warps and border for a system."""
        size = (self.canvas, self.canvas)
        return TaskInfo(self.name, size, WARPS, BACKGROUNDS[self.background], objects=1)

    def fingerprint(self) -> str:
        """Return a hash of the source's files or of the generator's version."""
        return digest(f"{self._resolved.fingerprint()} {GENERATOR} {GENERATOR_SEED}")

    def split(self, name: str) -> Split:
        """Return `train`, `test` or `validation`: images [N, 3, S, S] of one person each.

        The targets are `landmarks` [N, 32, 2] in pixels, left and right under the rule of
        `left_right`, and `swapped` [N], where that rule exchanged them.

        Raises:
            DataMissingError: if the source's files are not there.
            DataFormatError: if one is damaged.
        """
        import torch

        arrays = self._arrays(name)
        landmarks = np.asarray(arrays["landmarks"])
        swapped = np.zeros(len(landmarks), bool)
        if self.left_right == "tusk":
            landmarks, swapped = facing_camera_swap(landmarks)
        targets = {"landmarks": torch.from_numpy(landmarks), "swapped": torch.from_numpy(swapped)}
        return Split(torch.from_numpy(arrays["images"]), targets)

    def _cache_key(self, split: str) -> str:
        settings: list[object] = [self.canvas, self.images[split]]
        settings += [self.subjects, self.background]
        if self.holds_out(split):
            settings.append("held out")
        return cache_key(f"{self.name}-{split}", [self.fingerprint(), split, *settings])

    def _read(self, split: str) -> Arrays:
        """Read a split's images and anatomical landmarks from the source's files."""
        if not self.holds_out(split):
            return self._read_whole(split)
        from tuskbench.data.validation import keep

        whole = self._read_whole("train")
        index = keep(np.arange(len(whole["images"])), split)[: self.images[split]]
        return {name: array[index] for name, array in whole.items()}

    def _read_whole(self, split: str) -> Arrays:
        from tuskbench.data.readers.h36m import lmdis, official, tusk

        key, folder = self._resolved.key, self._resolved.folder
        size, count = self.canvas, self.images[split]
        level = BACKGROUNDS[self.background]
        assert folder is not None
        if key == "tusk":
            frames = tusk.read(folder, split, self.subjects, size, count)
        else:
            layout = lmdis if key == "lmdis" else official
            frames = layout.read(folder, split, self.subjects, size, count, level)
        return {"images": frames.images, "landmarks": frames.landmarks}

    def _generated(self, split: str) -> Iterator[Arrays]:
        """Yield a split's generated images and landmarks, a chunk at a time."""
        from tuskbench.data.generators.people import Scene, generate
        from tuskbench.data.validation import keep

        who = tuple(s for s in SUBJECTS if in_test(s, self.subjects) == (split == "test"))
        if self.holds_out(split):
            who = keep(who, split)
        scene = Scene(self.canvas, who, BACKGROUNDS[self.background])
        for index in chunks(self.images[split]):
            people = generate(scene, GENERATOR_SEED, f"{self.name}/{split}", index)
            yield {"images": people.images.numpy(), "landmarks": people.landmarks.numpy()}

    def evaluate(self, predict: Predict) -> Metrics:
        """Fit the regressor on the training split and score it on another."""
        from tuskbench.metrics.landmarks import Regression, score

        rules = Regression.of(self.faithful_to, ridge=self.ridge, epochs=ADAM_EPOCHS)
        labelled, test = (
            (self.split(name), list(_keypoints(predict(name))))
            for name in ("train", self.evaluate_on)
        )
        metrics = score(rules, None, labelled, test)
        own = score(rules, None, *((_anatomical(s), found) for s, found in (labelled, test)))
        metrics.values["anatomical_error"] = own.values["error"]
        metrics.per_image["anatomical_error"] = own.per_image["error"]
        metrics.counts["swapped"] = int(test[0].targets["swapped"].sum())
        return metrics


def _keypoints(predictions: Iterable[Prediction]) -> Iterator[Prediction]:
    """Drop what the error does not need, so that a whole split fits into memory."""
    return (Prediction(prediction.keypoints) for prediction in predictions)


def _anatomical(split: Split) -> Split:
    """Undo the exchange of left and right."""
    import torch

    from tuskbench.data.human36m import exchange_sides

    landmarks, swapped = (split.targets[name].cpu() for name in ("landmarks", "swapped"))
    own = exchange_sides(landmarks.numpy(), swapped.numpy())
    return Split(split.images, {**split.targets, "landmarks": torch.from_numpy(own)})
