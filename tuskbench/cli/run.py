"""`tuskbench run`: compute the cells of a spec that are not stored, then show the tables."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuskbench.cli.options import Override, overrides_of, sweep_options, tell, warn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuskbench.cell import Cell
    from tuskbench.plan import Plan
    from tuskbench.run.sweep import Outcome
    from tuskbench.store import Store

SOME_FAILED, NOTHING_TO_DO, INTERRUPTED = 1, 3, 130
"""Exit codes beside 0 (all done) and 2 (wrong usage or spec)."""


@click.command("run")
@sweep_options
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Cells at a time; by default one a core on CPU, one a GPU.",
)
@click.option(
    "--jobs-per-gpu", type=click.IntRange(min=1), help="Cells at a time on one GPU; by default 1."
)
@click.option("--executor", default="local", show_default=True, help="Name of an executor.")
@click.option(
    "--executor-set",
    "machine",
    type=Override(),
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the executor, such as partition=gpu; may be repeated.",
)
@click.option("--device", help="auto (the default), cpu, cuda or cuda:N.")
@click.option(
    "--cell-timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Let a cell that takes longer fail; what it has saved is kept.",
)
@click.option("--detach", is_flag=True, help="Submit and leave; without it, the command collects.")
@click.option("--figures/--no-figures", default=True, help="Draw the figures at the end.")
@click.pass_context
def run_command(
    ctx: click.Context,
    spec: Path,
    budget: str | None,
    jobs: int | None,
    jobs_per_gpu: int | None,
    executor: str,
    machine: tuple[tuple[str, Any], ...],
    out: Path,
    seeds: list[int] | None,
    pairs: tuple[tuple[str, Any], ...],
    device: str | None,
    cell_timeout: float | None,
    detach: bool,
    figures: bool,
) -> None:
    """Compute the cells of SPEC that are not stored yet, then print its tables.

    Ctrl-C once lets running cells save their state; the same command goes on from there.
    """
    from tuskbench.plan import make_plan, write_manifest
    from tuskbench.run.sweep import to_run
    from tuskbench.spec.load import load
    from tuskbench.store import Store

    overrides = overrides_of(pairs)
    plan = make_plan(load(spec), budget=budget, out=out, seeds=seeds, overrides=overrides)
    _tell(plan)
    broken = plan.count("broken")
    if plan.count("skipped") + broken == len(plan.cells):
        warn("nothing to do: the spec has no cell that can run")
        ctx.exit(SOME_FAILED if broken else NOTHING_TO_DO)
    store = Store(out)
    cells = to_run(plan.cells, store, warn)
    options = {
        "jobs": jobs,
        "jobs_per_gpu": jobs_per_gpu,
        "device": device,
        "cell_timeout": cell_timeout,
    }
    given = {name: value for name, value in options.items() if value is not None}
    choice = _Choice(executor, {**overrides_of(machine), **given}, detach)
    outcome = _compute(cells, plan, store, choice)
    if detach:
        ctx.exit(SOME_FAILED if broken else 0)
    if outcome is not None and outcome.interrupted:
        # What is left to do at exit shall not be interrupted by another Ctrl-C.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        tell("interrupted; the same command goes on from here")
        ctx.exit(INTERRUPTED)
    _report(out, write_manifest(plan, out), figures)
    if outcome is not None:
        tell(f"records, checkpoints and figures are in {out}")
    failed = broken or (outcome is not None and outcome.failed)
    ctx.exit(SOME_FAILED if failed else 0)


@dataclass(frozen=True)
class _Choice:
    """What the command line says of the executor."""

    executor: str
    settings: Mapping[str, Any]
    detach: bool


def _compute(cells: list[Cell], plan: Plan, store: Store, choice: _Choice) -> Outcome | None:
    """Run the cells; None where there are none, so that torch is not even imported."""
    from tuskbench import registry
    from tuskbench.errors import ConfigurationError
    from tuskbench.plan import write_manifest
    from tuskbench.profile import executor_settings
    from tuskbench.spec.blame import blame

    factory = registry.load("executor", choice.executor)
    if choice.detach and not factory.detaches:
        expected = "without --detach: its cells end with this process"
        raise ConfigurationError("run", "executor", choice.executor, expected)
    profile = executor_settings(choice.executor, plan.spec.file.parent)
    if not cells:
        write_manifest(plan, store.root)
        return None
    # Before torch is imported: idle OpenMP threads that spin slow other processes down.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from tuskbench.run.executors import make_executor
    from tuskbench.run.preflight import preflight
    from tuskbench.run.progress import Progress
    from tuskbench.run.sweep import sweep

    ids = {cell.id for cell in cells}
    chosen = [planned for planned in plan.cells if planned.cell.id in ids]
    made = make_executor(choice.executor, store.root, {**profile, **choice.settings})
    try:
        preflight(cells, made)
    except ConfigurationError as error:
        raise blame(plan.spec, chosen, error) from error
    write_manifest(plan, store.root)
    seconds = {p.cell.id: p.estimate_seconds for p in plan.cells if p.estimate_seconds is not None}
    if choice.detach:
        made.submit_all(cells, seconds)
        tell(f"{made.detach()}; the command without --detach collects them")
        made.close()
        return None
    with Progress(len(cells), store) as progress:
        return sweep(cells, made, progress, seconds)


def _tell(plan: Plan) -> None:
    for warning in plan.warnings:
        warn(warning)
    for planned in plan.cells:
        if planned.state in ("skipped", "broken"):
            cell = planned.cell
            text = (
                f"{planned.state} {cell.task}, {cell.variant}, seed {cell.seed}: {planned.reason}"
            )
            tell(text)


def _report(root: Path, manifest: Path, figures: bool) -> None:
    from tuskbench import report
    from tuskbench.errors import StoreError

    click.echo(report.render(root, format="md", only=manifest))
    if not figures:
        return
    from tuskbench.report.figures import draw_all

    try:
        draw_all(root, manifest, warn)
    except (StoreError, OSError) as error:
        warn(f"no figures: {error}")
