"""`tuskbench report`: print the tables of a results folder and draw its figures."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from tuskbench.cli.options import tell, warn

_FORMATS = ("md", "csv", "latex", "json")


@click.command("report")
@click.argument(
    "directory",
    metavar="[DIR]",
    default="tuskbench-results",
    type=click.Path(path_type=Path),
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    default="md",
    show_default=True,
    help="How the tables are written.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the tables to FILE instead of standard output.",
)
@click.option(
    "--figures/--no-figures",
    default=True,
    show_default=True,
    help="Draw pictures into DIR/figures after the tables.",
)
@click.pass_context
def report_command(
    context: click.Context, directory: Path, format_: str, output: Path | None, figures: bool
) -> None:
    """Print the tables of the results in DIR (default: tuskbench-results).

    Each number stands beside the published one, with its interval, the difference and what
    it cost. Figures already drawn from the same results are kept.
    """
    from tuskbench import report
    from tuskbench.errors import StoreError

    _write(report.render(directory, format_, warn=warn), output)
    if not figures:
        return
    asked = context.get_parameter_source("figures") is ParameterSource.COMMANDLINE
    from tuskbench.report.figures import draw_all

    try:
        for path in draw_all(directory, warn=warn if asked else None):
            tell(f"figure: {path}")
    except StoreError as error:
        # A results folder may be read-only; its tables can be had all the same.
        if asked:
            raise
        warn(f"no figures: {error}")


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    from tuskbench.store import write_atomically

    write_atomically(output, lambda path: path.write_text(text, "utf-8"))
    tell(f"written to {output}")
