"""Tetrominoes: three bevelled pieces on black, told apart without supervision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Ge

from tuskbench.contracts import EvaluateOn, Faithful, MetricInfo
from tuskbench.data.scene_sources import Source
from tuskbench.tasks.object_discovery import GENERATOR_SEED, Crop, ObjectDiscovery, metric_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuskbench.data.scenes import Framing, Scenes

NATIVE = 35
# Side that the images are scaled to; Slot Attention reads them as they are.
SIDES = {"tusk": 112, "slot-attention": NATIVE}
# Records that paper and code train and test on.
TRAIN_RECORDS, TEST_RECORDS = 50_000, 10_000


class Tetrominoes(ObjectDiscovery):
    """Three pieces of 19 shapes and 6 colours that may touch but do not overlap.

    Args:
        source: "official" (DeepMind's TFRecord file, or TUSK's HDF5 file), "generated", or
            "auto": the official file where it is there.
        crop: whose scaling is followed: "tusk" to 112 pixels by nearest neighbour, or
            "slot-attention", the original 35 pixels.
        canvas: side of the image in pixels in place of the paper's; 0 for the paper's.
        train_images: number of training images.
        test_images: number of test images, with three pieces and with more alike.
        more_objects: fewest and most pieces in the split `test-more`, which is generated; the
            original has none.
        faithful_to: which official records are the test set: the last of the first 80,000
            ("paper"), or those from 50,000 on ("code").
        evaluate_on: the split that is scored: "test", or for choosing settings "validation":
            the last tenth of the original's training images, which training then does without,
            or generated images of their own.
    """

    name = "tetrominoes"
    protocol = "tetrominoes/1"
    settings = "tetrominoes.toml"
    version = "1"
    data = "tetrominoes"
    properties = ("shape", "colour")
    objects = 3
    most_possible = 6
    original_has_more = False
    generator = 1
    metrics: ClassVar[Mapping[str, MetricInfo]] = metric_table(properties, "more pieces")

    def __init__(
        self,
        *,
        source: Source = "auto",
        crop: Crop = "tusk",
        canvas: Annotated[int, Ge(0)] = 0,
        train_images: Annotated[int, Ge(1)] = 50_000,
        test_images: Annotated[int, Ge(1)] = 10_000,
        more_objects: tuple[int, int] = (4, 6),
        faithful_to: Faithful = "paper",
        evaluate_on: EvaluateOn = "test",
    ) -> None:
        self.faithful_to = faithful_to
        self.canvas = canvas or SIDES[crop]
        counts = {"train": (3, 3), "test": (3, 3), "test-more": more_objects}
        self._settle(source, crop, train_images, test_images, counts, evaluate_on)

    def framing(self) -> Framing:
        """Return the scaling of the whole image."""
        from tuskbench.data.scenes import Framing

        return Framing(None, None, self.canvas, "nearest")

    def generate(
        self, count_range: tuple[int, int], stream: str, index: NDArray[np.int64]
    ) -> Scenes:
        """Generate the scenes of the given indices, and scale them."""
        from tuskbench.data.generators.tetrominoes import render

        return self.framing().apply(render(count_range, GENERATOR_SEED, stream, index))

    def records(self, split: str, scenes: Scenes) -> NDArray[np.int64]:
        """Return the first records for training, and later ones for test."""
        import numpy as np

        total = len(scenes)
        # A file that holds fewer than the papers use keeps a fifth for test.
        held_out = max(1, min(TEST_RECORDS, total // 5))
        first = total - held_out
        if self.faithful_to == "code":
            first = min(first, TRAIN_RECORDS)
        if split == "train":
            return np.arange(min(first, TRAIN_RECORDS))
        return np.arange(first, first + held_out)
