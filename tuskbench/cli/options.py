"""Options that several commands take, and how their values are read."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tuskbench.errors import suggestion
from tuskbench.names import is_utf8
from tuskbench.registry import KINDS
from tuskbench.report.escape import terminal
from tuskbench.spec import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Kind(click.ParamType):
    """The name of a kind of component."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the kind, or fail with the nearest right name."""
        if value not in KINDS:
            self.fail(f"no kind is named {value!r}{suggestion(value, KINDS)}", param, ctx)
        return str(value)


class Seeds(click.ParamType):
    """Seeds separated by commas, such as `0,1,2`."""

    name = "seeds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        """Return the seeds, each once."""
        if isinstance(value, list):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if len(parts) > limits.MOST_SEEDS:
            self.fail(f"{len(parts)} seeds; at most {limits.MOST_SEEDS} are planned", param, ctx)
        if not all(part.isascii() and part.isdigit() for part in parts):
            self.fail(f"expected integers separated by commas, not {_short(value)}", param, ctx)
        # Python refuses to convert very many digits.
        if any(len(part.lstrip("0")) > 19 or int(part) > limits.LARGEST_INTEGER for part in parts):
            self.fail(f"a seed is beyond the largest, {limits.LARGEST_INTEGER}", param, ctx)
        return list(dict.fromkeys(int(part) for part in parts))


class Override(click.ParamType):
    """`KEY=VALUE` with a dotted key; the value is TOML, or else text."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Return the key and the value."""
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not key.strip() or not equals:
            self.fail(f"expected KEY=VALUE, not {_short(value)}", param, ctx)
        for part, longest in ((key, limits.LONGEST_KEY), (text, limits.LONGEST_TEXT)):
            if len(part) > longest:
                self.fail(f"{_short(part)}: longer than {longest} characters", param, ctx)
        if key.count(".") >= limits.DEEPEST:
            self.fail(f"{_short(key)}: more than {limits.DEEPEST} parts", param, ctx)
        if not is_utf8(value):
            self.fail(f"{_short(value)} is not UTF-8", param, ctx)
        try:
            content = limits.parse(f"value = {text}")
        except tomllib.TOMLDecodeError:
            return key.strip(), text.strip()
        except limits.LimitError as error:
            self.fail(f"{_short(value)}: {error}", param, ctx)
        if len(content) > 1:
            self.fail(f"expected one value, not {_short(text)}", param, ctx)
        return key.strip(), content["value"]


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


Command = TypeVar("Command", bound="Callable[..., Any]")


def sweep_options(command: Command) -> Command:
    """Give a command the spec and the options that say which of its cells, and where."""
    for option in (
        click.option(
            "--set",
            "pairs",
            type=Override(),
            multiple=True,
            metavar="KEY=VALUE",
            help="Override a setting, such as training.steps=10; may be repeated.",
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            default=Path("tuskbench-results"),
            show_default=True,
            help="The results folder.",
        ),
        click.option("--seeds", type=Seeds(), help="Seeds in place of the spec's, such as 0,1,2."),
        click.option("--budget", help="smoke, cpu, gpu, paper, or one of the spec's own."),
        click.argument("spec", type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


def overrides_of(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the overrides by key; the last of a key wins."""
    return dict(pairs)


def echo_json(content: Any) -> None:
    """Write JSON to stdout."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=True))


def tell(text: str) -> None:
    """Write a line to stderr, without control characters."""
    click.echo(terminal(text), err=True)


def warn(text: str) -> None:
    """Write a warning to stderr."""
    tell(f"warning: {text}")
