"""Worker processes forked from one that has imported torch: a fork costs what an import does not.

Not `multiprocessing`'s fork server, of which a process has one, in the environment of its first
use, and whose children run the launcher's main module again.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import threading
from typing import TYPE_CHECKING, Any

from tuskbench import registry
from tuskbench.run import bootstrap
from tuskbench.run.launch import PYTHON

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuskbench.cell import Cell
    from tuskbench.run.launch import Launch

AVAILABLE = hasattr(os, "fork") and hasattr(os, "waitid")
"""Whether this system has what it takes."""


class WarmWorker:
    """A worker process; has of `subprocess.Popen` what the local executor needs.

    Attributes:
        pid: its number, also that of its process group.
    """

    def __init__(self, zygote: Zygote, id: int) -> None:
        self._zygote, self._id = zygote, id
        self._ready, self._ended = threading.Event(), threading.Event()
        self.pid = 0
        self._code = 0

    def wait(self, timeout: float) -> int:
        """Return the exit code, as `Popen` does.

        Raises:
            subprocess.TimeoutExpired: if it has not ended by then.
        """
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired("worker", timeout)
        return self._code

    def send(self, number: signal.Signals) -> None:
        """Send a signal, with SIGKILL to all processes that it started."""
        self._zygote.send({"signal": int(number), "to": self._id})

    def close(self) -> None:
        """Nothing is held."""

    def told(self, answer: Mapping[str, int]) -> None:
        """Take what the zygote says of it."""
        self.pid = answer.get("pid", self.pid)
        if "code" in answer:
            self._code = answer["code"]
            self._ended.set()
        self._ready.set()

    def started(self) -> bool:
        """Wait for the fork; return whether there was one."""
        self._ready.wait()
        return self.pid != 0


class Zygote:
    """The launcher's end of `tuskbench.run.zygote`, which ends with this process.

    Args:
        root: the results folder, where `launch` is written.
        launch: what workers are told.
        device: `cpu` or `cuda`.
        environment: the zygote's; what libraries read on import has to be right in it.
    """

    def __init__(
        self, root: Path, launch: Launch, device: str, environment: Mapping[str, str]
    ) -> None:
        ours, theirs = socket.socketpair()
        self._control, self._lock = ours, threading.Lock()
        self._workers: dict[int, WarmWorker] = {}
        self._ids = itertools.count()
        self._process = subprocess.Popen(
            [*PYTHON, bootstrap.SERVE, str(launch.file(root)), str(theirs.fileno()), device],
            # The workers' standard input too: it closes with this process, however that ends.
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self._alive = True
        threading.Thread(target=self._listen, name="zygote", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Return whether it can be asked for workers."""
        return self._alive

    def fork(
        self, arguments: list[str], environment: Mapping[str, str], output: str, cell: Cell
    ) -> WarmWorker | None:
        """Start a worker; return None where that does not work.

        Args:
            arguments: as `tuskbench.run.bootstrap.parse` takes them.
            environment: of the worker.
            output: file that its standard output and error are appended to.
            cell: whose components, as far as they are of this package, are imported before.
        """
        with self._lock:
            worker = WarmWorker(self, next(self._ids))
            self._workers[worker._id] = worker
        self.send(
            {
                "fork": worker._id,
                "arguments": arguments,
                "environment": dict(environment),
                "output": output,
                "modules": _own_modules(cell),
            }
        )
        if not self._alive:
            self._lost()
        return worker if worker.started() else None

    def send(self, request: Mapping[str, Any]) -> None:
        """Ask for something; nothing happens where the zygote is gone."""
        line = json.dumps(request).encode() + b"\n"
        with self._lock, contextlib.suppress(OSError):
            self._control.sendall(line)

    def close(self) -> None:
        """End it, once its workers have."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _listen(self) -> None:
        """Hand out answers until the zygote is gone."""
        with self._control.makefile("r") as answers, contextlib.suppress(OSError, ValueError):
            for line in answers:
                answer = json.loads(line)
                worker = self._workers[answer["id"]]
                if "code" in answer:
                    del self._workers[answer["id"]]
                worker.told(answer)
        self._alive = False
        self._lost()

    def _lost(self) -> None:
        """End the workers of a zygote that is gone, for nobody will tell how they end."""
        while self._workers:
            with contextlib.suppress(KeyError):
                _, worker = self._workers.popitem()
                if worker.pid:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(worker.pid, signal.SIGKILL)
                worker.told({"code": -signal.SIGKILL})


def _own_modules(cell: Cell) -> list[str]:
    """Return the modules of this package that a cell's components are in."""
    own = registry.find("executor", "local").distribution
    modules = set()
    for key, version in cell.versions.items():
        kind, _, name = key.partition(" ")
        if version.partition(" ")[0] == own:
            modules |= {entry.module for entry in registry.entries(kind) if entry.name == name}
    return sorted(modules)
