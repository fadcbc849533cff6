"""What executors build on: settings that are checked, and notes of where cells are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tuskbench.errors import ConfigurationError
from tuskbench.run.executors import make_executor
from tuskbench.run.executors.contract import Place, clear_place, read_place, write_place
from tuskbench.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def test_settings_of_an_executor_are_checked(tmp_path: Path) -> None:
    for settings, message in (
        ({"jobs": "two"}, "jobs = 'two', but expected an integer"),
        ({"jobs": 0}, "at least 1"),
        ({"job": 1}, "did you mean 'jobs'?"),
    ):
        with pytest.raises(ConfigurationError) as raised:
            make_executor("local", tmp_path, settings)
        assert message in str(raised.value)


def test_what_is_given_wins_over_the_profile(tmp_path: Path) -> None:
    profile = {"jobs": 3, "device": "cpu"}
    made = make_executor("local", tmp_path, profile, jobs=2, device=None)
    assert made.slots == 2
    made.close()


def test_the_place_of_a_cell_is_read_back(tmp_path: Path) -> None:
    store, place = Store(tmp_path), Place("slurm", "12_3", "2026-01-01T00:00:00+00:00")
    assert read_place(store, "abc") is None
    write_place(store, "abc", place)
    assert read_place(store, "abc") == place
    clear_place(store, "abc")
    clear_place(store, "abc")
    assert read_place(store, "abc") is None
    (store.folder("abc") / "place.json").write_text('{"job": 3')
    assert read_place(store, "abc") is None
