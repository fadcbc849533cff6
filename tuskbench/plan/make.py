"""From a spec to cells: their ids, what is stored already, what is skipped and why, the cost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuskbench import registry
from tuskbench.cell import Cell
from tuskbench.errors import (
    SpecError,
    SpecProblem,
    TuskbenchError,
    suggestion,
)
from tuskbench.names import RULE, is_name
from tuskbench.plan.model import Plan, PlannedCell
from tuskbench.plan.needs import provided
from tuskbench.plan.past import Past, address, changes
from tuskbench.plan.tasks import TaskPool
from tuskbench.registry.apart import Apart
from tuskbench.registry.rules import BUDGETS, rules
from tuskbench.spec import limits
from tuskbench.spec.layers import Resolved, resolve_cell
from tuskbench.spec.model import Row, Spec
from tuskbench.spec.resolve import Findings
from tuskbench.store import Status


def default_budget() -> str:
    """Return `gpu` where the machine has an NVIDIA GPU, else `cpu`, without importing torch."""
    found = Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None
    return "gpu" if found else "cpu"


def make_plan(
    spec: Spec,
    *,
    budget: str | None,
    out: Path,
    seeds: Sequence[int] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Plan:
    """Return every cell of a spec under a budget, compared with what is stored.

    Args:
        spec: the spec.
        budget: name of a budget; None for `default_budget()`.
        out: the results folder, which need not exist.
        seeds: seeds in place of the spec's.
        overrides: dotted keys and values that override the spec.

    Raises:
        SpecError: if a setting cannot be resolved, the budget is unknown, or data that a task
            asks for is not there, if the task says so when asked for its source.
        DataMissingError: if another task's data is not there.
        StoreError: if the results folder cannot be read.
    """
    budget = default_budget() if budget is None else budget
    with Apart() as apart:
        tasks = TaskPool(Findings(spec), apart)
        return _made(spec, budget, out, seeds, overrides or {}, tasks)


def _made(
    spec: Spec,
    budget: str,
    out: Path,
    seeds: Sequence[int] | None,
    overrides: Mapping[str, Any],
    tasks: TaskPool,
) -> Plan:
    findings = tasks.findings
    chosen = list(dict.fromkeys(spec.seeds if seeds is None else seeds))
    _check_size(spec, budget, chosen)
    resolved = [
        (task, row, _resolved(spec, task, row, budget, findings, tasks, overrides))
        for task in spec.tasks
        for row in spec.rows()
    ]
    _check_budget(spec, budget)
    if findings.all():
        raise SpecError(spec.file, findings.all())
    warnings: list[str] = []
    past = Past(out, warnings)
    metrics = {task: tasks.metrics(task) for task in spec.tasks}
    cells = [
        _planned(_cell(task, row, settings, seed, budget, tasks), row, settings, past, tasks)
        for task, row, settings in resolved
        for seed in chosen
    ]
    return Plan(spec, budget, chosen, cells, metrics, warnings, overrides)


def _resolved(
    spec: Spec,
    task: str,
    row: Row,
    budget: str,
    findings: Findings,
    tasks: TaskPool,
    overrides: Mapping[str, Any],
) -> Resolved:
    first = resolve_cell(spec, task, row, budget, findings, overrides=overrides)
    if findings.problems or first.broken:
        return first
    # Rules may depend on the data in use, which only the task can tell.
    source = tasks.source_key(task, first.task) if tasks.make(task, first.task) else None
    if source is None:
        return first
    second = resolve_cell(spec, task, row, budget, findings, source=source, overrides=overrides)
    if not second.broken:
        tasks.make(task, second.task)
    return second


def _check_size(spec: Spec, budget: str, seeds: Sequence[int]) -> None:
    """Refuse before anything is expanded; the command line may give other seeds and budgets."""
    if not is_name(budget):
        message = f"{budget!r:.60}, but a budget's name may hold only {RULE}"
        raise SpecError(spec.file, [SpecProblem(message, "budget")])
    try:
        limits.check_seeds(seeds)
        cells = len(spec.tasks) * len(seeds)
        limits.check_cells(len(spec.document.variant) or 1, spec.sweep, cells)
    except limits.LimitError as error:
        raise SpecError(spec.file, [SpecProblem(str(error))]) from None


def _check_budget(spec: Spec, budget: str) -> None:
    known = {*BUDGETS, *spec.document.budget}
    names = {variant.system.get("name") for variant in spec.document.variant if variant.system}
    for kind, owners in (("task", spec.tasks), ("system", {*names, _system(spec)})):
        for owner in owners:
            try:
                known |= {rule.budget for rule in rules(kind, str(owner)) if rule.budget}
            except TuskbenchError:
                continue
    if budget not in known:
        message = f"no budget is named {budget!r}{suggestion(budget, known)}"
        raise SpecError(spec.file, [SpecProblem(message, "budget")])


def _system(spec: Spec) -> Any:
    return spec.document.system.get("name")


def _cell(task: str, row: Row, settings: Resolved, seed: int, budget: str, tasks: TaskPool) -> Cell:
    facts = ("", "", "") if settings.broken else tasks.data(task, settings.task)
    fingerprint, source, protocol = facts
    return Cell(
        task=task,
        task_settings=settings.task,
        system=settings.system,
        training=settings.training,
        seed=seed,
        budget=budget,
        protocol=protocol,
        versions=dict(_versions(task, settings.system)),
        data_fingerprint=fingerprint,
        data_source=source,
        variant=row.label,
    )


def _versions(task: str, system: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield f"task {task}", registry.component_version("task", task)
    yield from _component_versions("system", system)


def _component_versions(kind: str, choice: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name = choice["name"]
    yield f"{kind} {name}", registry.component_version(kind, name)
    for parameter in registry.signature(kind, name).parameters:
        value = choice.get(parameter.name)
        if parameter.component_kind is not None and isinstance(value, Mapping):
            yield from _component_versions(parameter.component_kind, value)


def _planned(cell: Cell, row: Row, settings: Resolved, past: Past, tasks: TaskPool) -> PlannedCell:
    broken = settings.broken or tasks.broken(cell.task, settings.task)
    state, reason, changed = ("broken", broken, []) if broken else _state(cell, settings, past)
    estimate = None if state in ("cached", "skipped", "broken") else past.estimate(cell)
    variant = row.variant
    return PlannedCell(
        cell,
        state,
        reason,
        changed,
        estimate,
        variant.published_row,
        variant.note,
        settings.origins,
    )


def _state(cell: Cell, settings: Resolved, past: Past) -> tuple[str, str, list[str]]:
    system = str(cell.system["name"])
    missing = set(registry.signature("task", cell.task).needs)
    missing -= provided("system", cell.system)
    if missing:
        lacking = ", ".join(sorted(missing))
        return "skipped", f"{system} does not provide {lacking}, which {cell.task} needs", []
    if not settings.budget_defined:
        undefined = f"budget {cell.budget!r} is defined neither by the spec nor for {cell.task}"
        return "skipped", f"{undefined} and {system}", []
    if cell.id in past.newer:
        return "skipped", f"its record {past.newer[cell.id]}", []
    record = past.by_id.get(cell.id)
    if record is not None and record.status is Status.DONE:
        return "cached", "", []
    if record is not None and record.status is Status.FAILED:
        why = record.failure
        return "failed", f"{why['exception']}: {why['message']}" if why else "", []
    _, former = past.by_address.get(address(cell), ("", None))
    if former is None:
        return "new", "", []
    changed = changes(former, cell)
    shown = [f"{path}: {before} -> {after}" for path, (before, after) in changed.items()]
    return "stale", "; ".join(shown), list(changed)
