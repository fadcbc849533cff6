"""The Ray executor on a cluster of several nodes on this machine, where `tox -e ray` says so."""

from __future__ import annotations

import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from tuskbench.cell import Training
from tuskbench.errors import ConfigurationError
from tuskbench.run.executors import make_executor
from tuskbench.run.executors.contract import read_place
from tuskbench.run.worker import run_cell
from tuskbench.store import Status, Store
from tuskbench.testing import ExecutorConformance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuskbench.cell import Cell

    MakeCell = Callable[..., Cell]

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("TUSKBENCH_TEST_RAY"), reason="starts a cluster: run tox -e ray"
    ),
    pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed"),
]


class Nodes:
    """A head that computes nothing, and nodes that take one cell each."""

    def __init__(self, count: int) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "include_dashboard": False,
                # A node that is gone is noticed in seconds.
                "_system_config": {
                    "health_check_initial_delay_ms": 1000,
                    "health_check_period_ms": 1000,
                    "health_check_failure_threshold": 3,
                },
            },
        )
        self.address = self._cluster.address
        self.nodes = [self._cluster.add_node(num_cpus=1) for _ in range(count)]

    def lose_one(self) -> None:
        """Take a node away without notice."""
        self._cluster.remove_node(self.nodes.pop(), allow_graceful=False)

    def close(self) -> None:
        """End all nodes."""
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    made = Nodes(2)
    yield made
    made.close()


class RayCase(ExecutorConformance):
    @pytest.fixture(autouse=True)
    def _address(self, nodes: Nodes) -> None:
        type(self).settings = {**self.settings, "address": nodes.address}


class TestRay(RayCase):
    name = "ray"


class TestRayWithoutASharedFolder(RayCase):
    name = "ray"
    settings: ClassVar[dict[str, Any]] = {"shared": False, "sync_seconds": 0.2}


@pytest.mark.parametrize("shared", [False, None])
def test_a_lost_node_costs_what_it_did_since_the_last_checkpoint(
    make_cell: MakeCell, tmp_path: Path, shared: bool | None
) -> None:
    nodes = Nodes(2)
    cells = [make_cell(seed, training={"steps": 400}, delay=0.03) for seed in range(3)]
    root, store = tmp_path / "on-ray", Store(tmp_path / "on-ray")
    env = {name: os.environ[name] for name in ("PYTHONPATH", "OMP_NUM_THREADS")}
    settings = {
        "address": nodes.address,
        "shared": shared,
        "sync_seconds": 0.5,
        "env": {**env, "TUSKBENCH_CHECKPOINT_SECONDS": "0.5"},
        "device": "cpu",
    }
    executor = make_executor("ray", root, settings)
    futures = executor.submit_all(cells, {})

    def running() -> list[Cell]:
        begun = [c for c, f in zip(cells, futures, strict=True) if f.running()]
        return [c for c in begun if (store.folder(c.id) / "checkpoint.safetensors").exists()]

    _until(lambda: len(running()) == 2)
    assert all(read_place(store, cell.id) for cell in running())
    nodes.lose_one()
    records = [future.result(300) for future in futures]
    executor.close()
    nodes.close()
    assert [record.status for record in records] == [Status.DONE] * 3
    notes = [note for record in records for note in record.notes]
    assert sum("resumed at step" in note for note in notes) == 1
    assert not any(read_place(store, cell.id) for cell in cells)
    here = Store(tmp_path / "here")
    for cell, record in zip(cells, records, strict=True):
        assert run_cell(cell, here.root, "cpu").metrics == record.metrics
        for arrays in ("scores", "figures"):
            ours, theirs = getattr(store, arrays)(cell.id), getattr(here, arrays)(cell.id)
            assert ours.keys() == theirs.keys()
            assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_a_cell_whose_nodes_are_all_lost_becomes_a_failed_record(
    make_cell: MakeCell, tmp_path: Path
) -> None:
    nodes = Nodes(1)
    cell = make_cell(training={"steps": 100_000}, delay=0.01)
    env = {name: os.environ[name] for name in ("PYTHONPATH", "OMP_NUM_THREADS")}
    settings = {"address": nodes.address, "retries": 0, "env": env, "device": "cpu"}
    executor = make_executor("ray", tmp_path, settings)
    future = executor.submit(cell)
    _until(future.running)
    nodes.lose_one()
    failure = future.result(120).failure
    executor.close()
    nodes.close()
    assert failure is not None
    assert "Died" in failure["exception"] or "Crashed" in failure["exception"]


def test_parts_of_a_gpu_are_for_cells_on_one(nodes: Nodes, tmp_path: Path) -> None:
    executor = make_executor("ray", tmp_path, {"address": nodes.address, "gpus": 0.5})
    executor.check(Training())
    with pytest.raises(ConfigurationError, match="devices"):
        executor.check(Training(devices=2))
    assert executor._options["num_cpus"] == 1.0
    executor.close()


def test_no_cluster_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the address of a Ray cluster"):
        make_executor("ray", tmp_path, {"address": "nowhere:port"})


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
