"""Reading a spec: every problem at once, each with its line and the nearest right name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from tuskbench import registry
from tuskbench.errors import (
    MOST_PROBLEMS,
    SpecError,
    SpecProblem,
    TuskbenchError,
    suggestion,
)
from tuskbench.names import RULE, is_name, is_utf8
from tuskbench.registry.apart import Apart, is_foreign
from tuskbench.spec import limits, locate
from tuskbench.spec.layers import resolve_cell
from tuskbench.spec.model import (
    LABEL,
    WANTED,
    Document,
    Row,
    Spec,
    TableLayout,
    Variant,
    shown_value,
)
from tuskbench.spec.published import published_tables
from tuskbench.spec.resolve import Findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MODELS: Mapping[str, type[BaseModel]] = {"variant": Variant, "table": TableLayout}


def load(path: Path | str) -> Spec:
    """Read and check a spec.

    Raises:
        SpecError: with everything that is wrong with it.
    """
    path = Path(path)
    text = _text(path)
    content = _parsed(path, text)
    lines = locate.locate(text)
    document, problems = _document(path, content, lines)
    sweep, places = _sweep(document.sweep, ("sweep",))
    spec = Spec(path, document, sweep, places, lines)
    findings = Findings(spec)
    for check in (_size, _names, _labels, _sweep_values, _published, _columns):
        check(spec, findings)
    if not any(problem.key.startswith(("sweep", "seeds")) for problem in findings.problems):
        _components(spec, findings)
    problems += findings.all()
    if problems:
        raise SpecError(path, sorted(problems, key=_line))
    return spec


def _text(path: Path) -> str:
    if not is_utf8(str(path)):
        raise SpecError(ascii(str(path))[1:-1], [SpecProblem("its name is not UTF-8")])
    try:
        with path.open("rb") as stream:
            content = stream.read(limits.LARGEST_FILE + 1)
        if len(content) <= limits.LARGEST_FILE:
            # As files opened for text: any line end is a line feed.
            return content.decode("utf-8-sig").replace("\r\n", "\n")
        size = limits.LARGEST_FILE >> 10
        problem = f"it is larger than {size} KiB, the largest spec that is read"
    except FileNotFoundError:
        problem = "there is no such file"
        siblings = [other.name for other in path.parent.glob("*.toml")]
        if siblings:
            problem += suggestion(path.name, siblings)
    except UnicodeDecodeError:
        problem = "it is not UTF-8 text"
    except OSError as error:
        problem = f"it cannot be read ({error.strerror})"
    except ValueError as error:
        problem = f"it cannot be read ({error})"
    raise SpecError(path, [SpecProblem(problem)])


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        content = limits.parse(text)
    except tomllib.TOMLDecodeError as error:
        match = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", str(error), re.DOTALL)
        if match:
            message = f"not valid TOML: {match[1]}, column {match[3]}"
            problem = SpecProblem(message, line=int(match[2]))
        else:
            end = len(text.splitlines()) or 1
            problem = SpecProblem(f"not valid TOML: {error}", line=end)
        raise SpecError(path, [problem]) from None
    except limits.LimitError as error:
        raise SpecError(path, [SpecProblem(str(error))]) from None
    if not content:
        wanted = "a spec needs at least title, seeds, [task.NAME] and [system]"
        raise SpecError(path, [SpecProblem(f"the file is empty; {wanted}")])
    return content


def _document(
    path: Path, content: dict[str, Any], lines: dict[locate.Path, int]
) -> tuple[Document, list[SpecProblem]]:
    """Return the document and what is wrong with its structure, which is left out of it.

    Raises:
        SpecError: if too little is left to check the rest.
    """
    try:
        return Document.model_validate(content), []
    except ValidationError as error:
        found: dict[SpecProblem, None] = {}
        places = []
        faults = error.errors(include_url=False)
        for each in faults[:MOST_PROBLEMS]:
            message = _message(each["type"], each["loc"], each["input"])
            line = locate.nearest_line(lines, each["loc"])
            found[SpecProblem(message, locate.dotted(each["loc"]), line)] = None
            places.append(each["loc"])
    problems = sorted(found, key=_line)
    if len(faults) > MOST_PROBLEMS:
        problems.append(SpecProblem(f"and {len(faults) - MOST_PROBLEMS} problems more"))
        raise SpecError(path, problems)
    try:
        return Document.model_validate(_without(content, places)), problems
    except ValidationError:
        raise SpecError(path, problems) from None


def _without(content: dict[str, Any], places: list[locate.Path]) -> dict[str, Any]:
    """Return the content with the keys at fault left out, or a stand-in where one is required."""
    repaired = deepcopy(content)
    for number, place in enumerate(places):
        parent: Any = repaired
        keys = [key for key in place if isinstance(key, str)]
        try:
            for key in place[: place.index(keys[-1])]:
                parent = parent[key]
        except KeyError:
            # It went with a table around it that is at fault too.
            continue
        parent.pop(keys[-1], None)
        stand_in = {"title": "-", "seeds": [0], "label": f"unnamed variant {number}"}
        if keys[-1] in stand_in:
            parent[keys[-1]] = stand_in[keys[-1]]
    return repaired


def _line(problem: SpecProblem) -> int:
    return problem.line or 0


def _message(kind: str, place: locate.Path, value: object) -> str:
    names = [part for part in place if isinstance(part, str)]
    if kind == "extra_forbidden":
        model = _MODELS.get(names[0], Document) if len(names) > 1 else Document
        return f"unknown key{suggestion(names[-1], model.model_fields)}"
    model = _MODELS.get(names[0], Document) if len(names) > 1 else Document
    known = [name for name in names if name in WANTED and name in model.model_fields]
    wanted = WANTED[known[-1]] if known else WANTED[names[0]]
    if len(names) == 2 and names[0] in ("task", "budget"):
        wanted = f"a table [{names[0]}.{names[1]}]"
    if kind == "missing":
        return f"missing; expected {wanted}"
    return f"expected {wanted}, not {_short(value)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _sweep(
    table: Mapping[str, Any], place: locate.Path, above: str = ""
) -> tuple[dict[str, list[Any]], dict[str, locate.Path]]:
    """Flatten the sweep: keys may be quoted and dotted, or nested tables."""
    values: dict[str, list[Any]] = {}
    places: dict[str, locate.Path] = {}
    for key, value in table.items():
        name, here = f"{above}{key}", (*place, key)
        if isinstance(value, dict):
            inner, inner_places = _sweep(value, here, f"{name}.")
            values.update(inner)
            places.update(inner_places)
        else:
            values[name], places[name] = value, here
    return values, places


def _sweep_values(spec: Spec, findings: Findings) -> None:
    for key, values in spec.sweep.items():
        place = spec.places[key]
        if not isinstance(values, list) or not values:
            wanted = f"expected a list of one or more values, not {_short(values)}"
            findings.add(None, wanted, place)
            continue
        shown: dict[str, int] = {}
        listed: set[str] = set()
        for position, value in enumerate(values):
            label = value.get(LABEL, "-") if isinstance(value, dict) else "-"
            if not isinstance(label, str) or not label:
                wanted = f"expected {WANTED[LABEL]}, not {_short(label)}"
                findings.add(None, wanted, (*place, position, LABEL))
            # 1 == True and 1 == 1.0 in Python, but they are different settings.
            if repr(value) in listed:
                findings.add(None, f"{_short(value)} is listed twice", (*place, position))
            elif shown.setdefault(text := shown_value(key, value), position) != position:
                remedy = f"give each a {LABEL} of its own"
                message = f"is shown as {text!r}, like value {shown[text]}; {remedy}"
                findings.add(None, message, (*place, position))
            listed.add(repr(value))


def _size(spec: Spec, findings: Findings) -> None:
    try:
        limits.check_seeds(spec.seeds)
    except limits.LimitError as error:
        findings.add(None, str(error), ("seeds",))
        return
    lists = {key: values for key, values in spec.sweep.items() if isinstance(values, list)}
    try:
        cells = len(spec.tasks) * len(spec.seeds)
        limits.check_cells(len(spec.document.variant) or 1, lists, cells)
    except limits.LimitError as error:
        findings.add(None, str(error), ("sweep",))


def _names(spec: Spec, findings: Findings) -> None:
    # They become names of files.
    for kind, names in (("task", spec.tasks), ("budget", spec.document.budget)):
        for name in names:
            if not is_name(name):
                findings.add(None, f"the name of a {kind} may hold only {RULE}", (kind, name))
    if not spec.file.name.isprintable():
        findings.add(None, "the name of the file holds control characters")


def _labels(spec: Spec, findings: Findings) -> None:
    first: dict[str, int] = {}
    for index, variant in enumerate(spec.document.variant):
        place = ("variant", index, "label")
        if variant.label in first:
            line = spec.line(("variant", first[variant.label], "label"))
            findings.add(None, f"{variant.label!r} is the label of line {line} too", place)
        first.setdefault(variant.label, index)
    seeds: set[int] = set()
    for position, seed in enumerate(spec.seeds):
        if seed in seeds:
            findings.add(None, f"{seed} is listed twice", ("seeds", position))
        seeds.add(seed)


def _published(spec: Spec, findings: Findings) -> None:
    tables, name = published_tables(), spec.published
    if name is not None and name not in tables:
        wanted = f"no published table is named {name!r}{suggestion(name, tables)}"
        findings.add(None, wanted, ("published",))
        return
    for index, variant in enumerate(spec.document.variant):
        row, place = variant.published_row, ("variant", index, "published_row")
        if row is None:
            continue
        if name is None:
            findings.add(None, "needs 'published', the table that the row is of", place)
        elif row not in tables[name]:
            hint = suggestion(row, tables[name])
            findings.add(None, f"published table {name!r} has no row {row!r}{hint}", place)


def _columns(spec: Spec, findings: Findings) -> None:
    if spec.table.columns is None:
        return
    metrics: set[str] = set()
    for task in spec.tasks:
        try:
            metrics |= set(_metrics(task))
        except TuskbenchError:
            # What the metrics of that task are cannot be known; the task's own line says why.
            return
    for position, column in enumerate(spec.table.columns):
        place = ("table", "columns", position)
        if column not in metrics:
            owners = f"{'tasks' if len(spec.tasks) > 1 else 'task'} {', '.join(spec.tasks)}"
            hint = suggestion(column, metrics)
            findings.add(None, f"{owners} has no metric {column!r}{hint}", place)
        elif column in spec.table.columns[:position]:
            findings.add(None, f"{column!r} is listed twice", place)


def _metrics(task: str) -> Collection[str]:
    if not is_foreign(registry.find("task", task)):
        found: Mapping[str, Any] = registry.load("task", task).metrics
        return found
    with Apart() as apart:
        names: list[str] = list(apart.ask("metrics", "task", task, settings={}))
        return names


def _components(spec: Spec, findings: Findings) -> None:
    """Resolve every task, variant and budget, and every value of the sweep once."""
    for task in spec.tasks:
        for row in _sample(spec):
            for budget in spec.document.budget or ("paper",):
                resolve_cell(spec, task, row, budget, findings)


def _sample(spec: Spec) -> Iterator[Row]:
    for row in spec.rows():
        if sum(position > 0 for _, position in row.point) <= 1:
            yield row
