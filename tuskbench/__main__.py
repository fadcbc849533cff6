"""`python -m tuskbench`: the same as the command `tuskbench`."""

from __future__ import annotations

from tuskbench.cli import main

main(prog_name="tuskbench")
