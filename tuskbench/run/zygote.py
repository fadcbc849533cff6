"""A process that has imported what workers need, and becomes one by forking.

It is started by `tuskbench.run.executors.warm` and asked through a socket, a JSON object a line:

    {"fork": 7, "arguments": [...], "environment": {...}, "output": "/tmp/x", "modules": [...]}
    {"signal": 15, "to": 7}

and answers `{"id": 7, "pid": 4711}` and, once that worker has ended, `{"id": 7, "code": 0}`. It has
one thread, for only then is a fork safe. Only modules of this package are imported ahead: what
others do on import reaches their own cells alone.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Zygote:
    """The processes that were forked, and the socket on which they are asked for."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}

    def serve(self) -> None:
        """Answer until the launcher is gone."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._pipe = (reader, writer)
        import selectors

        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(reader, selectors.EVENT_READ)
            self._selector = selector
            for request in self._requests(reader):
                self._answer(request)

    def _requests(self, woken: int) -> Iterator[dict[str, Any]]:
        """Yield requests; tell of children that have ended in between."""
        buffer = b""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj == woken:
                    os.read(woken, 4096)
                    self._reap()
                    continue
                received = self._control.recv(1 << 16)
                if not received:
                    return
                *lines, buffer = (buffer + received).split(b"\n")
                for line in lines:
                    yield json.loads(line)

    def _answer(self, request: dict[str, Any]) -> None:
        if "signal" in request:
            pid = self._children.get(request["to"])
            if pid is not None:
                _signal(pid, request["signal"])
            return
        _import(request["modules"])
        # Whatever is alive stays shared between the processes.
        gc.freeze()
        pid = os.fork()
        if pid == 0:
            self._become_worker(request)
        self._children[request["fork"]] = pid
        self._say({"id": request["fork"], "pid": pid})
        # It may have ended before it was listed.
        self._reap()

    def _reap(self) -> None:
        for id, pid in tuple(self._children.items()):
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                continue
            # While its number is still taken: its own processes must not outlive it.
            _signal(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            del self._children[id]
            self._say({"id": id, "code": os.waitstatus_to_exitcode(status)})

    def _say(self, answer: dict[str, int]) -> None:
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps(answer).encode() + b"\n")

    def _become_worker(self, request: dict[str, Any]) -> NoReturn:
        """Be the worker, as `tuskbench.run.bootstrap` makes one, and end."""
        code = 1
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._selector.close()
            self._control.close()
            for end in self._pipe:
                os.close(end)
            output = os.open(request["output"], os.O_WRONLY | os.O_APPEND)
            for standard in (1, 2):
                os.dup2(output, standard)
            os.close(output)
            os.environ.clear()
            os.environ.update(request["environment"])
            from tuskbench.run.bootstrap import compute

            code = compute(request["arguments"])
            sys.stdout.flush()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            # Without the zygote's own leave-taking.
            os._exit(code)


def _signal(pid: int, number: int) -> None:
    """Send a signal to a worker; one that ends it also to the processes that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if number == signal.SIGKILL:
            os.killpg(pid, number)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _import(modules: list[str]) -> None:
    for name in modules:
        # A module that cannot be imported is its cell's failure.
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def serve(descriptor: int, device: str) -> int:
    """Import what all workers need, then serve on a socket; return the exit code.

    Args:
        descriptor: of the socket.
        device: `cpu`, or `cuda`, which must not be used before a fork.
    """
    # The terminal's and the scheduler's are the launcher's business, and a child gets those that
    # come before it listens.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    import lightning_fabric  # noqa: F401 - for the workers

    from tuskbench import registry
    from tuskbench.run import (
        provenance,
        worker,  # noqa: F401 - for the workers
    )

    registry.entries()
    provenance.git_revision()
    provenance.processor()
    _Zygote(socket.socket(fileno=descriptor)).serve()
    return 0


def _warm_up(device: str) -> None:
    """Do once what every worker would."""
    import platform

    import lightning_fabric  # noqa: F401 - for the workers
    import pydantic  # noqa: F401 - for the workers

    from tuskbench import registry
    from tuskbench.cell import Training
    from tuskbench.run import provenance, worker  # noqa: F401 - for the workers
    from tuskbench.run.device import make_fabric
    from tuskbench.sources import sources

    sources()
    # What reads the source of components, and the source that they have in common.
    for kind, name in (("task", "mnist-hard"), ("system", "tusk")):
        registry.signature(kind, name)
    provenance.git_revision()
    provenance.processor()
    platform.platform()
    for name in provenance.LIBRARIES:
        provenance.library_version(name)
    if device == "cpu":
        make_fabric(device, Training())
