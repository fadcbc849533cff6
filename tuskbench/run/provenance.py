"""Where a record comes from: versions, data, source revision, machine."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from tuskbench.cell import Cell
    from tuskbench.store import Provenance

LIBRARIES = (
    "tuskbench",
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "kornia",
    "timm",
    "lightning-fabric",
    "safetensors",
)
"""Distributions whose version can change a number."""


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def provenance(cell: Cell, device: torch.device, started: str) -> Provenance:
    """Return the provenance of a record that is finished now."""
    return {
        "components": dict(cell.versions),
        "libraries": _libraries(cell),
        "data_fingerprint": cell.data_fingerprint,
        "data_source": cell.data_source,
        "git_revision": git_revision(),
        "device": device_name(device, cell.training.devices),
        "processor": processor(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "started": started,
        "finished": now(),
        "threads": torch.get_num_threads(),
        "precision": cell.training.precision,
    }


def _libraries(cell: Cell) -> dict[str, str]:
    # A component's version is "distribution version".
    owners = {text.rpartition(" ")[0] for text in cell.versions.values()}
    names = (*LIBRARIES, *sorted(owners - {*LIBRARIES, ""}))
    return {name: found for name in names if (found := library_version(name)) is not None}


@cache
def library_version(name: str) -> str | None:
    """Return the version of an installed distribution, or None where there is none."""
    try:
        return version(name)
    except (PackageNotFoundError, ValueError):
        return None


def device_name(device: torch.device, count: int) -> str:
    """Return `cpu`, or the GPU's model, with the number of devices where there are more."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"{count} x {name}" if count > 1 else name


@cache
def processor() -> str:
    """Return the model of the CPU, as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@cache
def git_revision() -> str | None:
    """Return the commit of the source tree this package runs from, `-dirty` where it differs.

    None where the package is not part of a repository: an environment inside some other
    repository is not tracked by that one.
    """
    here = Path(__file__)

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(here.parent), *arguments],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    if git("ls-files", "--error-unmatch", here.name) is None:
        return None
    return git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
