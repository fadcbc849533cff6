"""From layers of settings to a component with every setting filled in and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge

from tuskbench import registry
from tuskbench.cell import PRECISIONS, Training
from tuskbench.errors import (
    MOST_PROBLEMS,
    BrokenComponentError,
    SpecProblem,
    TuskbenchError,
    suggestion,
)
from tuskbench.registry.parameters import Parameter, Signature
from tuskbench.registry.rules import Rule, rules
from tuskbench.registry.values import WrongValueError, checked, is_json, is_table
from tuskbench.spec import locate

if TYPE_CHECKING:
    from tuskbench.spec.model import Spec

INHERITED = ("faithful_to",)
"""Settings of a system that are the defaults of its components' settings of that name."""


@dataclass(frozen=True)
class Given:
    """One value for one setting, and who gives it.

    Attributes:
        path: keys below the component that it is for.
        value: the value.
        place: key path in the spec's file; None for rules and defaults.
        origin: who else gives it: a default, a file of rules, `--set`; "" for the spec.
        optional: whether a component that lacks the setting ignores it.
        shared: whether it is meant for several cells, of which one must have the setting.
        key: the dotted key as it was given, where there is no place.
        components: for each part of `path`, the components that what stands below is for.
        rule: the rule that gives it and its keys there, if one does.
    """

    path: tuple[str, ...]
    value: Any
    place: locate.Path | None = None
    origin: str = ""
    optional: bool = False
    shared: bool = False
    key: str = ""
    components: tuple[tuple[str, ...], ...] = ()
    rule: tuple[Rule, tuple[str, ...]] | None = None

    def below(self, keys: int = 1) -> Given:
        """Return the same value, seen from the component `keys` levels down."""
        return replace(self, path=self.path[keys:], components=self.components[keys:])

    def items(self) -> list[Given]:
        """Return one value for every key of a table."""
        return [
            replace(
                self,
                path=(*self.path, *key.split(".")),
                value=value,
                place=None if self.place is None else (*self.place, key),
                key=f"{self.key}.{key}".strip("."),
            )
            for key, value in self.value.items()
        ]


def _training_parameters() -> tuple[Parameter, ...]:
    count = Annotated[int, Ge(1)]
    types: dict[str, tuple[str, Any]] = {
        "steps": ("Annotated[int, Ge(1)]", count),
        "batch_size": ("Annotated[int, Ge(1)]", count),
        "precision": (f"Literal{list(PRECISIONS)}", Literal[PRECISIONS]),
        "devices": ("Annotated[int, Ge(1)]", count),
    }
    defaults = Training()
    return tuple(
        Parameter(name, text, annotation, getattr(defaults, name))
        for name, (text, annotation) in types.items()
    )


TRAINING = Signature(doc="How long and how a cell trains.", parameters=_training_parameters())
"""The settings of `[training]`."""


@dataclass
class Findings:
    """Problems met while settings are resolved, each kept once.

    Attributes:
        spec: whose lines are given.
        problems: what is wrong whatever else is resolved.
        rejected: shared settings that some component lacks, by who gives them.
        accepted: who gives shared settings that some component has.
        sources: who gave each setting of the cell resolved last; defaults are not in it.
        defects: what is wrong with components of that cell whatever they are given.
    """

    spec: Spec
    problems: dict[SpecProblem, None] = field(default_factory=dict)
    rejected: dict[object, SpecProblem] = field(default_factory=dict)
    accepted: set[object] = field(default_factory=set)
    sources: dict[locate.Path, Given] = field(default_factory=dict)
    defects: list[str] = field(default_factory=list)
    _signatures: dict[tuple[str, str], Signature | str] = field(default_factory=dict)
    _rules: dict[tuple[str, str], tuple[Rule, ...]] = field(default_factory=dict)

    def add(self, given: Given | None, message: str, place: locate.Path = ()) -> None:
        """Note a problem at the place of `given`, or at `place` where nothing is given."""
        self.problems[self._problem(given, message, place)] = None

    def _problem(self, given: Given | None, message: str, place: locate.Path) -> SpecProblem:
        if given is not None and given.place is None:
            return SpecProblem(message, f"{given.origin}: {given.key}")
        where = given.place if given is not None and given.place is not None else place
        return SpecProblem(message, locate.dotted(where), self.spec.line(where))

    def reject(self, given: Given, message: str) -> None:
        """Note that a component lacks a setting."""
        problem = self._problem(given, message, ())
        if given.shared:
            self.rejected.setdefault(_giver(given), problem)
        else:
            self.problems[problem] = None

    def accept(self, given: Given) -> None:
        """Note that a component has a setting."""
        if given.shared:
            self.accepted.add(_giver(given))

    def all(self) -> list[SpecProblem]:
        """Return every problem, by line."""
        unused = [p for giver, p in self.rejected.items() if giver not in self.accepted]
        found: dict[object, SpecProblem] = {}
        for problem in [*self.problems, *unused]:
            # What is wrong with a key of the sweep is wrong for each of its values.
            key = re.sub(r"\[\d+\]$", "", problem.key)
            found.setdefault((problem.message, problem.line, key), problem)
        return sorted(found.values(), key=lambda problem: problem.line or 0)

    def signature(self, kind: str, name: str) -> Signature | str:
        """Return a component's signature, or the sentence on why it has none."""
        if (kind, name) not in self._signatures:
            self._signatures[kind, name] = _usable_signature(kind, name)
        return self._signatures[kind, name]

    def rules(self, kind: str, name: str) -> tuple[Rule, ...]:
        """Return the rules of a task or system; none where they cannot be read, which is noted."""
        if (kind, name) not in self._rules:
            self._rules[kind, name] = ()
            try:
                self._rules[kind, name] = rules(kind, name)
            except TuskbenchError as error:
                self.add(None, str(error), (kind,))
        return self._rules[kind, name]


def _giver(given: Given) -> object:
    return given.place or (given.origin, given.key)


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _usable_signature(kind: str, name: str) -> Signature | str:
    try:
        entry = registry.find(kind, name)
        if entry.reason:
            raise BrokenComponentError(kind, name, entry.distribution, entry.reason)
        return registry.signature(kind, name)
    except TuskbenchError as error:
        return str(error)


def resolve(
    kind: str, layers: Sequence[Given], findings: Findings, place: locate.Path
) -> dict[str, Any]:
    """Return a component's `name` and settings, JSON-ready, with defaults filled in.

    Args:
        kind: one of `registry.KINDS`.
        layers: settings, the later overriding the earlier.
        findings: where problems go; what is wrong is left out of the result.
        place: where in the file the component is, for what is missing.
    """
    named = [given for given in layers if given.path == ("name",)]
    if not named:
        names = ", ".join(sorted({entry.name for entry in registry.entries(kind)})) or "none"
        findings.add(None, f"missing; expected the name of {_a(kind)}: {names}", (*place, "name"))
        return {}
    name = named[-1].value
    if not isinstance(name, str):
        findings.add(named[-1], f"expected the name of {_a(kind)}, not {name!r}")
        return {}
    signature = findings.signature(kind, name)
    if isinstance(signature, str):
        findings.add(named[-1], signature)
        return {"name": name}
    findings.accept(named[-1])
    findings.sources[(*place, "name")] = named[-1]
    owner = f"{kind} {name!r}"
    settings = [given for given in layers if given.path and given.path != ("name",)]
    return {"name": name, **fill(owner, signature, settings, findings, place)}


def fill(
    owner: str,
    signature: Signature,
    layers: Sequence[Given],
    findings: Findings,
    place: locate.Path,
) -> dict[str, Any]:
    """Return the settings of a signature, checked, with defaults filled in."""
    by_key: dict[str, list[Given]] = {}
    for given in layers:
        by_key.setdefault(given.path[0], []).append(given)
    filled: dict[str, Any] = {}
    # Components inherit settings of their system, which therefore come first.
    for parameter in sorted(signature.parameters, key=lambda p: p.component_kind is not None):
        found = by_key.pop(parameter.name, [])
        here = (*place, parameter.name)
        if parameter.required and not found:
            findings.add(None, f"missing; {owner} needs it ({parameter.type_text})", here)
        elif parameter.component_kind is not None:
            inherited = _inherited(filled)
            filled[parameter.name] = _nested(parameter, inherited, found, findings, here)
        else:
            value = _value(parameter, found, findings, here)
            if not is_json(value):
                shown = f"{type(value).__name__}, which JSON does not have ({signature.source})"
                findings.defects.append(f"{owner}: the default of {parameter.name!r} is a {shown}")
                value = None
            filled[parameter.name] = value
    names = [parameter.name for parameter in signature.parameters]
    for key, unknown in by_key.items():
        for given in unknown:
            if signature.open:
                filled[key] = given.value
            elif not given.optional:
                # Looking for the nearest name takes time, and nobody reads so many.
                few = len(findings.problems) < MOST_PROBLEMS
                hint = _hint(owner, key, names) if few else ""
                findings.reject(given, f"{owner} has no parameter {key!r}{hint}")
    return filled


def _hint(owner: str, key: str, names: list[str]) -> str:
    if owner.startswith("system") and TRAINING.parameter(key):
        return f"; did you mean 'training.{key}'?"
    return suggestion(key, names)


def _inherited(settings: Mapping[str, Any]) -> list[Given]:
    # Without this, a component's own default would hide the side that its system is on.
    return [
        Given((key,), settings[key], origin=f"the system's {key}", optional=True, key=key)
        for key in INHERITED
        if key in settings
    ]


def _nested(
    parameter: Parameter,
    inherited: list[Given],
    found: list[Given],
    findings: Findings,
    place: locate.Path,
) -> dict[str, Any] | None:
    kind = parameter.component_kind or ""
    layers: list[Given] = []
    for given in found:
        if len(given.path) > 1:
            layers.append(given)
        elif isinstance(given.value, Mapping):
            layers.extend(given.items())
        else:
            shown = f'such as {{ name = "..." }}, not {given.value!r}'
            findings.add(given, f"expected a table with the name of {_a(kind)}, {shown}")
    layers = [given.below() for given in _meant(parameter, layers, findings)]
    if isinstance(parameter.default, Mapping):
        default = Given((), parameter.default, origin="default", optional=True).items()
        names = [given.value for given in layers if given.path == ("name",)]
        if names and names[-1] != parameter.default.get("name"):
            # Settings that the default gives to its component are not meant for another.
            default = []
        layers = [*default, *layers]
    elif not layers and not parameter.required:
        return None
    return resolve(kind, [*inherited, *layers], findings, place)


def _meant(parameter: Parameter, found: list[Given], findings: Findings) -> list[Given]:
    """Return what is given to a nested component, without what rules say of others."""
    default = parameter.default if isinstance(parameter.default, Mapping) else {}
    name = default.get("name")
    layers = [(given, given.components[0] if given.components else ()) for given in found]
    dropped = set()
    for at, (given, names) in enumerate(layers):
        if given.path[1:] == ("name",):
            if given.rule is not None and names and name not in names:
                dropped.add(at)
            else:
                name = given.value
    for at, (given, names) in enumerate(layers):
        if given.rule is None or given.path[1:] == ("name",):
            continue
        if not names:
            written = ".".join(given.rule[1])
            findings.add(given, f"{written} does not name its component, as in part[NAME].key")
        if name not in names:
            dropped.add(at)
    return [given for at, (given, _) in enumerate(layers) if at not in dropped]


def _value(parameter: Parameter, found: list[Given], findings: Findings, place: locate.Path) -> Any:
    value = parameter.default
    # A default outside its own type is the component's business.
    with suppress(WrongValueError):
        value = checked(parameter.annotation, value)
    for given in found:
        findings.accept(given)
        if len(given.path) > 1 and not is_table(parameter.annotation):
            where = f"{parameter.name!r} is no component and has no settings of its own"
            findings.add(given, f"{where}; expected a value")
            continue
        wanted = given.value
        for key in reversed(given.path[1:]):
            wanted = {key: wanted}
        if len(given.path) > 1 and isinstance(value, Mapping):
            wanted = {**value, **wanted}
        try:
            value = checked(parameter.annotation, wanted)
            findings.sources[place] = given
        except WrongValueError as error:
            findings.add(given, f"expected {error}, not {given.value!r}")
    return value
