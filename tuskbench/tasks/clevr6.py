"""CLEVR6: up to six solids on a grey ground, told apart without supervision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge

from tuskbench.contracts import EvaluateOn, MetricInfo
from tuskbench.data.scene_sources import Source
from tuskbench.tasks.object_discovery import GENERATOR_SEED, Crop, ObjectDiscovery, metric_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuskbench.data.scenes import Framing, Scenes

CROP = 192
# Each paper's first row, side, and way to scale; all cut columns 64 to 255.
FRAMINGS: Mapping[str, tuple[int, int, Literal["nearest", "bilinear"]]] = {
    "tusk": (24, 112, "nearest"),
    "slot-attention": (29, 128, "bilinear"),
}
FIRST_COLUMN = 64
# Images that paper and code test on, the last of those with at most six objects.
TEST_RECORDS = 10_000


class Clevr6(ObjectDiscovery):
    """CLEVR scenes of three to six objects: 3 shapes, 8 colours, 2 sizes, 2 materials.

    Args:
        source: "official" (DeepMind's CLEVR with masks as TFRecord, or TUSK's HDF5 file),
            "generated", or "auto": the official file where it is there.
        crop: whose cut and scale is followed: "tusk" takes rows 24 to 215 to 112 pixels by
            nearest neighbour, "slot-attention" rows 29 to 220 to 128 pixels, bilinearly.
        canvas: side of the image in pixels in place of the paper's; 0 for the paper's.
        train_images: number of training images at most; the first 70,000 records of the
            original hold about 25,000.
        test_images: number of test images, with up to six objects and with more alike.
        more_objects: fewest and most objects in the split `test-more`.
        shading: of generated images: "full", "lambert" (matt, without shadows) or "flat".
        evaluate_on: the split that is scored: "test", or for choosing settings "validation":
            the last tenth of the original's training images, which training then does without,
            or generated images of their own.
    """

    name = "clevr6"
    protocol = "clevr6/1"
    settings = "clevr6.toml"
    version = "1"
    data = "clevr_with_masks"
    properties = ("shape", "colour", "size")
    objects = 6
    most_possible = 10
    original_has_more = True
    generator = 1
    metrics: ClassVar[Mapping[str, MetricInfo]] = metric_table(properties, "more objects")

    def __init__(
        self,
        *,
        source: Source = "auto",
        crop: Crop = "tusk",
        canvas: Annotated[int, Ge(0)] = 0,
        train_images: Annotated[int, Ge(1)] = 60_000,
        test_images: Annotated[int, Ge(1)] = 10_000,
        more_objects: tuple[int, int] = (7, 10),
        shading: Literal["flat", "lambert", "full"] = "full",
        evaluate_on: EvaluateOn = "test",
    ) -> None:
        self.shading = shading
        self.canvas = canvas or FRAMINGS[crop][1]
        counts = {"train": (3, 6), "test": (3, 6), "test-more": more_objects}
        self._settle(source, crop, train_images, test_images, counts, evaluate_on)

    def departures(self) -> list[str]:
        """Return which shading is simpler than the original's, and which objects are meant."""
        changes = super().departures()
        if self.source_key() == "generated" and self.shading != self.usual("shading"):
            changes.append(f"{self.shading} shading")
        return changes

    def framing(self) -> Framing:
        """Return the cut and the scaling."""
        from tuskbench.data.scenes import Framing

        top, _, resize = FRAMINGS[self.crop]
        columns = (FIRST_COLUMN, FIRST_COLUMN + CROP)
        return Framing((top, top + CROP), columns, self.canvas, resize)

    def generate(
        self, count_range: tuple[int, int], stream: str, index: NDArray[np.int64]
    ) -> Scenes:
        """Render the cut of the scenes of the given indices in the canvas's own pixels."""
        from tuskbench.data.clevr_scenes import generate

        view = (FRAMINGS[self.crop][0], FIRST_COLUMN, CROP, CROP)
        return generate(
            count_range,
            GENERATOR_SEED,
            stream,
            index,
            size=(self.canvas, self.canvas),
            view=view,
            shading=self.shading,
        )

    def generator_settings(self) -> list[object]:
        """Return the settings that generated images depend on besides the others'."""
        return [self.shading]

    def records(self, split: str, scenes: Scenes) -> NDArray[np.int64]:
        """Return the records of a split by their number of objects, the last ones for test."""
        import numpy as np

        count = (scenes.factors["shape"] >= 0).sum(1)
        fewest, most = self.counts[split]
        if split == "test-more":
            found = np.flatnonzero((count >= fewest) & (count <= most))
            return found[-self.images[split] :]
        found = np.flatnonzero(count <= most)
        # A file that holds fewer than the papers use keeps a fifth for test.
        held_out = max(1, min(TEST_RECORDS, len(found) // 5))
        return found[-held_out:] if split == "test" else found[:-held_out]
