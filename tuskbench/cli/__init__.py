"""The command line: a group whose commands are imported only when they are used."""

from __future__ import annotations

import errno
import importlib
import os
import signal
from typing import Any

import click

from tuskbench.errors import TuskbenchError, suggestion

COMMANDS = {
    "list": ("tuskbench.cli.list_:list_command", "Show every component and its state."),
    "describe": ("tuskbench.cli.describe:describe_command", "Show what a component takes."),
    "plan": ("tuskbench.cli.plan:plan_command", "Show the cells of a spec; compute nothing."),
    "run": ("tuskbench.cli.run:run_command", "Compute the cells of a spec that are not stored."),
    "report": ("tuskbench.cli.report:report_command", "Make tables and pages from a store."),
    "predict": ("tuskbench.cli.predict:predict_command", "Apply a trained system to images."),
    "data": ("tuskbench.cli.data:data_command", "Show and prepare data sets."),
}
"""Where each command is, and its line of help."""

INTERRUPTED = 130
"""Exit code after the user's interrupt, as shells have it."""


class LazyGroup(click.Group):
    """Commands by name without their modules; user errors as one sentence, no traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of a newcomer's need."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or return None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command where there is none of that name."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            message = f"no command is named {args[0]!r}{suggestion(args[0], COMMANDS)}"
            raise click.UsageError(message, ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; turn a user's error into its sentence and its exit code."""
        try:
            return super().invoke(ctx)
        except TuskbenchError as error:
            from tuskbench.report.escape import terminal

            click.echo(terminal(str(error)), err=True)
            ctx.exit(error.exit_code)
        except OSError as error:
            # Standard output may be a file on a full disk; a closed pipe is click's to handle.
            if error.errno != errno.ENOSPC:
                raise
            click.echo(f"cannot write the output: {error.strerror}", err=True)
            os._exit(1)
        except KeyboardInterrupt:
            # What is left to do at exit shall not be interrupted by another.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"tuskbench {version('tuskbench')}")
    except PackageNotFoundError:
        click.echo("tuskbench (not installed)")
    ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Train and compare unsupervised keypoint systems under one protocol.

    Data goes to stdout, logs to stderr. Exit codes: 0 all is well; 1 some cells failed;
    2 wrong usage or spec; 3 nothing to do; 130 interrupted.
    """
