"""Atomic, checksummed records: one folder per cell, whole or absent at every moment."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypedDict

from tuskbench.cell import Cell
from tuskbench.errors import DamagedRecordError, NewerRecordError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from filelock import BaseFileLock

SCHEMA = 1
"""Version of the record's layout."""


class Status(StrEnum):
    """What a cell's state is called in progress, store, report and exit code."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    RUNNING = "running"
    PENDING = "pending"


class Cost(TypedDict, total=False):
    """What a cell cost; seconds are summed over resumed runs.

    Attributes:
        train_seconds: wall-clock time of training.
        evaluate_seconds: wall-clock time of prediction and scoring.
        images_per_second: training images a second.
        step_seconds: mean time of a training step.
        steps: training steps.
        peak_memory_bytes: largest GPU memory, or the process's largest resident set on CPU.
        parameters: trainable parameters.
        gpu_energy_joules: energy of the GPUs while training, or None where it cannot be read.
    """

    train_seconds: float
    evaluate_seconds: float
    images_per_second: float
    step_seconds: float
    steps: int
    peak_memory_bytes: int
    parameters: int
    gpu_energy_joules: float | None


class Provenance(TypedDict, total=False):
    """Where a record comes from.

    Attributes:
        components: version of every component, by `kind name`.
        libraries: version of every library that computes, by distribution.
        data_fingerprint: hash of the data.
        data_source: name of the data.
        git_revision: commit of the source tree, or None outside one.
        device: `cpu`, or the GPU's model and count.
        processor: model of the CPU.
        python: version of Python.
        platform: operating system and architecture.
        started: ISO 8601 time at which the last run of the cell began, in UTC.
        finished: ISO 8601 time at which it ended, in UTC.
        threads: CPU threads of torch.
        precision: see `tuskbench.cell.PRECISIONS`.
    """

    components: dict[str, str]
    libraries: dict[str, str]
    data_fingerprint: str
    data_source: str
    git_revision: str | None
    device: str
    processor: str
    python: str
    platform: str
    started: str
    finished: str
    threads: int
    precision: str


class Failure(TypedDict):
    """Why a cell failed.

    Attributes:
        phase: build, data, train, evaluate or store.
        exception: class of the exception, or the signal that ended the worker.
        message: one sentence.
        traceback_file: name of a file in the cell's folder, or None.
        attempts: how often the cell has failed.
    """

    phase: str
    exception: str
    message: str
    traceback_file: str | None
    attempts: int


_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("metrics", "counts", "cost", "provenance", "files"), dict),
    "failure": (dict, type(None)),
    "notes": list,
    "id": str,
}


@dataclass(frozen=True)
class Record:
    """The stored outcome of a cell.

    Attributes:
        id: the cell's id.
        status: `Status.DONE` or `Status.FAILED`.
        metrics: metric name to value; shares are fractions in [0, 1].
        counts: what the metrics were counted over.
        cost: see `Cost`.
        provenance: see `Provenance`.
        failure: see `Failure`; None for a cell that is done.
        notes: sentences worth showing beside the numbers.
        files: sha256 of every array file of the record, by name.
        schema: version of this layout.
    """

    id: str
    status: Status
    metrics: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    cost: Cost = field(default_factory=lambda: Cost())
    provenance: Provenance = field(default_factory=lambda: Provenance())
    failure: Failure | None = None
    notes: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON-ready values; a metric that is not finite becomes text."""
        content = asdict(self)
        content["metrics"] = {
            name: value if abs(value) < float("inf") else str(value)
            for name, value in self.metrics.items()
        }
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the record that `to_json` wrote."""
        metrics = {name: float(value) for name, value in content["metrics"].items()}
        for name, wanted in _TYPES.items():
            if name in content and not isinstance(content[name], wanted):
                raise TypeError(f"{name} is a {type(content[name]).__name__}")
        # A field that this version does not know is not its own to judge.
        known = {name: content[name] for name in content if name in cls.__dataclass_fields__}
        return cls(**{**known, "metrics": metrics, "status": Status(content["status"])})


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in the place of `path`.

    Raises:
        StoreError: if the disk is full or the folder cannot be written; `path` is as before.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        # mkstemp makes files private, but results are read by whoever may read the folder.
        temporary.chmod(0o666 & ~umask())
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StoreError(path, f"cannot be written: {error.strerror or error}") from error
        raise


class Store:
    """The results folder: `<root>/cells/<id>/` holds everything about one cell."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def folder(self, id: str) -> Path:
        """Return the folder of a cell, which need not exist."""
        return self.root / "cells" / id

    def lock(self, id: str) -> BaseFileLock:
        """Return the lock that whoever computes the cell holds; it ends with its process.

        Raises:
            StoreError: if the folder cannot be written.
        """
        from filelock import FileLock

        folder = self.folder(id)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(folder, f"cannot be written: {error.strerror}") from error
        return FileLock(folder / "lock")

    def tidy(self, id: str) -> None:
        """Remove the temporary files that dead processes left; the caller holds the lock."""
        for name in ("checkpoint.safetensors", "record.json", "scores.npz", "figures.npz"):
            for left in self.folder(id).glob(f".{name}.*"):
                left.unlink(missing_ok=True)

    def write_cell(self, cell: Cell) -> None:
        """Write `cell.json`, from which a worker process knows what to do, unless it is there."""
        text = json.dumps(cell.to_json(), indent=1, sort_keys=True)
        path = self.folder(cell.id) / "cell.json"
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if path.read_text() == text:
                return
        write_atomically(path, lambda temporary: temporary.write_text(text))

    def read_cell(self, id: str) -> Cell:
        """Return the cell with that id.

        Raises:
            StoreError: if there is none, or it cannot be read.
        """
        path = self.folder(id) / "cell.json"
        try:
            return Cell.from_json(json.loads(path.read_text()))
        except OSError as error:
            raise StoreError(path, f"cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(path, "is not the description of a cell") from error

    def read(self, id: str) -> Record | None:
        """Return the cell's record, or None where there is none.

        Raises:
            DamagedRecordError: if the content does not match its checksum.
            NewerRecordError: if a newer version of this program wrote it.
            StoreError: if the file cannot be read.
        """
        path = self.folder(id) / "record.json"
        try:
            envelope = json.loads(path.read_bytes())
            content, digest = envelope["record"], envelope["sha256"]
            if digest != _digest(_canonical(content)):
                raise DamagedRecordError(path, "the checksum does not match the content")
            schema = content.get("schema", SCHEMA)
            if schema > SCHEMA:
                problem = f"is of a newer tuskbench (schema {schema}, this one reads {SCHEMA})"
                raise NewerRecordError(path, f"{problem}; it is left alone")
            return Record.from_json(content)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(path, f"cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedRecordError(path, "is not a record") from error

    def verify(self, id: str) -> Record | None:
        """Return what `read` returns, after a check of the record's array files too.

        Raises:
            DamagedRecordError: if the record or one of its files does not match its checksum.
        """
        record = self.read(id)
        for name in record.files if record else ():
            self._checked(id, name, record)
        return record

    def write(
        self,
        cell: Cell,
        record: Record,
        scores: Mapping[str, np.ndarray] | None = None,
        figures: Mapping[str, np.ndarray] | None = None,
    ) -> Record:
        """Write a record with its arrays and return it with their checksums.

        The arrays are written first, so that a record that can be read is complete.

        Args:
            cell: what the record is of.
            record: the outcome.
            scores: metric name to one score per test image.
            figures: arrays that the report's figures are drawn from.

        Raises:
            StoreError: if the disk is full or the folder cannot be written.
        """
        self.write_cell(cell)
        folder, files = self.folder(cell.id), {}
        for name, arrays in (("scores.npz", scores), ("figures.npz", figures)):
            if arrays:
                write_atomically(folder / name, partial(_save, arrays))
                files[name] = _digest((folder / name).read_bytes())
        record = replace(record, files=files)
        content = record.to_json()
        envelope = {"sha256": _digest(_canonical(content)), "record": content}
        text = json.dumps(envelope, indent=1, sort_keys=True, allow_nan=False)
        write_atomically(folder / "record.json", lambda path: path.write_text(text))
        return record

    def scores(self, id: str) -> dict[str, np.ndarray]:
        """Return the scores per test image by metric name; empty where there are none.

        Raises:
            DamagedRecordError: if they do not match their checksum.
        """
        return self._arrays(id, "scores.npz")

    def figures(self, id: str) -> dict[str, np.ndarray]:
        """Return the arrays for figures by name; empty where there are none.

        Raises:
            DamagedRecordError: if they do not match their checksum.
        """
        return self._arrays(id, "figures.npz")

    def records(
        self, warn: Callable[[StoreError], object] | None = None
    ) -> Iterator[tuple[Cell, Record]]:
        """Yield every cell that has a record; what is damaged goes to `warn` instead."""
        for path in sorted(self.root.glob("cells/*/record.json")):
            try:
                record = self.read(path.parent.name)
                if record is not None:
                    yield self.read_cell(path.parent.name), record
            except StoreError as error:
                if warn is not None:
                    warn(error)

    def _arrays(self, id: str, name: str) -> dict[str, np.ndarray]:
        import io

        import numpy as np

        record = self.read(id)
        if record is None or name not in record.files:
            return {}
        with np.load(io.BytesIO(self._checked(id, name, record))) as arrays:
            return dict(arrays)

    def _checked(self, id: str, name: str, record: Record | None) -> bytes:
        path = self.folder(id) / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DamagedRecordError(path, f"cannot be read: {error.strerror}") from error
        if record is None or record.files.get(name) != _digest(content):
            raise DamagedRecordError(path, "the checksum does not match the content")
        return content


def _save(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    import numpy as np

    # An open file, because numpy would append ".npz" to the name of the temporary file.
    with path.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def umask() -> int:
    """Return the mask of the permissions that new files do not get."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
