"""Records come back as they were written, or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuskbench.cell import Cell, Training
from tuskbench.errors import DamagedRecordError, StoreError
from tuskbench.store import Record, Status, Store, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

CELL = Cell(
    task="dots",
    task_settings={"canvas": 32, "tile": [0.2, 0.3]},
    system={"name": "demo", "encoder": {"name": "unet", "width": 4}},
    training=Training(),
    seed=3,
    budget="smoke",
    protocol="dots/1",
    versions={"task dots": "demo 1"},
    data_fingerprint="abc",
    data_source="dots (drawn)",
    variant="plain",
)
RECORD = Record(CELL.id, Status.DONE, {"both": 0.5}, {"images": 2})

finite = st.floats(allow_nan=False, allow_infinity=False)
records = st.builds(
    Record,
    id=st.text(),
    status=st.sampled_from(Status),
    metrics=st.dictionaries(st.text(), st.floats(allow_nan=False)),
    counts=st.dictionaries(st.text(), st.integers()),
    cost=st.fixed_dictionaries({"train_seconds": finite, "gpu_energy_joules": st.none() | finite}),
    provenance=st.fixed_dictionaries({"device": st.text(), "git_revision": st.none() | st.text()}),
    failure=st.none()
    | st.fixed_dictionaries(
        {
            "phase": st.text(),
            "exception": st.text(),
            "message": st.text(),
            "traceback_file": st.none() | st.text(),
            "attempts": st.integers(),
        }
    ),
    notes=st.lists(st.text()),
    files=st.dictionaries(st.text(), st.text()),
)


@given(records)
def test_a_record_survives_json(record: Record) -> None:
    text = json.dumps(record.to_json(), allow_nan=False)
    assert Record.from_json(json.loads(text)) == record


def test_a_metric_that_is_not_a_number_survives() -> None:
    content = Record("x", Status.DONE, {"both": float("nan")}).to_json()
    assert np.isnan(Record.from_json(json.loads(json.dumps(content))).metrics["both"])


def test_write_then_read(tmp_path: Path) -> None:
    store, scores = Store(tmp_path), {"both": np.array([0.0, 1.0])}
    written = store.write(CELL, RECORD, scores, {"prototypes": np.ones((2, 3), np.float32)})
    assert set(written.files) == {"scores.npz", "figures.npz"}
    assert store.read(CELL.id) == store.verify(CELL.id) == written
    assert store.read_cell(CELL.id) == CELL
    np.testing.assert_array_equal(store.scores(CELL.id)["both"], scores["both"])
    assert store.figures(CELL.id)["prototypes"].shape == (2, 3)
    assert [(cell.id, record) for cell, record in store.records()] == [(CELL.id, written)]
    assert not list(tmp_path.rglob(".*"))


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "none")
    assert store.read("0") is None
    assert store.scores("0") == {}
    assert list(store.records()) == []


@pytest.mark.parametrize("name", ["record.json", "scores.npz"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_damage_is_found(tmp_path: Path, name: str, damage: str) -> None:
    store = Store(tmp_path)
    store.write(CELL, RECORD, {"both": np.array([0.0, 1.0])})
    path = store.folder(CELL.id) / name
    content = bytearray(path.read_bytes())
    if damage == "flip":
        place = content.index(b"0.5") if name == "record.json" else len(content) // 2
        content[place] ^= 1
    path.write_bytes({"flip": content, "cut": content[:-20], "empty": b""}[damage])
    with pytest.raises(DamagedRecordError, match=name):
        store.verify(CELL.id)
    if name == "record.json":
        warnings: list[StoreError] = []
        assert list(store.records(warnings.append)) == []
        assert len(warnings) == 1


@pytest.mark.parametrize("call", ["replace", "fsync", "mkstemp", "write"])
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "file"
    path.write_text("before")

    def full(*arguments: object, **keywords: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fill(temporary: Path) -> None:
        full() if call == "write" else temporary.write_text("after")

    if call == "mkstemp":
        monkeypatch.setattr("tempfile.mkstemp", full)
    elif call != "write":
        monkeypatch.setattr(os, call, full)
    with pytest.raises(StoreError, match="No space left on device") as caught:
        write_atomically(path, fill)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    from filelock import Timeout

    store = Store(tmp_path)
    with store.lock("0"), pytest.raises(Timeout):
        store.lock("0").acquire(timeout=0)
    with store.lock("0").acquire(timeout=0):
        pass


def test_a_cell_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_cell(CELL)
    path = store.folder(CELL.id) / "cell.json"
    before = path.stat()
    store.write_cell(CELL)
    assert path.stat().st_ino == before.st_ino
    path.write_bytes(b"\xff damaged")
    store.write_cell(CELL)
    assert store.read_cell(CELL.id).id == CELL.id


def test_a_field_that_is_not_known_is_no_damage() -> None:
    content = {**Record("0" * 16, Status.DONE, {"both": 0.5}).to_json(), "colour": "blue"}
    assert Record.from_json(content).metrics == {"both": 0.5}


@pytest.mark.parametrize(
    ("field", "value"),
    [("metrics", []), ("cost", None), ("provenance", "x"), ("notes", 5), ("failure", "x")],
)
def test_a_field_of_the_wrong_type_is_damage(tmp_path: Path, field: str, value: object) -> None:
    content = {**Record("0" * 16, Status.DONE).to_json(), field: value}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    file = Store(tmp_path).folder("0" * 16) / "record.json"
    file.parent.mkdir(parents=True)
    digest = hashlib.sha256(canonical).hexdigest()
    file.write_text(json.dumps({"sha256": digest, "record": content}))
    with pytest.raises(DamagedRecordError, match="is not a record"):
        Store(tmp_path).read("0" * 16)
