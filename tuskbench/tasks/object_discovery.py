"""What the tasks of object discovery share: splits of scenes, and scores of masks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar, Literal

from tuskbench.contracts import (
    EvaluateOn,
    MetricInfo,
    Metrics,
    Predict,
    Split,
    Task,
    TaskInfo,
    WarpSettings,
)
from tuskbench.data.cache import cache_key, cached_chunks, chunks
from tuskbench.data.scene_sources import SceneSource, Source, resolve
from tuskbench.digest import digest
from tuskbench.errors import ConfigurationError, DataFormatError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuskbench.data.scenes import Framing, Scenes

Crop = Literal["tusk", "slot-attention"]
"""The paper whose cut and scale of the images is followed."""

GENERATOR_SEED = 2022

UNLABELLED = "where not every mask has a labelled keypoint"

# Ranges of the official code (configs/clevr.yaml and configs/tetrominoes.yaml).
WARPS = (
    WarpSettings(scale=(0.98, 0.02), displacement=0.03, offset=0.02, rotation=0.05),
    WarpSettings(scale=(0.95, 0.02), displacement=0.02, offset=0.05, rotation=0.10),
)


def metric_table(properties: tuple[str, ...], more: str) -> dict[str, MetricInfo]:
    """Return the metrics of a task whose prototypes are scored on `properties`."""
    table = {"ari": _masked("adjusted Rand index over the objects' pixels")}
    for name in properties:
        doc = f"share of keypoints on an object whose prototype tells its {name} (official code)"
        table[name] = MetricInfo(doc, undefined=UNLABELLED)
    table["ari_more"] = _masked(f"adjusted Rand index on images of {more}")
    table["ari_all"] = _masked("adjusted Rand index over all pixels, background included")
    table["best_iou"] = _masked(
        "mean over objects of the best overlap of a segment, background in it included"
    )
    for name in properties:
        doc = f"share of all objects whose own prototype tells their {name}, learnt on train"
        table[f"{name}_strict"] = MetricInfo(doc, undefined=UNLABELLED)
    table["coverage"] = MetricInfo(
        "share of objects that a segment overlaps by at least half, on the foreground",
        undefined=UNLABELLED,
    )
    return table


def _masked(doc: str) -> MetricInfo:
    return MetricInfo(doc, undefined="where no object is to be seen")


class ObjectDiscovery(Task):
    """Split every image into its objects, without supervision.

    A subclass has the attributes below; its constructor sets `canvas` and calls `_settle`.

    Attributes:
        data: name of the data set's official layout.
        properties: factors that prototypes are scored on, in the order of the metrics.
        objects: largest number of objects in a training image.
        most_possible: largest number of objects in any image.
        original_has_more: whether the original holds images with more objects.
        generator: version of the generator; raised when the same settings make other images.
        canvas: side of the image in pixels.
        framing: how the original's images are cut and scaled.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"masks"})
    data: ClassVar[str]
    properties: ClassVar[tuple[str, ...]]
    objects: ClassVar[int]
    most_possible: ClassVar[int]
    original_has_more: ClassVar[bool]
    generator: ClassVar[int]
    canvas: int

    def _settle(
        self,
        source: Source,
        crop: Crop,
        train_images: int,
        test_images: int,
        counts: Mapping[str, tuple[int, int]],
        evaluate_on: EvaluateOn,
    ) -> None:
        """Keep what the splits depend on; `counts` are the fewest and most objects of each."""
        self.source, self.crop = source, crop
        self.counts = {**counts, "validation": counts["train"]}
        self.images = {"train": train_images, "test": test_images, "test-more": test_images}
        self.images["validation"] = test_images
        self.evaluate_on = evaluate_on
        fewest, most = counts["test-more"]
        if not self.objects < fewest <= most <= self.most_possible:
            expected = f"two numbers from {self.objects + 1} to {self.most_possible} in order"
            raise ConfigurationError(self.name, "more_objects", (fewest, most), expected)

    def departures(self) -> list[str]:
        """Return which split `test-more` is meant where it is not the task's own."""
        changes = super().departures()
        fewest, most = self.counts["test-more"]
        if (fewest, most) != self.usual("more_objects"):
            changes.append(f"{fewest} to {most} objects in test-more")
        return changes

    @abstractmethod
    def framing(self) -> Framing:
        """Return how the original's images are cut and scaled."""

    @abstractmethod
    def generate(
        self, count_range: tuple[int, int], stream: str, index: NDArray[np.int64]
    ) -> Scenes:
        """Generate the scenes of the given indices, as the task shows them."""

    def generator_settings(self) -> list[object]:
        """Return the settings that generated images depend on besides the others'."""
        return []

    @abstractmethod
    def records(self, split: str, scenes: Scenes) -> NDArray[np.int64]:
        """Return which of the original's scenes make `train`, `test` or `test-more`."""

    @cached_property
    def _resolved(self) -> SceneSource:
        return resolve(self.data, self.source)

    def source_key(self) -> str:
        """Return the key of the resolved source: official or generated."""
        return self._resolved.key

    def data_source(self) -> str:
        """Return the name of the resolved source and whose cut it has, as shown in tables."""
        framed = "" if self.crop == "tusk" else f", framed as in {self.crop}"
        return self._resolved.title + framed

    def info(self) -> TaskInfo:
        """Return size, warps and counts for a system."""
        size = (self.canvas, self.canvas)
        return TaskInfo(self.name, size, WARPS, "reflect", objects=self.objects)

    def fingerprint(self) -> str:
        """Return a hash of the source's file, or of the generator's version."""
        content = self._resolved.fingerprint()
        if self.source_key() == "generated":
            content += f" {self.generator} {GENERATOR_SEED}"
        return digest(content)

    def split(self, name: str) -> Split:
        """Return `train`, `test`, `test-more` or `validation`: images [N, 3, S, S] and objects.

        The targets are `masks` [N, S, S] uint8, 0 for background and g for object g, and a
        tensor [N, G] int64 a property, -1 where there is no object or nothing of it to be seen.

        Raises:
            DataMissingError: if the source's file is not there.
            DataFormatError: if it is damaged.
        """
        import torch

        read, count = self._reader(name)
        title = f"{self.name}: {count} images of {name}"
        arrays = cached_chunks(
            self._cache_key(name), count, lambda: self._chunks(read, count), title
        )
        tensors = {part: torch.from_numpy(array) for part, array in arrays.items()}
        return Split(tensors.pop("images"), tensors)

    def _reader(self, split: str) -> tuple[Callable[[NDArray[np.int64]], Scenes], int]:
        """Return what gives a split's scenes by their numbers, and how many there are."""
        if self.source_key() == "generated":
            stream = f"{self.name}/{split}"
            return partial(self.generate, self.counts[split], stream), self.images[split]
        scenes, framing = self._resolved.scenes(), self.framing()
        records = self._records(split, scenes)
        if not len(records):
            file = self._resolved.file
            assert file is not None
            problem = f"its {len(scenes)} scenes leave none for the split {split!r} of {self.name}"
            raise DataFormatError(file, problem)
        return lambda index: framing.apply(scenes.take(records[index])), len(records)

    def _records(self, split: str, scenes: Scenes) -> NDArray[np.int64]:
        """Return the original's records of a split, validation cut from the end of training's."""
        if not self.holds_out(split):
            return self.records(split, scenes)[: self.images[split]]
        from tuskbench.data.validation import keep

        training = self.records("train", scenes)[: self.images["train"]]
        return keep(training, split)[: self.images[split]] if len(training) > 1 else training[:0]

    def _cache_key(self, split: str) -> str:
        settings: list[object] = [self.crop, self.canvas, self.images[split], self.counts[split]]
        if self.source_key() != "generated" and self.holds_out(split):
            settings.append("held out")
        if self.source_key() == "generated":
            settings += self.generator_settings()
        return cache_key(
            f"{self.name}-{split}", [self.fingerprint(), self.protocol, split, *settings]
        )

    def _chunks(
        self, read: Callable[[NDArray[np.int64]], Scenes], count: int
    ) -> Iterator[dict[str, NDArray]]:
        """Yield a split's images, masks and properties."""
        import numpy as np

        from tuskbench.data.scenes import ABSENT, areas

        for index in chunks(count):
            scenes = read(index)
            kept = {name: scenes.factors[name] for name in self.properties}
            seen = areas(scenes.masks, scenes.factors["shape"].shape[1]) > 0
            kept = {
                name: np.where(seen, value, ABSENT).astype(np.int64) for name, value in kept.items()
            }
            yield {"images": scenes.images, "masks": scenes.masks, **kept}

    def evaluate(self, predict: Predict) -> Metrics:
        """Score masks, and prototypes where keypoints go with them.

        `test-more` is test data, and is not scored on `validation`.
        """
        from tuskbench.metrics.object_discovery import score

        more = None
        has_more = self.source_key() == "generated" or self.original_has_more
        if has_more and self.evaluate_on == "test":
            most = self.counts["test-more"][1]
            more = (self.split("test-more"), predict("test-more", objects=most))
        fitting = (self.split("train"), predict("train"))
        scored = self.evaluate_on
        return score(self.split(scored), predict(scored), self.properties, fitting, more)
