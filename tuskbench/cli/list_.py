"""`tuskbench list`: every component, who brings it, and whether it can be used."""

from __future__ import annotations

import click

from tuskbench import registry
from tuskbench.cli.options import Kind, echo_json
from tuskbench.errors import BrokenComponentError
from tuskbench.registry.apart import Apart, is_foreign


@click.command("list")
@click.argument("kind", type=Kind(), required=False)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("--check", is_flag=True, help="Import every component (slow).")
def list_command(kind: str | None, as_json: bool, check: bool) -> None:
    """Show every component of KIND, or of all kinds.

    The state is told from files alone, unless --check is given: `ok`, `broken` with the
    reason, or `conflict` with the packages that register the same name.
    """
    with Apart() as apart:
        rows = [_row(entry, *_state(entry, check, apart)) for entry in registry.entries(kind)]
    if as_json:
        echo_json(rows)
        return
    from tabulate import tabulate

    click.echo(tabulate(rows, headers="keys") if rows else "no components are installed")


def _row(entry: registry.Entry, state: str, reason: str) -> dict[str, str]:
    return {
        "kind": entry.kind,
        "name": entry.name,
        "distribution": entry.distribution,
        "version": entry.version,
        "state": state,
        "reason": reason,
    }


def _state(entry: registry.Entry, check: bool, apart: Apart) -> tuple[str, str]:
    if check and entry.state == "ok":
        try:
            if is_foreign(entry):
                apart.ask("load", entry.kind, entry.name)
            else:
                registry.load_entry(entry)
        except BrokenComponentError as error:
            return "broken", error.reason
    return entry.state, entry.reason
