"""Install every plugin in this folder, with its test dependencies, into this environment."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path


def main() -> int:
    """Call pip once for all plugins and return its exit code."""
    projects = sorted(Path(__file__).parent.glob("*/pyproject.toml"))
    wanted: set[str] = set()
    for project in projects:
        groups = tomllib.loads(project.read_text("utf-8")).get("dependency-groups", {})
        wanted.update(groups.get("test", []))
    folders = [str(project.parent) for project in projects]
    command = [sys.executable, "-m", "pip", "install", *folders, *sorted(wanted)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
