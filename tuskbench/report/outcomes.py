"""Manifests and the planned cells in them, with what the store knows of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuskbench.errors import NewerRecordError, ResultsMissingError, StoreError
from tuskbench.report.model import State
from tuskbench.store import Record, Status, Store

if TYPE_CHECKING:
    from tuskbench.cell import Cell

Warn = Callable[[str], object]
"""Called with one sentence for whatever is damaged and left out."""


@dataclass(frozen=True)
class Outcome:
    """One planned cell with what the store knows of it.

    Attributes:
        id: the cell's id.
        variant: label of its row.
        condition: the part of that label that says how the task was set.
        seed: its seed.
        state: what became of it.
        reason: why it has no number, where it has none.
        record: its record, where it is done.
        cell: its description, where the store has one.
        protocol: protocol with version.
        data_source: name of the data.
    """

    id: str
    variant: str
    condition: str
    seed: int
    state: State
    reason: str
    record: Record | None
    cell: Cell | None
    protocol: str
    data_source: str


def manifests(root: Path, only: Path | None = None) -> list[Path]:
    """Return the manifests of a results folder, by name.

    Args:
        root: the results folder.
        only: the one manifest wanted; its stem decides.

    Raises:
        ResultsMissingError: if the folder or the manifest is not there, or there is none.
    """
    if not root.is_dir():
        raise ResultsMissingError(root, "there is no such folder", exists=False)
    found = sorted((root / "sweeps").glob("*.json"))
    if not found:
        remedy = f"`tuskbench run SPEC --out {root}` makes some"
        raise ResultsMissingError(root, f"holds no results; {remedy}", exists=True)
    if only is None:
        return found
    chosen = [path for path in found if path.stem == Path(only).name.removesuffix(".json")]
    if not chosen:
        stems = ", ".join(path.stem for path in found)
        problem = f"holds no sweep named {Path(only).stem}; it holds {stems}"
        raise ResultsMissingError(root, problem, exists=False)
    return chosen


def read_outcome(
    store: Store, manifest: Mapping[str, Any], planned: Mapping[str, Any], warn: Warn
) -> Outcome:
    """Return one cell of a manifest; what cannot be read is `damaged` and goes to `warn`."""
    task = planned["task"]
    protocol = str(manifest.get("protocols", {}).get(task) or "unknown")
    data_source = str(manifest.get("data_sources", {}).get(task) or "unknown")
    conditions = {row["variant"]: row.get("condition") or "" for row in manifest["rows"]}
    record, cell = None, None
    state, reason = State.NOT_RUN, ""
    try:
        if (store.folder(planned["id"]) / "cell.json").exists():
            cell = store.read_cell(planned["id"])
            protocol, data_source = cell.protocol, cell.data_source
    except StoreError as error:
        warn(str(error))
    if planned["state"] == "skipped":
        state, reason = State.SKIPPED, str(planned.get("reason") or "")
    else:
        try:
            record = store.read(planned["id"])
            state, reason = _state(record)
        except NewerRecordError as error:
            warn(str(error))
            state, reason = State.SKIPPED, f"its record {error.problem}"
        except StoreError as error:
            warn(f"{error}; shown as damaged")
            state = State.DAMAGED
    return Outcome(
        id=planned["id"],
        variant=planned["variant"],
        condition=conditions.get(planned["variant"], ""),
        seed=int(planned["seed"]),
        state=state,
        reason=reason,
        record=record if state is State.DONE else None,
        cell=cell,
        protocol=protocol,
        data_source=data_source,
    )


def _state(record: Record | None) -> tuple[State, str]:
    if record is None or record.status == Status.PENDING:
        return State.NOT_RUN, ""
    if record.status == Status.DONE:
        return State.DONE, ""
    if record.status == Status.RUNNING:
        return State.RUNNING, ""
    if record.status == Status.SKIPPED:
        return State.SKIPPED, "; ".join(record.notes)
    failure = record.failure
    if failure is None:
        return State.FAILED, "no reason recorded"
    message = failure["message"].strip().splitlines()
    return State.FAILED, f"{failure['exception']}: {message[0] if message else failure['phase']}"
