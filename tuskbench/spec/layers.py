"""The layers of settings of one cell, from defaults to the command line, in their order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuskbench.cell import Training
from tuskbench.registry.rules import PREFIXES, Rule
from tuskbench.spec.model import LABEL
from tuskbench.spec.origins import origins
from tuskbench.spec.resolve import INHERITED, TRAINING, Findings, Given, fill, resolve

if TYPE_CHECKING:
    from tuskbench.spec import locate
    from tuskbench.spec.model import Row, Spec
    from tuskbench.spec.origins import Origin


@dataclass(frozen=True)
class Resolved:
    """The settings of a cell, JSON-ready.

    Attributes:
        task: the task's settings.
        system: the system's `name` and settings.
        training: see `Training`.
        budget_defined: whether the spec or a rule says what the budget is.
        origins: who gave each setting, by its dotted key; see `spec.origins`.
        broken: what is wrong with a component whatever it is given, or "".
    """

    task: dict[str, Any]
    system: dict[str, Any]
    training: Training
    budget_defined: bool
    origins: Mapping[str, Origin]
    broken: str = ""


def resolve_cell(
    spec: Spec,
    task: str,
    row: Row,
    budget: str,
    findings: Findings,
    *,
    source: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Resolved:
    """Return the settings of one task, row and budget; problems go to `findings`.

    Args:
        spec: the spec.
        task: name of one of its tasks.
        row: one of its rows.
        budget: name of the budget.
        findings: where problems go.
        source: key of the task's data source, for rules that depend on it.
        overrides: dotted keys and values that override everything else.
    """
    findings.sources, findings.defects = {}, []
    base = list(_base(spec, task, row))
    late = list(_late(spec, row, budget, overrides or {}))
    system = _last_name([*base, *late])
    matching = [
        rule
        for rule in _rules(task, system, findings)
        if rule.matches(task, system or "", budget, source)
    ]
    chosen = set(_chosen_sides([*base, *late]))
    said = set(_leaves(base))
    layers = [
        *(g for rule in matching if rule.budget is None for g in _of_rule(rule, chosen)),
        *base,
        *(g for rule in matching if rule.budget is not None for g in _of_rule(rule, chosen, said)),
        *late,
    ]
    settings = _of_task(spec, task, layers, findings)
    place: locate.Path = ("system",)
    if row.index is not None and row.variant.system is not None:
        place = ("variant", row.index, "system")
    training = fill("[training]", TRAINING, _under("training", layers), findings, ("training",))
    defined = budget == "paper" or budget in spec.document.budget
    system_settings = resolve("system", _under("system", layers), findings, place)
    places = {"task": ("task", task), "system": place, "training": ("training",)}
    return Resolved(
        settings,
        system_settings,
        Training(**training),
        defined or any(rule.budget == budget for rule in matching),
        origins(spec, places, findings.sources),
        "; ".join(dict.fromkeys(findings.defects)),
    )


def _of_task(spec: Spec, task: str, layers: list[Given], findings: Findings) -> dict[str, Any]:
    place: locate.Path = ("task", task)
    signature = findings.signature("task", task)
    if isinstance(signature, str):
        findings.add(None, signature, place)
        return {}
    return fill(f"task {task!r}", signature, _under("task", layers), findings, place)


def _under(prefix: str, layers: Sequence[Given]) -> list[Given]:
    return [given.below() for given in layers if given.path[0] == prefix]


def _last_name(layers: list[Given]) -> str | None:
    names = [given.value for given in layers if given.path == ("system", "name")]
    return names[-1] if names and isinstance(names[-1], str) else None


def _rules(task: str, system: str | None, findings: Findings) -> Iterator[Rule]:
    for kind, name in (("task", task), ("system", system)):
        # What is wrong with the component itself is said where it is named.
        if name is None or isinstance(findings.signature(kind, name), str):
            continue
        yield from findings.rules(kind, name)


def _of_rule(
    rule: Rule, chosen: set[tuple[str, ...]], said: Collection[tuple[str, ...]] = ()
) -> Iterator[Given]:
    for setting in rule.settings:
        path = setting.path
        # What the spec says gives way only to a rule that names whom it is for.
        if path in said and not rule.means(setting):
            continue
        # A side that the spec takes reaches all components below, whatever a rule says of one.
        if path[-1] in INHERITED and any(path[:keys] in chosen for keys in range(len(path))):
            continue
        yield Given(
            path,
            setting.value,
            origin=rule.origin,
            optional=True,
            key=".".join(path),
            components=setting.components,
            rule=(rule, setting.written),
        )


def _leaves(layers: Iterable[Given]) -> Iterator[tuple[str, ...]]:
    for given in layers:
        if isinstance(given.value, Mapping):
            yield from _leaves(given.items())
        yield given.path


def _chosen_sides(layers: Sequence[Given]) -> Iterator[tuple[str, ...]]:
    """Yield the path of every component for which a setting in `INHERITED` is given."""
    for given in layers:
        if isinstance(given.value, Mapping):
            yield from _chosen_sides(given.items())
        elif given.path[-1] in INHERITED:
            yield given.path[:-1]


def _base(spec: Spec, task: str, row: Row) -> Iterator[Given]:
    document = spec.document
    yield from Given(("task",), document.task[task], ("task", task)).items()
    if row.index is not None and row.variant.system is not None:
        place: locate.Path = ("variant", row.index, "system")
        yield from Given(("system",), row.variant.system, place).items()
    else:
        yield from Given(("system",), document.system, ("system",)).items()
    yield from Given(("training",), document.training, ("training",)).items()


def _late(spec: Spec, row: Row, budget: str, overrides: Mapping[str, Any]) -> Iterator[Given]:
    several = len(spec.tasks) > 1
    table = spec.document.budget.get(budget, {})
    yield from prefixed(Given((), table, ("budget", budget), shared=True))
    for given in prefixed(Given((), row.variant.set, ("variant", row.index or 0, "set"))):
        yield _for_tasks(given, several)
    for key, position in row.point:
        place, value = (*spec.places[key], position), spec.sweep[key][position]
        if isinstance(value, Mapping):
            value = {name: each for name, each in value.items() if name != LABEL}
        for given in _prefixed_path(Given(tuple(key.split(".")), value, place)):
            yield _for_tasks(given, several)
    yield from prefixed(Given((), dict(overrides), origin="--set", shared=True))


def _for_tasks(given: Given, several: bool) -> Given:
    # Of several tasks, those that lack a setting of the others do without it.
    if not several or given.path[0] != "task":
        return given
    return replace(given, shared=True)


def prefixed(table: Given) -> Iterator[Given]:
    """Yield a table's keys, each beginning with one of the three prefixes.

    A key without one is the system's.
    """
    for given in table.items():
        yield from _prefixed_path(given)


def _prefixed_path(given: Given) -> Iterator[Given]:
    bare = len(given.path) == 1
    if given.path[0] in PREFIXES and bare and isinstance(given.value, Mapping):
        yield from given.items()
    elif given.path[0] in PREFIXES and not bare:
        yield given
    else:
        # A bare prefix with a plain value comes here too: the system has no such setting.
        yield replace(given, path=("system", *given.path))
