"""`tuskbench data`: what original data is there, conversion, and generated data."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuskbench.cli.options import echo_json

if TYPE_CHECKING:
    from tuskbench.data.generate import Layout


@click.group("data")
def data_command() -> None:
    """Show what data the tasks find, prepare it, or generate some."""


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


@data_command.command("prepare")
@click.argument("name")
@click.option(
    "--check",
    is_flag=True,
    help="Hash everything again, and compare what is converted with its checksums.",
)
def prepare_command(name: str, check: bool) -> None:
    """Hash the files of the data set NAME, and convert those of scenes to map into memory.

    NAME is as `tuskbench data status` shows it, or a folder of IDX files. What is hashed is
    remembered until a file's size, time or inode changes, so that plans are made at once. An
    interrupted conversion goes on where it was. Tasks hash and convert what they need
    themselves.
    """
    from tuskbench.data.prepare import prepare

    click.echo(prepare(name, check=check))


@data_command.command("generate")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@click.option("--count", type=click.IntRange(min=1), required=True, help="Number of scenes.")
@click.option(
    "--layout",
    type=click.Choice(["official", "hdf5", "cache"]),
    default="official",
    show_default=True,
    help="DeepMind's TFRecord file, TUSK's HDF5 file, or flat files to map into memory.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the generator.")
def generate_command(name: str, out: Path, count: int, layout: Layout, seed: int) -> None:
    """Write generated scenes of the data set NAME (clevr_with_masks or tetrominoes).

    With TUSKBENCH_DATA set to the folder, tasks find the official layouts there.
    """
    from tuskbench.data.generate import generate
    from tuskbench.data.progress import bar

    with bar(f"generating {name}", count) as progress:
        written = generate(name, out, count, layout, seed, progress)
    click.echo(written)
