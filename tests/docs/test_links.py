"""What README and docs name is there: links, anchors, files, commands and their options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from tuskbench.cli import main

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "plugins/*/*.md")
    for page in ROOT.glob(pattern)
    if page.is_file()
)
# Files that a command of the docs writes, or that stand for the reader's own.
NOT_HERE = ("tuskbench-results", "my-", "my_", "PATH", "$", "~", "<")
# Names with one of these endings or a slash, in backticks, are files of the repository.
ENDINGS = (".toml", ".py", ".md", ".ini", ".cff", ".yml")


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", read(page), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def commands(page: Path) -> list[str]:
    """Return every `tuskbench ...` in backticks or in a block of console input."""
    blocks = re.findall(r"^```(?:console|sh|bash)\n(.*?)^```", read(page), re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", prose(page))
    stripped = (re.sub(r"^\$ ", "", line.strip()).partition(" #")[0] for line in lines)
    return [line for line in stripped if re.match(r"tuskbench( |$)", line)]


def problem(command: str) -> str:
    """Return what is wrong with a command line, or ""."""
    words = shlex.split(command)[1:]
    here: click.Command = main
    while isinstance(here, click.Group) and words and not words[0].startswith("-"):
        found = here.get_command(click.Context(here), words[0])
        if found is None:
            return f"there is no command {words[0]!r}"
        here, words = found, words[1:]
    names = {"--help", "-h"} | {
        name for parameter in here.params for name in (*parameter.opts, *parameter.secondary_opts)
    }
    wrong = [w for w in words if w.startswith("-") and w.partition("=")[0] not in names]
    return f"{here.name} has no option {wrong[0]}" if wrong else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
class TestPage:
    def test_links(self, page: Path) -> None:
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            there = (page.parent / path).resolve() if path else page
            assert there.exists(), f"link to {target}"
            if anchor and there.suffix == ".md":
                assert anchor in anchors(there), f"link to {target}"

    def test_files(self, page: Path) -> None:
        for name in re.findall(r"`([^`\s]+)`", prose(page)):
            path = name.rstrip("/")
            looks_like_file = path.endswith(ENDINGS) and re.fullmatch(r"[\w./-]+", path)
            if not looks_like_file or path.startswith(NOT_HERE) or "/" not in path:
                continue
            assert (ROOT / path).exists() or (page.parent / path).exists(), f"file {name}"

    def test_commands(self, page: Path) -> None:
        for command in commands(page):
            assert not problem(command), f"{command}: {problem(command)}"
            for word in shlex.split(command):
                if word.endswith(".toml") and not word.startswith(NOT_HERE):
                    assert (ROOT / word).exists() or (page.parent / word).exists(), command


def test_commands_are_really_checked() -> None:
    assert problem("tuskbench plan spec.toml --budget cpu --json") == ""
    assert problem("tuskbench plant spec.toml") == "there is no command 'plant'"
    assert problem("tuskbench plan spec.toml --budgt cpu") == "plan has no option --budgt"
