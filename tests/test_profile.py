"""Profiles: settings of executors that belong to a machine, not to a spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tuskbench.errors import SpecError
from tuskbench.profile import executor_settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration folder."""
    folder = tmp_path / "config"
    folder.mkdir()
    monkeypatch.setattr("tuskbench.profile.user_folder", lambda: folder)
    return folder


def test_no_profile_is_no_settings(user: Path, tmp_path: Path) -> None:
    assert executor_settings("slurm", tmp_path) == {}


def test_the_profile_beside_the_spec_wins(user: Path, tmp_path: Path) -> None:
    (user / "tuskbench.toml").write_text(
        '[executor.slurm]\npartition = "gpu"\nminutes = 30\n[executor.local]\njobs = 2\n'
    )
    (tmp_path / "tuskbench.toml").write_text("[executor.slurm]\nminutes = 5\n")
    assert executor_settings("slurm", tmp_path) == {"partition": "gpu", "minutes": 5}
    assert executor_settings("local", tmp_path) == {"jobs": 2}
    assert executor_settings("slurm") == {"partition": "gpu", "minutes": 30}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[executors.slurm]\n", "executors: unknown key; did you mean 'executor'?"),
        ("[executor]\nslurm = 3\n", "a table for each executor"),
        ("executor = 3\n", "a table for each executor"),
        ("[executor\n", "is not TOML"),
        ("\xff", "is not TOML"),
    ],
)
def test_what_is_no_profile_is_refused(user: Path, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "tuskbench.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SpecError) as raised:
        executor_settings("slurm", tmp_path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_folder_of_that_name_is_refused(user: Path, tmp_path: Path) -> None:
    (tmp_path / "tuskbench.toml").mkdir()
    with pytest.raises(SpecError, match="cannot be read"):
        executor_settings("slurm", tmp_path)
