"""The profile: what a machine's executors are set to, which never stands in a spec.

`tuskbench.toml` is read from the user's configuration folder and from beside the spec, whose
values win:

    [executor.slurm]
    partition = "gpu"
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from tuskbench.errors import SpecError, SpecProblem, suggestion

NAME = "tuskbench.toml"


def executor_settings(executor: str, beside: Path | None = None) -> dict[str, Any]:
    """Return the settings that the profiles give an executor.

    Args:
        executor: its registered name.
        beside: the folder of the spec.

    Raises:
        SpecError: if a profile cannot be read or holds anything else than executors' tables.
    """
    settings: dict[str, Any] = {}
    for folder in (user_folder(), beside):
        if folder is not None:
            settings.update(_read(folder / NAME).get(executor, {}))
    return settings


def user_folder() -> Path:
    """Return the user's configuration folder, which need not exist."""
    import platformdirs

    return Path(platformdirs.user_config_dir("tuskbench"))


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the table of every executor."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SpecError(path, [SpecProblem(f"cannot be read: {error.strerror}")]) from error
    except ValueError as error:
        raise SpecError(path, [SpecProblem(f"is not TOML: {error}")]) from error
    problems = [
        SpecProblem(f"unknown key{suggestion(key, ['executor'])}", key)
        for key in content
        if key != "executor"
    ]
    executors = content.get("executor", {})
    if not isinstance(executors, dict) or not all(isinstance(t, dict) for t in executors.values()):
        problems.append(SpecProblem("expected a table for each executor", "executor"))
    if problems:
        raise SpecError(path, problems)
    return dict(executors)
