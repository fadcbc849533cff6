"""`tuskbench data`: what original data is there."""

from __future__ import annotations

from dataclasses import asdict

import click

from tuskbench.cli.options import echo_json


@click.group("data")
def data_command() -> None:
    """Show what data the tasks find."""


@data_command.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status_command(as_json: bool) -> None:
    """Show where each data set is looked for, and what is missing.

    The folder is $TUSKBENCH_DATA, or `data` in the user's cache.
    """
    from tabulate import tabulate

    from tuskbench.data.status import statuses

    found = statuses()
    if as_json:
        echo_json([asdict(status) | {"folder": str(status.folder or "")} for status in found])
        return
    rows = [
        [s.name, ", ".join(s.tasks), s.missing or "there", s.folder or "embedded", s.licence]
        for s in found
    ]
    click.echo(tabulate(rows, ["data", "tasks", "state", "folder", "licence"]))
