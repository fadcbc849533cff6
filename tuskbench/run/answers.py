"""The process that asks components of other packages, for a launcher that must outlive them.

See `tuskbench.registry.apart`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from tuskbench import registry
from tuskbench.cell import Cell
from tuskbench.errors import (
    BrokenComponentError,
    ConfigurationError,
    DataMissingError,
    TuskbenchError,
)
from tuskbench.plan.facts import Facts, described

if TYPE_CHECKING:
    from collections.abc import Mapping


def serve() -> None:
    """Answer until the launcher is gone."""
    # The launcher's interrupt is the launcher's to handle: it ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What components print must not be taken for an answer, nor eat a question.
    questions, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    respondent = _Respondent()
    for line in questions:
        answer = respondent.answer(json.loads(line))
        sys.stdout.flush()
        text = json.dumps(answer, default=repr)
        os.write(answers, text.encode() + b"\n")
    # What components leave behind, such as threads, must not keep this process alive.
    os._exit(0)


class _Respondent:
    """Answers questions; has made what they are about."""

    def __init__(self) -> None:
        self._facts = Facts()
        self._preflight: Any = None

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        kind, name = question["kind"], question["name"]
        try:
            return {"value": self._value(question)}
        except ConfigurationError as error:
            fields = (error.component, error.parameter, error.value, error.expected)
            return {"configuration": {"fields": fields, "owner": error.owner}}
        except DataMissingError as error:
            return {"missing": (error.name, error.expected, error.remedy)}
        except BrokenComponentError as error:
            return {"broken": error.reason}
        except TuskbenchError as error:
            return {"error": str(error), "exit_code": error.exit_code}
        except BaseException as error:
            return {"broken": described(error, kind, name)}

    def _value(self, question: Mapping[str, Any]) -> Any:
        kind, name, what = question["kind"], question["name"], question["what"]
        if what == "load":
            registry.load(kind, name)
            return True
        if what == "preflight":
            from tuskbench.run.preflight import Preflight

            self._preflight = self._preflight or Preflight()
            self._preflight.cell(Cell.from_json(question["cell"]))
            return True
        return self._facts.ask(what, name, question["settings"])
