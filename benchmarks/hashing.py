"""How long hashing and planning take with 10 GB of original data.

python benchmarks/hashing.py --layout photographs --gigabytes 10

The files are full of nothing (sparse), which are hashed like any others.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tuskbench.data.readers import celeba
from tuskbench.run.provenance import processor

PHOTOGRAPHS = 202_599
SPEC = """
title = "Plan"
seeds = [0]

[task.celeba-wild]
source = "{source}"

[system]
name = "constant-grid"
"""


def write_photographs(root: Path, size: int) -> str:
    """Write as many photographs as CelebA has; return what `data prepare` calls them."""
    folder = root / "celeba"
    (folder / celeba.IMAGES).mkdir(parents=True)
    names = [f"{number:06d}.jpg" for number in range(1, PHOTOGRAPHS + 1)]
    for name in names:
        with (folder / celeba.IMAGES / name).open("wb") as stream:
            os.truncate(stream.fileno(), size // PHOTOGRAPHS)
    lists = {
        celeba.LANDMARKS: "".join(f"{name} {'100 ' * 10}\n" for name in names),
        celeba.BOXES: "".join(f"{name} 50 50 90 90\n" for name in names),
        celeba.PARTITION: "".join(f"{name} 0\n" for name in names),
        celeba.MAFL["labelled"]: "\n".join(names[:19_000]),
        celeba.MAFL["test"]: "\n".join(names[19_000:20_000]),
    }
    for name, text in lists.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return "celeba"


def write_file(root: Path, size: int) -> str:
    """Write one large file; return what `data prepare` calls it."""
    with (root / "celeba_wild.h5").open("wb") as stream:
        os.truncate(stream.fileno(), size)
    return "celeba_wild.h5"


LAYOUTS = {"photographs": (write_photographs, "celeba"), "file": (write_file, "autolink")}


def seconds(*arguments: str, environment: dict[str, str]) -> float:
    """Return how long a command of tuskbench takes, its start included."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "tuskbench", *arguments]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Print seconds of preparing, and of planning with prepared and with generated data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layout", choices=LAYOUTS, default="photographs")
    parser.add_argument("--gigabytes", type=float, default=10)
    chosen = parser.parse_args()
    write, source = LAYOUTS[chosen.layout]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "data").mkdir()
        name = write(root / "data", int(chosen.gigabytes * 1e9))
        variables = {"TUSKBENCH_DATA": str(root / "data"), "TUSKBENCH_CACHE": str(root / "cache")}
        environment = {**os.environ, **variables}
        # What was written within the last two seconds is not remembered.
        time.sleep(3)
        print(f"{processor()}, {os.cpu_count()} cores, {chosen.gigabytes:g} GB, {chosen.layout}")
        print(f"prepare  {seconds('data', 'prepare', name, environment=environment):7.2f} s")
        for made_of in (source, "generated"):
            spec = root / f"{made_of}.toml"
            spec.write_text(SPEC.format(source=made_of))
            plan = ("plan", str(spec), "--out", str(root / "results"))
            times = [seconds(*plan, environment=environment) for _ in range(3)]
            print(f"plan     {min(times):7.2f} s  with source = {made_of!r}")


if __name__ == "__main__":
    main()
