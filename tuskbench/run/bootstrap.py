"""Where a worker process begins, as a script: before anything else it takes its launcher's path.

Nothing but the standard library can be imported until then; see `tuskbench.run.launch`.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

FOLDER = "launches"
"""Folder of the results folder in which launchers keep what they tell their workers."""

SERVE = "--zygote"
"""First argument of a zygote's command line, before the launch's file, a descriptor and a
device."""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options of a worker; see `tuskbench.run.launch.worker_command`."""
    parser = argparse.ArgumentParser("worker", description="Compute one cell.")
    parser.add_argument("root", type=Path, help="the results folder")
    parser.add_argument("id", help="of the cell")
    parser.add_argument("device", help="cpu, cuda:0, or cuda:0,1")
    parser.add_argument("--launch", default="", help="name of what the launcher tells")
    parser.add_argument("--timeout", type=float, help="seconds after which the cell fails")
    parser.add_argument("--attached", action="store_true", help="end when standard input does")
    return parser.parse_args(arguments)


def compute(arguments: list[str]) -> int:
    """Compute a cell; return the exit code."""
    options = parse(arguments)
    from tuskbench.run.interrupt import WorkerStop

    # Before torch is imported, which takes seconds.
    stop = WorkerStop()
    stop.on_signals()
    if hasattr(signal, "pthread_sigmask"):
        # A zygote holds them back from its children until they are listened to.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    if options.attached:
        stop.on_end_of_input()
    from tuskbench.run.worker import work

    return work(options, stop)


def main(arguments: list[str]) -> int:
    """Take the launcher's import path, then compute a cell or serve as a zygote."""
    if arguments[0] == SERVE:
        take_path(Path(arguments[1]))
        from tuskbench.run.zygote import serve

        return serve(int(arguments[2]), arguments[3])
    options = parse(arguments)
    if options.launch:
        take_path(options.root / FOLDER / f"{options.launch}.json")
    return compute(arguments)


def take_path(file: Path) -> None:
    """Import from where the launcher does."""
    sys.path[:] = json.loads(file.read_text())["path"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
