"""Sweeps of one name in a folder: which is current, which earlier, which need not be shown."""

from __future__ import annotations

from typing import Any

from tuskbench.report.age import State, states


def manifest(*ids: str, written: str = "", **content: Any) -> dict[str, Any]:
    cells = [{"id": id} for id in ids]
    base = {"spec": "a.toml", "title": "A", "budget": "cpu", "cells": cells}
    return {**base, **({"written": written} if written else {}), **content}


def test_a_sweep_whose_cells_stand_in_a_later_one_is_contained() -> None:
    found = states({"old layout": manifest("1"), "new": manifest("1", "2", written="2026")})
    assert found == {"old layout": State.CONTAINED, "new": State.CURRENT}


def test_other_cells_are_an_earlier_state() -> None:
    found = states({"b": manifest("2", written="2026-02"), "a": manifest("1", written="2026-01")})
    assert found == {"a": State.EARLIER, "b": State.CURRENT}


def test_other_overrides_stand_beside_one_another() -> None:
    changed = manifest("1", written="2026", overrides={"training.steps": 7})
    assert set(states({"a": manifest("2"), "b": changed}).values()) == {State.CURRENT}
