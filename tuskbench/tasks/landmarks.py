"""What the tasks of landmarks share: splits kept on disk, and the regressor's penalty."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import partial

from tuskbench.contracts import Task
from tuskbench.data.cache import Arrays, cached_arrays, cached_chunks


class LandmarkTask(Task):
    """Regress landmarks from keypoints that were learnt without labels.

    Attributes:
        images: largest number of images of each split.
        ridge: penalty on the regressor's squared weights, beside its mean squared error.
    """

    images: dict[str, int]
    ridge: float

    def departures(self) -> list[str]:
        """Return what differs from the paper's regression."""
        ridge = [] if self.ridge == self.usual("ridge") else [f"ridge {self.ridge:g}"]
        return [*super().departures(), *ridge]

    @abstractmethod
    def source_key(self) -> str:
        """Return the key of the resolved source."""

    @abstractmethod
    def _cache_key(self, split: str) -> str: ...

    @abstractmethod
    def _read(self, split: str) -> Arrays:
        """Read a split's images and targets from the source's files."""

    @abstractmethod
    def _generated(self, split: str) -> Iterator[Arrays]:
        """Yield a split's generated images and targets, a chunk at a time."""

    def _arrays(self, split: str) -> Arrays:
        """Return a split's images and targets from the cache, where they are made once."""
        key, count = self._cache_key(split), self.images[split]
        if self.source_key() != "generated":
            return cached_arrays(key, partial(self._read, split))
        title = f"{self.name}: {count} images of {split}"
        return cached_chunks(key, count, partial(self._generated, split), title)
