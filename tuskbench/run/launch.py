"""How a worker process is started, so that it imports and computes what its launcher would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from tuskbench.digest import digest
from tuskbench.errors import StoreError
from tuskbench.run import bootstrap
from tuskbench.sources import Sources, sources
from tuskbench.store import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping

PYTHON = (sys.executable, "-P", bootstrap.__file__)
"""How the command line of every worker begins; what follows is for `bootstrap`."""


@dataclass(frozen=True)
class Launch:
    """What a launcher tells its workers.

    Attributes:
        path: the launcher's import path, absolute.
        sources: digests of the source files that the launcher sees.
    """

    path: list[str]
    sources: Sources

    @classmethod
    def here(cls) -> Self:
        """Return what this process would tell; made before the first cell, for all of them."""
        return cls([os.path.abspath(part) for part in sys.path], sources())  # noqa: PTH100

    @property
    def name(self) -> str:
        """Return the name of its file, which is a hash of the content."""
        return digest(self._text())

    def write(self, root: Path) -> None:
        """Keep it in the results folder, where workers on any machine read it.

        Raises:
            StoreError: if the folder cannot be written.
        """
        file = _file(root, self.name)
        if not file.exists():
            write_atomically(file, lambda path: path.write_text(self._text()))

    def file(self, root: Path) -> Path:
        """Return where `write` keeps it."""
        return _file(root, self.name)

    @classmethod
    def read(cls, root: Path, name: str) -> Self:
        """Return what `write` kept.

        Raises:
            StoreError: if it cannot be read or is damaged.
        """
        file = _file(root, name)
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(file, f"cannot be read: {error}") from error
        if digest(text) != name:
            raise StoreError(file, "the content is damaged")
        return cls(**json.loads(text))

    def _text(self) -> str:
        return json.dumps({"path": self.path, "sources": self.sources}, sort_keys=True)


def _file(root: Path, name: str) -> Path:
    return root / bootstrap.FOLDER / f"{name}.json"


def worker_command(
    root: Path,
    id: str,
    device: str,
    launch: Launch,
    *,
    timeout: float | None = None,
    attached: bool = False,
) -> list[str]:
    """Return the command line of the worker of one cell; `launch` and the cell must be written.

    The interpreter neither puts the current directory nor the script's own on its path.

    Args:
        root: the results folder.
        id: of the cell.
        device: `cpu`, `cuda:0`, or `cuda:0,1` for a cell on two GPUs.
        launch: what the launcher tells.
        timeout: seconds after which the cell fails.
        attached: whether the worker ends when its standard input does; see `start_worker`.
    """
    arguments = [str(root), id, device, "--launch", launch.name]
    if timeout is not None:
        arguments += ["--timeout", str(timeout)]
    return [*PYTHON, *arguments, "--attached"] if attached else [*PYTHON, *arguments]


def start_worker(
    root: Path,
    id: str,
    device: str,
    launch: Launch,
    *,
    timeout: float | None = None,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | int | None = None,
) -> subprocess.Popen[bytes]:
    """Start the worker of one cell on this machine; see `worker_command`.

    It checkpoints and ends when this process does: its standard input is a pipe that nothing is
    written to, and that closes with this process, however that ends.

    Args:
        root: the results folder.
        id: of the cell.
        device: as in `worker_command`.
        launch: what the launcher tells.
        timeout: seconds after which the cell fails.
        environment: of the worker; None for this process's own.
        output: what its standard output and error go to; None for this process's own.
    """
    return subprocess.Popen(
        worker_command(root, id, device, launch, timeout=timeout, attached=True),
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        env=None if environment is None else dict(environment),
        # A session of its own, so that the terminal's Ctrl-C reaches only the parent.
        start_new_session=True,
    )
