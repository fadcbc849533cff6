"""What is too large is refused in a sentence that names the limit, within two seconds."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tuskbench.cli import main
from tuskbench.errors import SpecError
from tuskbench.spec import limits
from tuskbench.spec.load import load

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """\
title = "Dots"
seeds = [0]
[task.mnist-hard]
source = "digits"
[system]
name = "tusk"
"""
MILLION = "[sweep]\n" + "".join(f'"a.b{key}" = {list(range(10))}\n' for key in range(6))
BAD = {
    "5000 digits": (f"{SPEC}steps = {'1' * 5000}", "beyond the largest"),
    "5000 hexadecimal digits": (f"{SPEC}steps = 0x{'f' * 5000}", "beyond the largest"),
    "20 digits": (f"{SPEC}steps = {'9' * 20}", "beyond the largest"),
    "2000 brackets": (f"{SPEC}x = {'[' * 2000}{']' * 2000}", "at most 32 levels"),
    "100 brackets": (f"{SPEC}x = {'[' * 100}{']' * 100}", "at most 32 levels"),
    "2000 braces": (f"{SPEC}x = {'{a=' * 2000}1{'}' * 2000}", "at most 32 levels"),
    "100,000 parts": (f"{SPEC}{'a.' * 100_000}a = 1", "at most 32"),
    "quoted parts": (f"{SPEC}" + '"a" . ' * 20_000 + "a = 1", "at most 32"),
    "parts of a header": (f"{SPEC}[{'a.' * 60_000}a]", "at most 32"),
    "a million cells": (SPEC + MILLION, "1000000 cells; at most 10000"),
    "100,000 seeds": (SPEC.replace("[0]", str([1] * 80_000)), "more than 10000 values"),
    "2000 seeds": (SPEC.replace("[0]", str(list(range(2000)))), "at most 1000 are planned"),
    "a long key": (f"{SPEC}{'a' * 100_000} = 1", "at most 200"),
    "many unknown keys": ("".join(f"k{i} = 1\n" for i in range(9000)) + SPEC, "problems more"),
    "many unknown settings": (SPEC + "".join(f"k{i} = 1\n" for i in range(9000)), "no parameter"),
    "white space": (SPEC + " " * 200_000 + "x", "not valid TOML"),
    "one long word": ("a" * 250_000, "not valid TOML"),
    "50 MB": ("#" * 50_000_000, "larger than 256 KiB"),
    "task": (SPEC.replace("mnist-hard", '"../x"'), "letters, digits"),
    "budget": (f'{SPEC}[budget."a/b"]', "letters, digits"),
    "budget with escapes": (f'{SPEC}[budget."\\u001b[31m"]', "letters, digits"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_spec_beyond_a_limit_is_refused_quickly(tmp_path: Path, kind: str) -> None:
    text, told = BAD[kind]
    file = tmp_path / "spec.toml"
    file.write_text(text)
    start = time.process_time()
    with pytest.raises(SpecError) as found:
        load(file)
    assert time.process_time() - start < 2
    assert told in str(found.value)
    assert len(str(found.value)) < 20_000


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", "/", "a\0b"])
def test_what_is_no_file_of_a_spec_is_refused(name: str) -> None:
    with pytest.raises(SpecError):
        load(name)


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    file = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.toml")
    result = CliRunner().invoke(main, ["plan", file])
    assert result.exit_code == 2
    assert "its name is not UTF-8" in result.output


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--seeds", "1" * 5000], "beyond the largest"),
        (["--seeds", ",".join(map(str, range(100_000)))], "at most 1000"),
        (["--seeds", "x" * 5000], "expected integers"),
        (["--set", f"training.steps={'1' * 5000}"], "beyond the largest"),
        (["--set", f"training.steps={'[' * 2000}"], "at most 32"),
        (["--set", f"training.steps={'1' * 20_000}"], "longer than 10000"),
        (["--set", f"{'a.' * 90}a=1"], "more than 32 parts"),
        (["--set", f"{'a' * 900}=1"], "longer than 200"),
        (["--set", "training.steps=1\nfoo=2"], "expected one value"),
        (["--set", "training.steps=\udcff"], "not UTF-8"),
        (["--budget", "../x"], "letters, digits"),
        (["--budget", "\x1b[31m"], "letters, digits"),
    ],
)
def test_options_beyond_a_limit_are_refused(tmp_path: Path, options: list[str], told: str) -> None:
    file = tmp_path / "spec.toml"
    file.write_text(SPEC)
    start = time.process_time()
    result = CliRunner().invoke(main, ["plan", str(file), *options])
    assert time.process_time() - start < 2
    assert result.exit_code == 2
    assert told in result.output
    assert len(result.output) < 1000
    assert "\x1b" not in result.output


def test_dots_within_a_text_are_no_key() -> None:
    assert limits.parse('x = "' + "a b.c, " * 100 + '"')
