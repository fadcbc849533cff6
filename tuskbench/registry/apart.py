"""A process of its own for what packages of others do, which may end it and nothing else.

It is asked a JSON object a line, and answers in kind; `tuskbench.run.answers` is its other end.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any, Self

from tuskbench.errors import (
    BrokenComponentError,
    ConfigurationError,
    DataMissingError,
    TuskbenchError,
)
from tuskbench.registry.entry import THIS_PROCESS
from tuskbench.registry.lookup import find

if TYPE_CHECKING:
    from tuskbench.registry.entry import Entry

# With the import path of the launcher, which may not be that of the command line.
_SERVE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from tuskbench.run.answers import serve; serve()"
)


def is_foreign(entry: Entry) -> bool:
    """Return whether a component is neither of this package nor of this process."""
    return entry.distribution not in ("tuskbench", THIS_PROCESS)


class Apart:
    """Asks a process that is started by the first question, and again after it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._broken: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._ended()

    def ask(self, what: str, kind: str, name: str, **arguments: Any) -> Any:
        """Return the answer to a question on a component, a JSON value.

        Raises:
            BrokenComponentError: if the component raises or ends the process.
            ConfigurationError, DataMissingError, TuskbenchError: as the component does.
        """
        question = json.dumps({"what": what, "kind": kind, "name": name, **arguments})
        if question not in self._broken:
            answer = self._answer(question)
            if "value" in answer:
                return answer["value"]
            _raise_user_error(answer)
            self._broken[question] = answer["broken"]
        package = find(kind, name).distribution
        raise BrokenComponentError(kind, name, package, self._broken[question])

    def _answer(self, question: str) -> dict[str, Any]:
        stdin, stdout = self._pipes()
        try:
            stdin.write(question + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if line.endswith("\n"):
            answer: dict[str, Any] = json.loads(line)
            return answer
        return {"broken": f"it ended the process that asked for it {_how(self._ended())}"}

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVE, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    def _ended(self) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        # What it started may hold the other ends.
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        return process.wait()


def _how(code: int) -> str:
    if code < 0:
        return f"by signal {-code} ({signal.Signals(-code).name})"
    return f"with exit code {code}"


def _raise_user_error(answer: dict[str, Any]) -> None:
    if "configuration" in answer:
        given = answer["configuration"]
        error = ConfigurationError(*given["fields"])
        error.owner = tuple(given["owner"]) if given["owner"] else None
        raise error
    if "missing" in answer:
        raise DataMissingError(*answer["missing"])
    if "error" in answer:
        other = TuskbenchError(answer["error"])
        other.exit_code = answer["exit_code"]
        raise other
