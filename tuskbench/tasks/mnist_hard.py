"""MNIST-Hard: find nine handwritten digits and tell them apart without labels."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from tuskbench.contracts import (
    EvaluateOn,
    Faithful,
    MetricInfo,
    Metrics,
    Predict,
    Split,
    Task,
    TaskInfo,
    WarpSettings,
)
from tuskbench.data.cache import Arrays, cache_key, cached_arrays
from tuskbench.data.digit_sources import DigitSource, Source, resolve
from tuskbench.data.readers.idx import CLASSES
from tuskbench.digest import digest
from tuskbench.errors import ConfigurationError

# Side of a predicted box as a share of the canvas: 20 px at 80 (paper, section 4.1).
BOX_SIDE = 0.25
DIGITS = 9
# Smallest distance between two digits as a share of the canvas.
DISTANCE = 17 / 80
CANVAS = {"mnist": 80, "mist": 80, "idx": 80, "digits": 40}
TILE = {"mnist": (0.2, 0.3), "mist": (0.2, 0.3), "idx": (0.2, 0.3), "digits": (0.3, 0.3)}
# The generator's version; raise it when the same settings make other images.
GENERATOR = 2
GENERATOR_SEED = 2022
# Ranges of the official code (configs/mnist.yaml).
WARPS = (
    WarpSettings(scale=(0.98, 0.02), displacement=0.03, offset=0.02, rotation=0.05),
    WarpSettings(scale=(0.95, 0.05), displacement=0.10, offset=0.01, rotation=0.25),
)


class MnistHard(Task):
    """Nine digits on a black canvas; boxes by intersection over union, classes by prototype.

    Classification is the share of correctly localised digits whose class is right, so that
    localisation times classification is "both".

    Args:
        source: "mnist" (official IDX files), "mist" (the official MNIST-Hard folder), "digits"
            (scikit-learn's 1,797 real 8x8 digits), "idx" (any IDX set, see `path`), or "auto":
            the first of mist, mnist and digits that is there.
        path: folder of the IDX files for source "idx".
        transpose: whether those files store their pictures transposed, as EMNIST's do.
        canvas: side of the image in pixels; 0 suits the source (80, or 40 for 8x8 digits).
        train_images: number of training images.
        test_images: number of test images; 50,000 in the paper, of which its code scores the
            first 10,000.
        fewest: smallest number of digits in an image.
        most: largest number of digits in an image.
        tile: smallest and largest side of a digit's tile, as a share of the canvas; by default
            0.2 to 0.3, or 0.3 for the 8x8 digits, whose few pixels a resize would blur.
        distance: smallest distance between two digits, as a share of the canvas.
        faithful_to: "paper" matches by Hungarian at an overlap of at least 0.5 and maps
            prototypes to classes one to one, or by majority with more prototypes than classes;
            "code" matches greedily above 0.5 and maps by majority. Labels of a system that
            learnt from classes are taken as they are.
        mapping: overrides that mapping; "reverse" maps classes to prototypes, "identity" takes
            labels for classes.
        evaluate_on: the split that is scored: "test", or for choosing settings "validation":
            scenes of a fifth of the training digits, which training scenes then do without.
        fit_mapping_on: split on which the mapping is chosen: "train", or "test" for the split
            that is scored, as paper and code do.
        smallest_score: detections below it are dropped, for an unknown number of digits;
            "fitted" takes the one of the best F1 of precision and localisation on the split
            that the mapping is chosen on.
    """

    name = "mnist-hard"
    protocol = "mnist-hard/2"
    needs: ClassVar[frozenset[str]] = frozenset({"keypoints"})
    settings = "mnist_hard.toml"
    version = "2"
    metrics: ClassVar[MappingType[str, MetricInfo]] = {
        "localisation": MetricInfo("share of digits matched by a box"),
        "precision": MetricInfo("share of boxes that match a digit"),
        "classification": MetricInfo("share of matched digits of the right class"),
        "both": MetricInfo("share of digits matched and of the right class"),
        "reverse": MetricInfo("share of matched digits with their class's main prototype"),
        "reverse_both": MetricInfo("share of digits matched, with their class's main prototype"),
        "majority": MetricInfo("classification when prototypes may share a class"),
        "descriptor_kmeans": MetricInfo(
            "classification by k-means on the descriptors",
            undefined="where there are no descriptors, or fewer digits are matched than classes",
        ),
        "pixel_kmeans": MetricInfo(
            "the same by k-means on the pixels at the true positions, which no system has"
        ),
    }

    def __init__(
        self,
        *,
        source: Source = "auto",
        path: str = "",
        transpose: bool = False,
        canvas: Annotated[int, Ge(0)] = 0,
        train_images: Annotated[int, Ge(1)] = 50_000,
        test_images: Annotated[int, Ge(1)] = 50_000,
        fewest: Annotated[int, Ge(1)] = DIGITS,
        most: Annotated[int, Ge(1)] = DIGITS,
        tile: tuple[float, float] | None = None,
        distance: Annotated[float, Gt(0)] = DISTANCE,
        faithful_to: Faithful = "paper",
        mapping: Literal["auto", "bipartite", "majority", "reverse", "identity"] = "auto",
        evaluate_on: EvaluateOn = "test",
        fit_mapping_on: Literal["train", "test"] = "test",
        smallest_score: float | Literal["fitted"] = 0.0,
    ) -> None:
        self.source, self.path, self.requested_canvas = source, path, canvas
        self.transpose = transpose
        if transpose and source != "idx":
            raise ConfigurationError(self.name, "transpose", True, 'false unless source = "idx"')
        self.images = {"train": train_images, "test": test_images, "validation": test_images}
        self.evaluate_on = evaluate_on
        self.fewest, self.most = fewest, most
        self.requested_tile, self.distance = tile, distance
        self.faithful_to, self.mapping = faithful_to, mapping
        self.fit_mapping_on, self.smallest_score = fit_mapping_on, smallest_score
        if fewest > most:
            raise ConfigurationError(self.name, "fewest", fewest, f"at most most = {most}")
        if tile is not None and not 0 < tile[0] <= tile[1] <= 1:
            raise ConfigurationError(self.name, "tile", tile, "0 < smallest <= largest <= 1")

    @cached_property
    def _resolved(self) -> DigitSource:
        found = resolve(self.source, self.path, transpose=self.transpose)
        if found.key == "mist" and self._layout():
            wanted = '"mnist", "digits" or "idx": the official scenes are as they are'
            raise ConfigurationError(self.name, "source", "mist", wanted)
        return found

    def _layout(self) -> list[str]:
        """Return in words how the scenes asked for differ from the paper's."""
        words = []
        if (self.fewest, self.most) != (DIGITS, DIGITS):
            several = self.fewest != self.most
            words.append(
                f"{self.fewest} to {self.most} digits" if several else f"{self.most} digits"
            )
        if self.distance != DISTANCE:
            words.append(f"centres {self.distance:.3g} of the side apart")
        if self.requested_tile is not None:
            words.append(f"tiles {self.requested_tile[0]:.3g} to {self.requested_tile[1]:.3g}")
        return words

    def source_key(self) -> str:
        """Return the key of the resolved source: mnist, mist, digits or idx."""
        return self._resolved.key

    def data_source(self) -> str:
        """Return the name of the resolved source and what is unusual, as shown in tables."""
        usual = self.canvas == CANVAS[self.source_key()]
        side = [] if usual else [f"{self.canvas} pixels a side"]
        return ", ".join([self._resolved.title, *self._layout(), *side])

    def departures(self) -> list[str]:
        """Return how matching and mapping differ from the protocol's own."""
        changes = super().departures()
        if self.mapping != "auto":
            changes.append(f"{self.mapping} mapping")
        if self.fit_mapping_on != "test":
            changes.append(f"mapping fitted on {self.fit_mapping_on}")
        if self.smallest_score:
            changes.append(f"smallest score {self.smallest_score}")
        return changes

    @cached_property
    def canvas(self) -> int:
        """Return the side of the image in pixels."""
        return self.requested_canvas or CANVAS[self.source_key()]

    @property
    def tile(self) -> tuple[float, float]:
        """Return the range of a tile's side, as a share of the canvas."""
        return self.requested_tile or TILE[self.source_key()]

    def info(self) -> TaskInfo:
        """Return size, warps and counts for a system."""
        size = (self.canvas, self.canvas)
        return TaskInfo(self.name, size, WARPS, 0.0, CLASSES, self.most, BOX_SIDE * self.canvas)

    def fingerprint(self) -> str:
        """Return a hash of the source's files and of the generator's version."""
        return digest(f"{self._resolved.fingerprint()} {GENERATOR} {GENERATOR_SEED}")

    def split(self, name: str) -> Split:
        """Return `train`, `test` or `validation`: grey images [N, 1, S, S] with their digits.

        The targets are `labels` [N, G], -1 where there is no digit, and `boxes` [N, G, 3]:
        centre x, centre y, half side in pixels.

        Raises:
            DataMissingError: if the source's files are not there.
            DataFormatError: if one is damaged.
        """
        import torch

        arrays = cached_arrays(self._cache_key(name), lambda: self._arrays(name))
        images, labels, boxes = (torch.from_numpy(arrays[n]) for n in ("images", "labels", "boxes"))
        return Split(images, {"labels": labels, "boxes": boxes})

    def _cache_key(self, split: str) -> str:
        layout = [self.canvas, self.images[split], self.fewest, self.most, self.tile, self.distance]
        layout += ["held out"] if self.holds_out(split) else []
        layout += ["transposed"] if self.transpose else []
        return cache_key(f"{self.name}-{split}", [self.fingerprint(), split, *layout])

    def _arrays(self, split: str) -> dict[str, np.ndarray]:
        """Read or generate a split's images, labels and boxes."""
        from tuskbench.data.generators.digits import Layout, generate
        from tuskbench.data.readers.mist import read_scenes
        from tuskbench.data.validation import keep

        count, source = self.images[split], self._resolved
        if source.key == "mist":
            assert source.folder is not None
            held = self.holds_out(split)
            which = "train" if held else split
            images, labels, boxes = read_scenes(
                source.folder, which, self.canvas, self.images["train"] if held else count
            )
            index = np.arange(len(images))
            index = keep(index, split)[:count] if held else index
            return {"images": images[index], "labels": labels[index], "boxes": boxes[index]}
        tiles, classes = source.digits(split, hold_out=self.holds_out(split))
        layout = Layout(
            self.canvas, (self.fewest, self.most), tile=self.tile, distance=self.distance
        )
        stream, index = f"{self.name}/{split}", np.arange(count)
        scenes = generate(tiles, classes, layout, GENERATOR_SEED, stream, index)
        parts = {"images": scenes.images, "labels": scenes.labels, "boxes": scenes.boxes}
        return {name: part.numpy() for name, part in parts.items()}

    def evaluate(self, predict: Predict) -> Metrics:
        """Score detections and labels on the test split, or on `validation`."""
        from tuskbench.metrics.multi_instance import Protocol, score

        protocol = Protocol(
            matching="hungarian" if self.faithful_to == "paper" else "greedy",
            mapping=self.mapping if self.mapping != "auto" else None,
            majority=self.faithful_to == "code",
            box_side=BOX_SIDE * self.canvas,
            smallest_score=None if self.smallest_score == "fitted" else self.smallest_score,
            classes=CLASSES,
        )
        test = self.split(self.evaluate_on)
        fitting = (
            (self.split("train"), predict("train")) if self.fit_mapping_on == "train" else None
        )
        metrics = score(protocol, test, predict(self.evaluate_on), fitting)
        metrics.values["pixel_kmeans"] = self._pixel_kmeans(test)
        return metrics

    def _pixel_kmeans(self, test: Split) -> float:
        """Return that metric, which depends on the data alone, from the cache."""
        from tuskbench.metrics.pixel_kmeans import VERSION, pixel_kmeans

        key = cache_key("pixel-kmeans", [self._cache_key(self.evaluate_on), VERSION])
        box_side = BOX_SIDE * self.canvas

        def measure() -> Arrays:
            return {"share": np.array(pixel_kmeans(test, box_side, CLASSES))}

        return float(cached_arrays(key, measure)["share"])
