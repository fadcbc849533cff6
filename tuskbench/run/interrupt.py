"""Stopping in good order: a flag that signals and a lost parent raise."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


class Interrupted(Exception):  # noqa: N818 - an outcome, not an error
    """A cell was asked to stop; its checkpoint holds how far it had come."""


class StopFlag:
    """Says when a worker should checkpoint and stop.

    Args:
        watch_parent: also stop when the process that started this one is gone.
    """

    def __init__(self, watch_parent: bool = False) -> None:
        self._parent = os.getppid() if watch_parent else None
        self._raised = False

    def raise_(self) -> None:
        """Ask for a stop."""
        self._raised = True

    def __call__(self) -> bool:
        """Return whether a stop is asked for."""
        orphaned = self._parent is not None and os.getppid() != self._parent
        return self._raised or orphaned

    def check(self) -> None:
        """Raise `Interrupted` where a stop is asked for."""
        if self():
            raise Interrupted

    def on_signals(self) -> None:
        """Let SIGTERM and SIGINT raise the flag in place of ending the process."""

        def handle(number: int, frame: FrameType | None) -> None:
            self.raise_()

        signal.signal(signal.SIGTERM, handle)
        signal.signal(signal.SIGINT, handle)
