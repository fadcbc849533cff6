"""The Ray executor hands cells to a Ray cluster, whose nodes need not see the results folder."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
import uuid
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt

from tuskbench.errors import ConfigurationError, StoreError
from tuskbench.run.executors.contract import (
    Executor,
    Launch,
    clear_place,
    record_death,
    write_place,
)
from tuskbench.run.executors.ray_task import Errand, Mailbox, compute, read_files, write_files
from tuskbench.run.interrupt import Interrupted
from tuskbench.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from tuskbench.cell import Cell, Training
    from tuskbench.run.executors.ray_task import Answer, Files
    from tuskbench.store import Record

_NAME = "ray"
# More cells than anyone submits; how many run is the cluster's business.
_NO_LIMIT = 10**9
_POLL_SECONDS = 0.5
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Time after which a cell that was killed, and does not answer, is killed from outside.
_FORCE_SECONDS = 5.0


@dataclass
class _Waiting:
    """A cell that Ray has."""

    cell: Cell
    future: Future[Record]


class RayExecutor(Executor):
    """Cells as tasks of a Ray cluster; where a node is lost, its cells go on elsewhere.

    Needs `pip install "tuskbench[ray]"`, and the same tuskbench and data on every node.

    Args:
        root: the results folder.
        jobs: cells at a time; None for as many as the cluster has room for.
        device: `auto`, `cpu` or `cuda`, as seen by a node.
        address: of the cluster, such as `auto`, `10.0.0.1:6379` or `ray://host:10001`; None for
            one on this machine for the time of the sweep.
        cpus: cores that a cell takes.
        gpus: GPUs, or the fraction of one, for each device of a cell; None for 1 with device
            `cuda`, else 0.
        memory_gb: memory that a cell takes in GB.
        resources: custom resources that a cell takes, by name.
        retries: how often a cell is begun again because its node was lost.
        shared: whether nodes see the results folder; None to find out on each. Where they do not,
            checkpoints and records travel through Ray's object store.
        sync_seconds: time between two looks at whether there is a checkpoint to send.
        cell_timeout: seconds after which a cell fails; None for no limit.
        env: environment variables of the cells.
    """

    slots = _NO_LIMIT
    queues = True

    def __init__(
        self,
        root: Path,
        *,
        jobs: Annotated[int, Ge(1)] | None = None,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        address: str | None = None,
        cpus: Annotated[float, Ge(0)] = 1.0,
        gpus: Annotated[float, Ge(0)] | None = None,
        memory_gb: Annotated[float, Gt(0)] | None = None,
        resources: dict[str, float] = {},  # noqa: B006 - read, never changed
        retries: Annotated[int, Ge(0)] = 3,
        shared: bool | None = None,
        sync_seconds: Annotated[float, Ge(0)] = 30.0,
        cell_timeout: Annotated[float, Gt(0)] | None = None,
        env: dict[str, str] = {},  # noqa: B006 - read, never changed
    ) -> None:
        self._ray, self._own = _connected(address)
        self._store = Store(root.resolve())
        self._launch = Launch.here()
        self._device, self._gpus = device, gpus if gpus is not None else float(device == "cuda")
        self._timeout, self._sync_seconds, self._shared = cell_timeout, sync_seconds, shared
        self.slots = jobs or _NO_LIMIT
        self._token = ""
        self._options: dict[str, Any] = {"num_cpus": cpus, "max_retries": retries}
        self._options |= {"resources": dict(resources), "runtime_env": {"env_vars": dict(env)}}
        if memory_gb is not None:
            self._options["memory"] = int(memory_gb * 2**30)
        self._mailbox = self._ray.remote(num_cpus=0)(Mailbox).remote()
        self._waiting: dict[Any, _Waiting] = {}
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._stopping, self._killed_at = False, float("inf")
        self._watcher = threading.Thread(target=self._watch, daemon=True, name="ray")
        self._watcher.start()

    def check(self, training: Training) -> None:
        """Raise `ConfigurationError` where a cell wants several devices of part of a GPU."""
        if training.devices > 1 and self._gpus % 1:
            expected = f"1 with executor ray and gpus = {self._gpus:g}"
            raise ConfigurationError("training", "devices", training.devices, expected)

    def submit(self, cell: Cell) -> Future[Record]:
        """Compute a cell as soon as the cluster has room."""
        future: Future[Record] = Future()
        if self._stopping:
            future.set_exception(Interrupted())
            return future
        self._store.write_cell(cell)
        self._launch.write(self._store.root)
        gpus = self._gpus * cell.training.devices
        task = self._ray.remote(**self._options, num_gpus=gpus, name=f"cell {cell.id}")(compute)
        with self._lock:
            reference = task.remote(self._errand(cell), self._mailbox)
            self._waiting[reference] = _Waiting(cell, future)
        return future

    def stop(self) -> None:
        """Let the cells that run checkpoint and stop; drop those that wait."""
        self._stopping = True
        self._mailbox.order.remote("stop")
        for reference, one in tuple(self._waiting.items()):
            if not one.future.running():
                self._ray.cancel(reference)

    def kill(self) -> None:
        """End the cells that run at once."""
        self._stopping, self._killed_at = True, time.monotonic()
        self._mailbox.order.remote("kill")

    def close(self) -> None:
        """Leave the cluster; one that was started for this sweep ends."""
        if self._ending.is_set():
            return
        self._ending.set()
        self._watcher.join()
        with contextlib.suppress(OSError):
            if self._token:
                os.unlink(self._token)  # noqa: PTH108 - it is passed on as text
        self._ray.kill(self._mailbox)
        if self._own:
            self._ray.shutdown()

    def _errand(self, cell: Cell) -> Errand:
        if not self._token and self._shared is not False:
            # A node that sees this file sees this folder.
            path = self._store.root / f".shared-{uuid.uuid4().hex}"
            path.touch()
            self._token = str(path)
        return Errand(
            cell.to_json(),
            str(self._store.root),
            self._token,
            self._device,
            self._launch,
            self._timeout,
            self._sync_seconds,
            {} if self._shared else read_files(self._store, cell.id),
        )

    def _watch(self) -> None:
        """Gather news and answers until this executor ends."""
        while not self._ending.wait(_POLL_SECONDS):
            with self._lock:
                references = list(self._waiting)
            if not references:
                continue
            self._hear()
            if time.monotonic() - self._killed_at > _FORCE_SECONDS:
                for reference in references:
                    self._ray.cancel(reference, force=True)
            ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
            for reference in ready:
                with self._lock:
                    one = self._waiting.pop(reference)
                self._resolve(one, reference)

    def _hear(self) -> None:
        """Show cells that have begun, and keep what they have sent."""
        try:
            news: dict[str, tuple[str, Files]] = self._ray.get(self._mailbox.news.remote())
        except self._ray.exceptions.RayError:
            return
        with self._lock:
            by_id = {one.cell.id: one for one in self._waiting.values()}
        for id, (host, files) in news.items():
            one = by_id.get(id)
            if one is None:
                continue
            try:
                write_files(self._store, id, files)
                if not one.future.running():
                    write_place(self._store, id, _NAME, host)
                    one.future.set_running_or_notify_cancel()
            except StoreError:
                # The record will meet the same folder, and tell.
                continue

    def _resolve(self, one: _Waiting, reference: Any) -> None:
        try:
            record = self._outcome(one.cell, reference)
        except Exception as error:
            one.future.set_exception(error)
        else:
            one.future.set_result(record)
        clear_place(self._store, one.cell.id)

    def _outcome(self, cell: Cell, reference: Any) -> Record:
        try:
            answer: Answer = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            if self._stopping:
                raise Interrupted from None
            # The error itself comes last, below Ray's story of where it arose.
            said = _COLOUR.sub("", str(error)).strip()
            last = (said.splitlines() or ["no message"])[-1].strip()
            name = type(error).__name__.partition("(")[0]
            message = f"Ray gave the cell up: {last}"
            return record_death(self._store, cell, name, message, output=said)
        write_files(self._store, cell.id, answer.files)
        if answer.problem is not None:
            raise StoreError(*answer.problem)
        if answer.interrupted:
            raise Interrupted
        record = self._store.read(cell.id)
        if record is None:
            return record_death(self._store, cell, "NoRecord", "the node sent no record")
        return record


def _connected(address: str | None) -> tuple[Any, bool]:
    """Return the module ray, connected, and whether this connected it.

    Raises:
        ConfigurationError: if it is not installed or there is no cluster at the address.
    """
    try:
        import ray
    except ImportError as error:
        expected = 'the package ray: pip install "tuskbench[ray]"'
        raise ConfigurationError("run", "executor", _NAME, expected) from error
    if ray.is_initialized():
        return ray, False
    options = {} if address else {"include_dashboard": False}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        said = (str(error).splitlines() or ["no answer"])[0]
        expected = f"the address of a Ray cluster: {said}"
        raise ConfigurationError(f"executor {_NAME}", "address", address, expected) from error
    return ray, True
