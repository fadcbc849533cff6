"""`tuskbench run`: compute the cells of a spec that are not stored, then show the tables."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuskbench.cli.options import overrides_of, sweep_options, tell, warn

if TYPE_CHECKING:
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
@click.option("--executor", default="local", show_default=True, help="Name of an executor.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--figures/--no-figures", default=True, help="Draw the figures at the end.")
@click.pass_context
def run_command(
    ctx: click.Context,
    spec: Path,
    budget: str | None,
    jobs: int | None,
    executor: str,
    out: Path,
    seeds: list[int] | None,
    pairs: tuple[tuple[str, Any], ...],
    device: str,
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
    if plan.count("skipped") == len(plan.cells):
        warn("nothing to do: the spec has no cell that can run")
        ctx.exit(NOTHING_TO_DO)
    store = Store(out)
    cells = to_run(plan.cells, store, warn)
    outcome = _compute(cells, plan, store, executor, jobs, device)
    if outcome is not None and outcome.interrupted:
        # What is left to do at exit shall not be interrupted by another Ctrl-C.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        tell("interrupted; the same command goes on from here")
        ctx.exit(INTERRUPTED)
    _report(out, write_manifest(plan, out), figures)
    if outcome is not None:
        tell(f"records, checkpoints and figures are in {out}")
    ctx.exit(SOME_FAILED if outcome is not None and outcome.failed else 0)


def _compute(
    cells: list[Cell], plan: Plan, store: Store, executor: str, jobs: int | None, device: str
) -> Outcome | None:
    """Run the cells; None where there are none, so that torch is not even imported."""
    from tuskbench import registry
    from tuskbench.errors import ConfigurationError
    from tuskbench.plan import write_manifest
    from tuskbench.spec.blame import blame

    factory = registry.load("executor", executor)
    if not cells:
        write_manifest(plan, store.root)
        return None
    # Before torch is imported: idle OpenMP threads that spin slow other processes down.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from tuskbench.run.preflight import preflight
    from tuskbench.run.progress import Progress
    from tuskbench.run.sweep import sweep

    made = factory(store.root, jobs=jobs, device=device)
    try:
        preflight(cells, made)
    except ConfigurationError as error:
        raise blame(plan.spec, cells, error) from error
    write_manifest(plan, store.root)
    with Progress(len(cells), store) as progress:
        return sweep(cells, made, progress)


def _tell(plan: Plan) -> None:
    for warning in plan.warnings:
        warn(warning)
    for planned in plan.cells:
        if planned.state == "skipped":
            cell = planned.cell
            text = f"skipped {cell.task}, {cell.variant}, seed {cell.seed}: {planned.reason}"
            tell(text)


def _report(root: Path, manifest: Path, figures: bool) -> None:
    from tuskbench import report

    if figures:
        from tuskbench.report.figures import draw_all

        draw_all(root, manifest, warn)
    click.echo(report.render(root, format="md", only=manifest))
