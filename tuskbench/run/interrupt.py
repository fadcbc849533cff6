"""Stopping in good order: a flag that signals, a lost launcher and a time limit raise."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from typing import NoReturn

from tuskbench.errors import ConfigurationError

EXIT_STORE, EXIT_INTERRUPTED, EXIT_TIMEOUT = 74, 75, 76
"""How a worker process ends that could not write, was asked to stop (see sysexits.h), or hung
beyond its time limit."""

GRACE_SECONDS = 60.0
"""Time between a request to stop and the end of a worker that does not, unless
$TUSKBENCH_GRACE_SECONDS says otherwise."""

# A batch scheduler signals launcher and worker at once, and then the launcher its workers: what
# comes within this time of the first signal is the same request.
_SAME_REQUEST_SECONDS = 2.0
# What a thread cannot end, because some library holds the interpreter, ends so much later.
_HELD_SECONDS = 5.0


class Interrupted(Exception):  # noqa: N818 - an outcome, not an error
    """A cell was asked to stop; its checkpoint holds how far it had come."""


def seconds_from(variable: str, default: float) -> float:
    """Return the number of seconds in an environment variable.

    Raises:
        ConfigurationError: if it is no number.
    """
    given = os.environ.get(variable, default)
    try:
        return float(given)
    except ValueError as error:
        raise ConfigurationError("environment", variable, given, "a number of seconds") from error


def grace() -> float:
    """Return the seconds that a worker has between a request to stop and its end."""
    return seconds_from("TUSKBENCH_GRACE_SECONDS", GRACE_SECONDS)


class StopFlag:
    """Says when a cell should checkpoint and stop."""

    def __init__(self) -> None:
        self._raised = False
        self._deadline = float("inf")

    def raise_(self) -> None:
        """Ask for a stop."""
        self._raised = True

    def limit(self, seconds: float) -> None:
        """Ask for a stop so many seconds from now."""
        self._deadline = time.monotonic() + seconds

    @property
    def expired(self) -> bool:
        """Return whether the time limit is over."""
        return time.monotonic() >= self._deadline

    def __call__(self) -> bool:
        """Return whether a stop is asked for."""
        return self._raised or self.expired

    def check(self) -> None:
        """Raise `Interrupted` where a stop is asked for."""
        if self():
            raise Interrupted


class WorkerStop(StopFlag):
    """The flag of a worker process, which ends the process where it is not looked at.

    Threads raise it, so that a library that keeps the main thread busy cannot hold it up.

    Attributes:
        working: whether there may be something to save; before, a request ends the process.
    """

    def __init__(self) -> None:
        super().__init__()
        self.working = False
        self._grace = grace()
        self._asked = 0.0

    def raise_(self) -> None:
        """Ask for a stop, and end the process after a grace period."""
        if not self.working:
            os._exit(EXIT_INTERRUPTED)
        if not self._raised:
            self._raised, self._asked = True, time.monotonic()
            _end_in(self._grace, EXIT_INTERRUPTED)

    def limit(self, seconds: float) -> None:
        """Ask for a stop so many seconds from now; end the process a grace period later."""
        super().limit(seconds)
        _end_in(seconds + self._grace, EXIT_TIMEOUT)

    def on_signals(self) -> None:
        """Let SIGTERM and SIGINT raise the flag; a second one ends the process."""
        numbers = (signal.SIGTERM, signal.SIGINT)
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        for number in numbers:
            # With a handler of Python's, the number is written to the pipe at once.
            signal.signal(number, lambda number, frame: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

        def listen() -> None:
            while received := os.read(reader, 1):
                if received[0] in numbers:
                    self._on_signal()

        threading.Thread(target=listen, name="signals", daemon=True).start()

    def on_end_of_input(self) -> None:
        """Let the end of standard input, a pipe that the launcher holds, raise the flag."""
        sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - nobody else shall wait for input

        def listen() -> None:
            while os.read(0, 1024):
                pass
            self.raise_()

        threading.Thread(target=listen, name="launcher", daemon=True).start()

    def _on_signal(self) -> None:
        if self._raised and time.monotonic() - self._asked > _SAME_REQUEST_SECONDS:
            _end(EXIT_INTERRUPTED)
        self.raise_()


def _end_in(seconds: float, code: int) -> None:
    timer = threading.Timer(seconds, _end, [code])
    timer.daemon = True
    timer.start()
    faulthandler.dump_traceback_later(seconds + _HELD_SECONDS, exit=True)


def _end(code: int) -> NoReturn:
    # Where it hung is told in what the launcher keeps of its last words.
    faulthandler.dump_traceback()
    os._exit(code)
