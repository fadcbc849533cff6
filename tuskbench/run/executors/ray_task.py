"""What runs on a node of a Ray cluster: one cell, and the post between it and its launcher."""

from __future__ import annotations

import socket
import tempfile
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuskbench.cell import Cell
from tuskbench.errors import StoreError
from tuskbench.run.executors.contract import Launch
from tuskbench.run.executors.local import LocalExecutor
from tuskbench.run.interrupt import Interrupted
from tuskbench.store import Store, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from tuskbench.store import Record

Files = dict[str, bytes]
"""Content of files in a cell's folder, by name."""

TRAVELLING = ("checkpoint.safetensors", "log.jsonl")
"""What is sent while a cell runs, and brought along to the next attempt."""

RECORD = "record.json"
_BEAT_SECONDS = 1.0


class Mailbox:
    """An actor beside the launcher: what it orders, and what the nodes send meanwhile."""

    def __init__(self) -> None:
        """Begin empty."""
        self._order = ""
        self._files: dict[str, Files] = {}
        self._news: dict[str, tuple[str, Files]] = {}

    def order(self, word: str) -> None:
        """Take what the cells shall do: `stop` or `kill`."""
        self._order = word

    def begin(self, id: str) -> Files:
        """Return what a former attempt at a cell has sent."""
        return self._files.get(id, {})

    def beat(self, id: str, host: str, files: Files) -> str:
        """Take a sign of life with the files that have changed; return the order."""
        self._files.setdefault(id, {}).update(files)
        _, before = self._news.get(id, ("", {}))
        self._news[id] = (host, {**before, **files})
        return self._order

    def news(self) -> dict[str, tuple[str, Files]]:
        """Return host and changed files of the cells heard of since the last time."""
        news, self._news = self._news, {}
        return news


@dataclass(frozen=True)
class Errand:
    """What a node is told of a cell.

    Attributes:
        cell: as `Cell.to_json` gives it.
        root: the results folder, as the launcher sees it.
        token: a file in it by which a node tells that it sees the same folder; "" for never.
        device: `auto`, `cpu` or `cuda`.
        launch: what the launcher tells its workers.
        cell_timeout: seconds after which the cell fails.
        sync_seconds: time between two letters with files, from nodes without that folder.
        files: what a former attempt has left, for nodes without that folder.
    """

    cell: dict[str, Any]
    root: str
    token: str
    device: str
    launch: Launch
    cell_timeout: float | None
    sync_seconds: float
    files: Files = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What became of a cell on a node.

    Attributes:
        interrupted: whether it was asked to stop.
        problem: path and problem of a folder that could not be written.
        files: what it leaves, from nodes without the launcher's folder.
    """

    interrupted: bool = False
    problem: tuple[str, str] | None = None
    files: Files = field(default_factory=dict)


def compute(errand: Errand, mailbox: Any) -> Answer:
    """Compute a cell, in the launcher's folder or in one of the node's own."""
    import ray

    cell = Cell.from_json(errand.cell)
    shared = bool(errand.token) and Path(errand.token).exists()
    with _folder(errand.root if shared else None) as root:
        launch, files = errand.launch, Files()
        if not shared:
            launch = Launch(Launch.here().path, launch.sources)
            brought = {**errand.files, **ray.get(mailbox.begin.remote(cell.id))}
            write_files(Store(root), cell.id, brought)
        courier = _Courier(mailbox, cell.id, None if shared else Store(root), errand.sync_seconds)
        answer = _run(cell, root, launch, errand, courier)
        if not shared:
            folder = Store(root).folder(cell.id)
            files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "lock"}
        return Answer(answer.interrupted, answer.problem, files)


def _run(cell: Cell, root: Path, launch: Launch, errand: Errand, courier: _Courier) -> Answer:
    executor = LocalExecutor(
        root,
        launch,
        jobs=max(1, cell.training.devices),
        device=errand.device,
        cell_timeout=errand.cell_timeout,
        # It computes one cell, and a fork pays from the second on.
        warm=False,
    )
    try:
        future = executor.submit(cell)
        while not _ended(future):
            order = courier.beat()
            if order == "stop":
                executor.stop()
            elif order == "kill":
                executor.kill()
        future.result()
    except Interrupted:
        return Answer(interrupted=True)
    except StoreError as error:
        return Answer(problem=(error.path, error.problem))
    except KeyboardInterrupt:
        # Ray cancels a task like this.
        executor.stop()
        return Answer(interrupted=True)
    finally:
        executor.close()
    return Answer()


def _ended(future: Future[Record]) -> bool:
    try:
        future.exception(_BEAT_SECONDS)
    except NotYet:
        return False
    return True


class _Courier:
    """Sends signs of life, and from nodes without the launcher's folder also files."""

    def __init__(self, mailbox: Any, id: str, store: Store | None, seconds: float) -> None:
        from tuskbench.run.events import Throttle

        self._mailbox, self._id, self._store = mailbox, id, store
        self._due = Throttle(seconds)
        self._sent: dict[str, int] = {}

    def beat(self) -> str:
        """Return the launcher's order."""
        import ray

        files = self._changed() if self._store is not None and self._due() else {}
        order: str = ray.get(self._mailbox.beat.remote(self._id, socket.gethostname(), files))
        return order

    def _changed(self) -> Files:
        assert self._store is not None
        found: Files = {}
        for name in TRAVELLING:
            path = self._store.folder(self._id) / name
            if path.exists() and path.stat().st_mtime_ns != self._sent.get(name):
                self._sent[name] = path.stat().st_mtime_ns
                found[name] = path.read_bytes()
        return found


@contextmanager
def _folder(root: str | None) -> Iterator[Path]:
    if root is not None:
        yield Path(root)
        return
    with tempfile.TemporaryDirectory(prefix="tuskbench-") as folder:
        yield Path(folder)


def read_files(store: Store, id: str) -> Files:
    """Return what the next attempt at a cell needs of the one before."""
    paths = (store.folder(id) / name for name in (*TRAVELLING, RECORD))
    return {path.name: path.read_bytes() for path in paths if path.exists()}


def write_files(store: Store, id: str, files: Mapping[str, bytes]) -> None:
    """Put files into a cell's folder, the record last.

    Raises:
        StoreError: if they cannot be written.
    """
    for name in sorted(files, key=lambda name: name == RECORD):
        path = store.folder(id) / Path(name).name
        write_atomically(path, partial(Path.write_bytes, data=files[name]))
