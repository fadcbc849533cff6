"""CelebA in the wild: five landmarks of unaligned faces, regressed from keypoints."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le

from tuskbench.contracts import (
    EvaluateOn,
    Faithful,
    MetricInfo,
    Metrics,
    Predict,
    Split,
    TaskInfo,
    WarpSettings,
)
from tuskbench.data.cache import Arrays, cache_key, chunks
from tuskbench.data.face_sources import FaceSource, Source, resolve
from tuskbench.digest import digest
from tuskbench.tasks.landmarks import LandmarkTask

LANDMARKS = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
EYES = (0, 1)
GENERATOR_SEED = 2022
# The largest face that is generated, by the image's area.
LARGEST_FACE = 0.6
FACES = (2, 3, 4)
NO_EYES = "where the eyes have no distance"
UNCOVERED = "where several faces are not asked for, or not generated"
# Of the official code's regressor on MAFL.
EPOCHS = 5
# Ranges of the official code (configs/celeba.yaml).
WARPS = (
    WarpSettings(scale=(0.98, 0.02), displacement=0.03, offset=0.02, rotation=0.05),
    WarpSettings(scale=(0.90, 0.05), displacement=0.05, offset=0.05, rotation=0.25),
)


def _several_metrics() -> dict[str, MetricInfo]:
    covered, false = {}, {}
    for faces in (1, *FACES):
        where = "one face" if faces == 1 else f"{faces} faces"
        covered[f"covered_{faces}"] = MetricInfo(
            f"share of faces whose landmarks all have a keypoint in reach, in images of {where}",
            undefined=UNCOVERED,
        )
        false[f"false_{faces}"] = MetricInfo(
            f"share of keypoints outside every face's box, in images of {where}",
            higher_is_better=False,
            undefined=UNCOVERED,
        )
    return covered | false


class CelebAWild(LandmarkTask):
    """Faces of any place, size and pose; keypoints learnt without labels, landmarks regressed.

    A linear layer without bias is fitted from keypoints to landmarks on labelled images; its
    error on the test images is the score, in units of the distance between the eyes.

    Args:
        source: "celeba" (the official files with MAFL's lists), "autolink" (its HDF5 file),
            "generated" (rendered heads), or "auto": the first of these that is there.
        canvas: side in pixels of the square to which images are squashed.
        train_images: largest number of training images; all there are of generated ones.
        labelled_images: the same for the images that the regressor is fitted on.
        test_images: the same for the test images.
        several_images: generated images for each number of faces from 2 to 4, on which
            coverage is measured; 0 leaves it out, as do sources that are not generated.
        smallest_face: images whose face's box covers no more than this share are left out.
        faithful_to: "paper" trains on all images but the test images, sorts keypoints of one
            prototype by x and solves the regressor in closed form; "code" trains on the
            official training partition, sorts by y and trains the regressor by Adam.
        ridge: penalty on the regressor's squared weights, beside its mean squared error.
        evaluate_on: the split that is scored: "test", or for choosing settings "validation":
            the last tenth of the labelled images, on which the regressor is then not fitted,
            or generated images of their own.
        reach: largest distance from a landmark to a keypoint that covers it, as a share of the
            side of a square with the area of the face's box.
    """

    name = "celeba-wild"
    protocol = "celeba-wild/1"
    needs: ClassVar[frozenset[str]] = frozenset({"keypoints"})
    settings = "celeba_wild.toml"
    version = "1"
    metrics: ClassVar[MappingType[str, MetricInfo]] = {
        "error": MetricInfo(
            "distance of regressed landmarks by the distance between the eyes",
            higher_is_better=False,
            undefined=NO_EYES,
        ),
        "mean_landmark_error": MetricInfo(
            "the same for the mean landmarks of the labelled images, which look at no image",
            higher_is_better=False,
            undefined=NO_EYES,
        ),
        "oracle_error": MetricInfo(
            "the same for the regressor on the true landmarks: what the protocol itself costs",
            higher_is_better=False,
            undefined=NO_EYES,
        ),
        **_several_metrics(),
    }

    def __init__(
        self,
        *,
        source: Source = "auto",
        canvas: Annotated[int, Ge(16)] = 80,
        train_images: Annotated[int, Ge(1)] = 50_000,
        labelled_images: Annotated[int, Ge(1)] = 6_000,
        test_images: Annotated[int, Ge(1)] = 1_000,
        several_images: Annotated[int, Ge(0)] = 0,
        smallest_face: Annotated[float, Gt(0), Le(0.5)] = 0.3,
        faithful_to: Faithful = "paper",
        ridge: Annotated[float, Ge(0)] = 1e-6,
        evaluate_on: EvaluateOn = "test",
        reach: Annotated[float, Gt(0)] = 0.25,
    ) -> None:
        self.source, self.canvas = source, canvas
        self.images = {"train": train_images, "labelled": labelled_images, "test": test_images}
        self.images |= {several(faces): several_images for faces in FACES}
        self.images["validation"] = test_images
        self.evaluate_on = evaluate_on
        self.several_images, self.smallest_face = several_images, smallest_face
        self.faithful_to, self.ridge, self.reach = faithful_to, ridge, reach

    @cached_property
    def _resolved(self) -> FaceSource:
        return resolve(self.source)

    def source_key(self) -> str:
        """Return the key of the resolved source: celeba, autolink or generated."""
        return self._resolved.key

    def data_source(self) -> str:
        """Return the name of the resolved source, and which faces are kept, as shown in tables."""
        if self.smallest_face == self.usual("smallest_face"):
            return self._resolved.title
        return f"{self._resolved.title}, faces above {self.smallest_face:g} of the image"

    def departures(self) -> list[str]:
        """Return what differs from the paper's regression, and from our reach of a keypoint."""
        changes = super().departures()
        if self.several_images and self.reach != self.usual("reach"):
            changes.append(f"reach {self.reach:g}")
        return changes

    def info(self) -> TaskInfo:
        """Return size and warps for a system; there is one object, the face."""
        return TaskInfo(self.name, (self.canvas, self.canvas), WARPS, "reflect", objects=1)

    def fingerprint(self) -> str:
        """Return a hash of the source's lists, or of the generator's version."""
        return digest(f"{self._resolved.fingerprint()} {GENERATOR_SEED}")

    def split(self, name: str) -> Split:
        """Return RGB images [N, 3, S, S] of a split.

        Splits are `train`, `labelled`, `test`, `validation` and `several-2` to `several-4`.

        The targets, in pixels, are `landmarks` [N, 5, 2] and `boxes` [N, 4]: left, top, width,
        height; with several faces [N, F, 5, 2] and [N, F, 4]. AutoLink's file has no boxes, and
        its training images may have no landmarks.

        Raises:
            DataMissingError: if the source's files are not there.
            DataFormatError: if one is damaged.
        """
        import torch

        arrays = dict(self._arrays(name))
        images = torch.from_numpy(arrays.pop("images"))
        return Split(images, {target: torch.from_numpy(a) for target, a in arrays.items()})

    def _cache_key(self, split: str) -> str:
        whole = self.faithful_to == "paper"
        settings: list[object] = [self.canvas, self.images[split], self.smallest_face, whole]
        if self.source_key() != "generated" and self.holds_out(split):
            settings.append("held out")
        if split.startswith("several") and self.evaluate_on == "validation":
            settings.append("validation")
        return cache_key(f"{self.name}-{split}", [self.fingerprint(), split, *settings])

    def holds_out(self, split: str) -> bool:
        """Say whether validation data is cut for a split, which is done from labelled images."""
        return split == "validation" or (split == "labelled" and self.evaluate_on == "validation")

    def _read(self, split: str) -> Arrays:
        """Read a split's images and targets from the source's files."""
        if not self.holds_out(split):
            return self._read_whole(split)
        from tuskbench.data.validation import keep

        whole = self._read_whole("labelled")
        index = keep(np.arange(len(whole["images"])), split)[: self.images[split]]
        return {name: array[index] for name, array in whole.items()}

    def _read_whole(self, split: str) -> Arrays:
        count, source = self.images[split], self._resolved
        assert source.path is not None
        if source.key == "autolink":
            from tuskbench.data.readers.celeba_hdf5 import read_images

            images, landmarks = read_images(source.path, split, self.canvas, count)
            return {"images": images} | ({} if landmarks is None else {"landmarks": landmarks})
        from tuskbench.data.readers.celeba import read_photographs

        found = read_photographs(
            source.path,
            split,
            self.canvas,
            smallest_face=self.smallest_face,
            whole=self.faithful_to == "paper",
            count=count,
        )
        return {"images": found.images, "landmarks": found.landmarks, "boxes": found.boxes}

    def _generated(self, split: str) -> Iterator[Arrays]:
        """Yield a split's generated images and targets, a chunk at a time."""
        from tuskbench.data.generators.faces import generate

        faces = {several(number): number for number in FACES}.get(split, 1)
        share, stream = (self.smallest_face, LARGEST_FACE), f"{self.name}/{split}"
        if faces > 1 and self.evaluate_on == "validation":
            stream += "/validation"
        for index in chunks(self.images[split]):
            scenes = generate(self.canvas, faces, share, GENERATOR_SEED, stream, index)
            images, landmarks, boxes = (
                tensor.numpy() for tensor in (scenes.images, scenes.landmarks, scenes.boxes)
            )
            if faces == 1:
                landmarks, boxes = landmarks[:, 0], boxes[:, 0]
            yield {"images": images, "landmarks": landmarks, "boxes": boxes}

    def evaluate(self, predict: Predict) -> Metrics:
        """Regress the landmarks of the test images; where asked to, look for several faces."""
        from tuskbench.metrics.landmarks import Regression, score

        rules = Regression.of(self.faithful_to, ridge=self.ridge, epochs=EPOCHS)
        test = self.split(self.evaluate_on)
        found = list(predict(self.evaluate_on))
        metrics = score(rules, EYES, (self.split("labelled"), predict("labelled")), (test, found))
        metrics.figures["landmark_names"] = np.array(LANDMARKS)
        if self.several_images and self.source_key() == "generated":
            self._cover(metrics, predict, test, found)
        return metrics

    def _cover(self, metrics: Metrics, predict: Predict, test: Split, found: list) -> None:
        """Add the coverage of one face and of several to the metrics."""
        from tuskbench.metrics.several_faces import cover, figures

        one = cover(test, found, self.reach)
        coverage = {1: one}
        for faces in FACES:
            split = self.split(several(faces))
            predictions = predict(several(faces), objects=faces)
            coverage[faces] = cover(split, predictions, self.reach)
            metrics.figures |= figures(split, coverage[faces], faces)
        for faces, each in coverage.items():
            for name, hits in (("covered", each.covered), ("false", each.false)):
                metrics.per_image[f"{name}_{faces}"] = hits.mean(1)
                metrics.values[f"{name}_{faces}"] = float(hits.mean())


def several(faces: int) -> str:
    """Return the name of the split with so many faces in each image."""
    return f"several-{faces}"
