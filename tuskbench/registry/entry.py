"""One registered component, as its package's entry points tell it."""

from __future__ import annotations

from dataclasses import dataclass

from tuskbench.errors import UnknownComponentError
from tuskbench.registry import static

GROUPS = {
    "encoder": "tuskbench.encoders",
    "head": "tuskbench.heads",
    "decoder": "tuskbench.decoders",
    "regularizer": "tuskbench.regularizers",
    "reconstruction": "tuskbench.reconstructions",
    "system": "tuskbench.systems",
    "task": "tuskbench.tasks",
    "executor": "tuskbench.executors",
}
"""Entry-point group of every kind."""

KINDS = tuple(GROUPS)
"""The kinds of components."""

THIS_PROCESS = "this process"
"""The distribution shown for what `register` added."""


@dataclass(frozen=True)
class Entry:
    """One registered component.

    Attributes:
        kind: one of `KINDS`.
        name: name in specs.
        target: `module:attribute`.
        distribution: package that registers it.
        version: the package's version.
        packages: every package that registers the same kind and name.
        problem: what is wrong with the registration itself, or "".
    """

    kind: str
    name: str
    target: str
    distribution: str
    version: str
    packages: tuple[str, ...] = ()
    problem: str = ""

    @property
    def state(self) -> str:
        """Return `ok`, `broken` or `conflict`, from files alone."""
        if len(self.packages) > 1:
            return "conflict"
        return "broken" if self.reason else "ok"

    @property
    def reason(self) -> str:
        """Return what is wrong in one line, or ""."""
        if len(self.packages) > 1:
            return f"registered by {' and '.join(self.packages)}"
        if self.problem or self.distribution == THIS_PROCESS:
            return self.problem
        return _file_problem(self.target)

    @property
    def module(self) -> str:
        """Return the dotted name of the module."""
        return self.target.partition(":")[0]

    @property
    def attribute(self) -> str:
        """Return the attribute of the module."""
        return self.target.partition(":")[2]


def _file_problem(target: str) -> str:
    module_name, _, attribute = target.partition(":")
    try:
        module = static.read_module(module_name)
        missing = static.missing_import(module)
        if missing:
            return missing
        if attribute.partition(".")[0] not in static.bindings(module):
            return f"{module.file.name} has no {attribute!r}"
    except static.StaticError as error:
        spec = static.find_module(module_name)
        compiled = spec is not None and spec.origin and not spec.origin.endswith(".py")
        return "" if compiled else str(error)
    return ""


def check_kind(kind: str) -> None:
    """Raise `UnknownComponentError` if there is no such kind."""
    if kind not in GROUPS:
        raise UnknownComponentError("kind", kind, KINDS)
