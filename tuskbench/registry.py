"""Components by kind and name: found in entry points without import, loaded on use."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import TYPE_CHECKING, Any, Self

from tuskbench import static
from tuskbench.errors import (
    BrokenComponentError,
    ConfigurationError,
    ConflictError,
    UnknownComponentError,
    suggestion,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tuskbench.signature import Signature

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

_TARGET = re.compile(r"[\w.]+:[\w.]+")


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


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@lru_cache(maxsize=8)
def _installed(key: tuple[str, ...]) -> tuple[Entry, ...]:
    found: dict[tuple[str, str, str], Entry] = {}
    for distribution in distributions():
        try:
            text = distribution.read_text("entry_points.txt") or ""
        except (OSError, UnicodeDecodeError):
            continue
        if "tuskbench." not in text:
            continue
        for entry in _of_distribution(distribution, text):
            # A distribution seen twice on the path is the one that Python would import.
            found.setdefault((entry.kind, entry.name, _normalized(entry.distribution)), entry)
    owners: dict[tuple[str, str], list[str]] = {}
    for entry in found.values():
        owners.setdefault((entry.kind, entry.name), []).append(entry.distribution)
    return tuple(
        replace(entry, packages=tuple(sorted(owners[entry.kind, entry.name])))
        for entry in found.values()
    )


def _of_distribution(distribution: Distribution, text: str) -> list[Entry]:
    owner, version = _identity(distribution)
    kinds = {group: kind for kind, group in GROUPS.items()}
    try:
        points = list(distribution.entry_points)
    except Exception as error:
        # Parsing is the standard library's, and fails in many ways on a damaged file.
        reason = f"its entry_points.txt cannot be parsed ({type(error).__name__})"
        broken = [kind for group, kind in kinds.items() if f"[{group}]" in text]
        return [Entry(kind, "?", "", owner, version, problem=reason) for kind in broken]
    return [
        _entry(kinds[point.group], point, owner, version)
        for point in points
        if point.group in kinds
    ]


def _entry(kind: str, point: EntryPoint, owner: str, version: str) -> Entry:
    value = re.sub(r"\s*\[.*\]\s*$", "", point.value).replace(" ", "")
    problem = ""
    if not _TARGET.fullmatch(value):
        problem = f"entry point {point.value!r} is not of the form module:attribute"
    return Entry(kind, point.name, value, owner, version, problem=problem)


def _identity(distribution: Distribution) -> tuple[str, str]:
    try:
        metadata = distribution.metadata
        return str(metadata["Name"] or "unknown"), str(metadata["Version"] or "unknown")
    except Exception:
        return "unknown", "unknown"


_registered: dict[tuple[str, str], tuple[Entry, type]] = {}


class Registration:
    """What `register` returns: call it, or leave its `with` block, to undo."""

    def __init__(self, undo: Callable[[], None]) -> None:
        """Take what undoes the registration."""
        self._undo = undo

    def __call__(self) -> None:
        """Undo the registration."""
        self._undo()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._undo()


def register(kind: str, name: str, cls: type) -> Registration:
    """Add a component for the life of this process, for notebooks and tests.

    A name registered before in this process is replaced.

    Raises:
        UnknownComponentError: if there is no such kind.
        ConflictError: if an installed package has the name.
    """
    _check_kind(kind)
    rivals = [e for e in _installed(static.path_key()) if (e.kind, e.name) == (kind, name)]
    if rivals:
        raise ConflictError(kind, name, [THIS_PROCESS, *(e.distribution for e in rivals)])
    target = f"{cls.__module__}:{cls.__qualname__}"
    entry = Entry(kind, name, target, THIS_PROCESS, _source_version(cls), (THIS_PROCESS,))
    before = _registered.get((kind, name))
    _registered[kind, name] = (entry, cls)
    _forget_signatures()

    def undo() -> None:
        if before is None:
            _registered.pop((kind, name), None)
        else:
            _registered[kind, name] = before
        _forget_signatures()

    return Registration(undo)


def _source_version(cls: type) -> str:
    # An edited notebook class must not find the records of its former self.
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        return str(getattr(cls, "version", "0"))
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def _forget_signatures() -> None:
    from tuskbench.signature import of_entry

    of_entry.cache_clear()


def _check_kind(kind: str) -> None:
    if kind not in GROUPS:
        raise UnknownComponentError("kind", kind, KINDS)


def entries(kind: str | None = None) -> list[Entry]:
    """Return every registered component, by kind and name, importing none.

    Raises:
        UnknownComponentError: if there is no such kind.
    """
    if kind is not None:
        _check_kind(kind)
    found = [*_installed(static.path_key()), *(entry for entry, _ in _registered.values())]
    chosen = [entry for entry in found if kind in (None, entry.kind)]
    return sorted(chosen, key=lambda e: (KINDS.index(e.kind), e.name, e.distribution))


def find(kind: str, name: str) -> Entry:
    """Return the entry of that kind and name.

    Raises:
        UnknownComponentError: if there is none.
        ConflictError: if two packages register it.
    """
    of_kind = entries(kind)
    found = [entry for entry in of_kind if entry.name == name]
    if not found:
        raise UnknownComponentError(kind, name, {entry.name for entry in of_kind})
    if len(found) > 1:
        raise ConflictError(kind, name, [entry.distribution for entry in found])
    return found[0]


def load(kind: str, name: str) -> type[Any]:
    """Import a component and return its class.

    Raises:
        UnknownComponentError: if there is none.
        ConflictError: if two packages register it.
        BrokenComponentError: if it cannot be imported.
    """
    entry = find(kind, name)
    return load_entry(entry)


def load_entry(entry: Entry) -> type[Any]:
    """Import what an entry names; see `load`."""
    if entry.distribution == THIS_PROCESS:
        return _registered[entry.kind, entry.name][1]
    try:
        if entry.problem:
            raise ImportError(entry.problem)
        found: Any = importlib.import_module(entry.module)
        for part in entry.attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split()) or "no message"
        text = f"{type(error).__name__}: {reason}"
        raise BrokenComponentError(entry.kind, entry.name, entry.distribution, text) from error
    if not isinstance(found, type):
        text = f"{entry.target} is not a class"
        raise BrokenComponentError(entry.kind, entry.name, entry.distribution, text)
    return found


def forget() -> None:
    """Drop what is remembered of installed packages, for those that install while running."""
    _installed.cache_clear()


def signature(kind: str, name: str) -> Signature:
    """Return what a component takes, needs and provides, from its source where there is one.

    Raises:
        UnknownComponentError, ConflictError, BrokenComponentError: as `load`.
    """
    from tuskbench.signature import of_entry

    return of_entry(find(kind, name))


def component_version(kind: str, name: str) -> str:
    """Return the version that cell ids hold: the component's own, or its package's."""
    entry = find(kind, name)
    return f"{entry.distribution} {signature(kind, name).version or entry.version}"


def build(kind: str, choice: Mapping[str, Any], *wired: Any) -> Any:
    """Load a component and make an instance.

    Args:
        kind: one of `KINDS`.
        choice: its `name` and its settings.
        wired: positional arguments that are not settings.

    Raises:
        ConfigurationError: if a setting is unknown, missing or of the wrong type.
        UnknownComponentError, ConflictError, BrokenComponentError: as `load`.
    """
    from tuskbench.values import coerce

    name = choice.get("name")
    if not isinstance(name, str):
        names = ", ".join(sorted({entry.name for entry in entries(kind)}))
        raise ConfigurationError(kind, "name", name, f"the name of one of: {names}")
    known = {p.name: p for p in signature(kind, name).parameters}
    is_open = signature(kind, name).open
    settings: dict[str, Any] = {}
    for key, value in choice.items():
        if key == "name":
            continue
        if key not in known and not is_open:
            expected = "a parameter of this component" + suggestion(key, known)
            raise ConfigurationError(f"{kind} {name}", key, value, expected)
        parameter = known.get(key)
        settings[key] = value if parameter is None else coerce(parameter, value, f"{kind} {name}")
    for parameter in known.values():
        if parameter.required and parameter.name not in settings:
            expected = f"a value ({parameter.type_text}); it has no default"
            raise ConfigurationError(f"{kind} {name}", parameter.name, None, expected)
    return load(kind, name)(*wired, **settings)
