"""Every error a user can cause: one family, each member one clear sentence.

An error carries its fields; the sentence is made here and nowhere else.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MOST_PROBLEMS = 50
"""Problems of one spec that are shown."""


class TuskbenchError(Exception):
    """The base of every error whose message is meant for a user, not a developer."""

    exit_code = 2


def nearest(name: str, choices: Iterable[str], least: float = 0.5) -> str | None:
    """Return the choice most like `name`, or None where none is as like as `least` in [0, 1]."""
    matches = difflib.get_close_matches(name, list(choices), n=1, cutoff=least)
    return matches[0] if matches else None


def suggestion(name: str, choices: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` where something is near, else the list of choices."""
    options = sorted(choices)
    match = nearest(name, options)
    if match:
        return f"; did you mean {match!r}?"
    if not options:
        return "; there are none"
    shown = ", ".join(options[:12]) + (
        f" and {len(options) - 12} more" if len(options) > 12 else ""
    )
    return f"; choose from {shown}"


class UnknownComponentError(TuskbenchError):
    """No component of that kind has that name."""

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        self.kind, self.name, self.choices = kind, name, sorted(choices)
        super().__init__(f"no {kind} is named {name!r}{suggestion(name, self.choices)}")


class BrokenComponentError(TuskbenchError):
    """A component is registered but cannot be loaded."""

    def __init__(self, kind: str, name: str, package: str, reason: str) -> None:
        self.kind, self.name, self.package, self.reason = kind, name, package, reason
        super().__init__(f"{kind} {name!r} of package {package} cannot be loaded: {reason}")


class ConflictError(TuskbenchError):
    """Two packages register the same kind and name."""

    def __init__(self, kind: str, name: str, packages: Iterable[str]) -> None:
        self.kind, self.name, self.packages = kind, name, sorted(packages)
        both = " and ".join(self.packages)
        super().__init__(f"{kind} {name!r} is registered by {both}; uninstall one of them")


class ConfigurationError(TuskbenchError):
    """A parameter's value cannot work.

    Attributes:
        component: whose parameter it is, in the author's words.
        parameter: dotted path of the parameter below its component, for the spec's key.
        owner: kind and name of the component that raised it, noted by who made that.
        cell: id of the cell that it was made for, noted likewise; "" where there is none.
    """

    owner: tuple[str, str] | None = None
    cell: str = ""

    def __init__(self, component: str, parameter: str, value: object, expected: str) -> None:
        self.component, self.parameter, self.value = component, parameter, value
        self.expected = expected
        super().__init__(f"{component}: {parameter} = {value!r}, but expected {expected}")


@dataclass(frozen=True)
class SpecProblem:
    """One thing wrong with a spec: where it is, what it is, what was expected."""

    message: str
    key: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.key}: {self.message}" if self.key else f"{place}{self.message}"


class SpecError(TuskbenchError):
    """A spec that cannot be used, with everything that is wrong with it."""

    def __init__(self, file: Path | str, problems: Iterable[SpecProblem]) -> None:
        self.file, self.problems = str(file), list(problems)
        shown = [f"{self.file}: {problem}" for problem in self.problems[:MOST_PROBLEMS]]
        if len(self.problems) > MOST_PROBLEMS:
            shown.append(f"{self.file}: and {len(self.problems) - MOST_PROBLEMS} problems more")
        super().__init__("\n".join(shown))


class DataMissingError(TuskbenchError):
    """Data that was asked for is not where it is looked for."""

    def __init__(self, name: str, expected: str, remedy: str) -> None:
        self.name, self.expected, self.remedy = name, expected, remedy
        super().__init__(f"data of {name} is missing: {expected}; {remedy}")


class DataFormatError(TuskbenchError):
    """A data file is truncated, damaged or of another format."""

    def __init__(self, file: Path | str, problem: str) -> None:
        self.file, self.problem = str(file), problem
        super().__init__(f"{file}: {problem}")


class WeightsMissingError(TuskbenchError):
    """Pretrained weights were asked for and cannot be had here."""

    def __init__(self, model: str, reason: str, remedy: str) -> None:
        self.model, self.reason, self.remedy = model, reason, remedy
        super().__init__(f"no pretrained weights for {model}: {reason}; {remedy}")


class StoreError(TuskbenchError):
    """The results folder cannot be read or written."""

    exit_code = 1

    def __init__(self, path: Path | str, problem: str) -> None:
        self.path, self.problem = str(path), problem
        super().__init__(f"{path}: {problem}")


class DamagedRecordError(StoreError):
    """A record's checksum does not match its content."""


class NewerRecordError(StoreError):
    """A record was written by a newer version of this program, which alone may change it."""


class SourceMismatchError(TuskbenchError):
    """A worker would compute with other code than its launcher planned with."""

    exit_code = 1

    def __init__(self, package: str, file: str, what: str) -> None:
        self.package, self.file = package, file
        super().__init__(
            f"the source of {package} {what} between the launcher and this worker: {file}; "
            "it was edited since, or the worker imports another copy; start the sweep again"
        )


class CellTimeoutError(TuskbenchError):
    """A cell took longer than it was given."""

    exit_code = 1

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            f"took longer than the {seconds:g} s of --cell-timeout; what it has saved is kept, "
            "and it goes on from there when it is run again"
        )


class UnknownPublishedTableError(TuskbenchError):
    """No packaged table of published numbers has that name."""

    def __init__(self, name: str, choices: Iterable[str]) -> None:
        self.name, self.choices = name, sorted(choices)
        super().__init__(f"no published table is named {name!r}{suggestion(name, self.choices)}")


class ResultsMissingError(TuskbenchError):
    """A folder holds no results to report; the exit code tells an empty folder from none."""

    def __init__(self, path: Path | str, problem: str, *, exists: bool) -> None:
        self.path, self.problem = str(path), problem
        self.exit_code = 3 if exists else 2
        super().__init__(f"{path}: {problem}")


class CheckpointMismatchError(TuskbenchError):
    """A whole checkpoint holds the state of another system than the one at hand."""

    exit_code = 1

    def __init__(self, path: Path | str, problem: str) -> None:
        self.path, self.problem = str(path), problem
        super().__init__(f"{path} does not fit the system: {problem}")


class NonFiniteLossError(TuskbenchError):
    """Training made a loss that is not a finite number."""

    exit_code = 1

    def __init__(self, name: str, value: float, step: int) -> None:
        self.name, self.value, self.step = name, value, step
        super().__init__(f"loss {name!r} became {value} at step {step}")


class ContractError(TuskbenchError):
    """A component hands on what its contract does not allow."""

    exit_code = 1

    def __init__(self, component: str, found: str, rule: str) -> None:
        self.component, self.found, self.rule = component, found, rule
        super().__init__(f"{component}: {found}, against its contract: {rule}")
