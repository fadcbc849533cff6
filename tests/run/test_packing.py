"""Which cells share a job, and which jobs an array."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuskbench.run.executors.packing import arrays

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuskbench.cell import Cell

    MakeCell = Callable[..., Cell]


def _seeds(found: list[list[list[Cell]]]) -> list[list[list[int]]]:
    return [[[cell.seed for cell in pack] for pack in packs] for packs in found]


def test_short_cells_share_jobs_and_like_jobs_an_array(make_cell: MakeCell) -> None:
    costs = [100.0, 110.0, 120.0, 3000.0, 90.0, None]
    cells = [make_cell(seed) for seed in range(len(costs))]
    seconds = {c.id: cost for c, cost in zip(cells, costs, strict=True) if cost is not None}
    # Up to 128 s fits twice into 300 s.
    assert _seeds(arrays(cells, seconds, 300.0, 100)) == [[[0, 1], [2, 4]], [[3]], [[5]]]


def test_no_array_is_larger_than_it_may_be(make_cell: MakeCell) -> None:
    cells = [make_cell(seed) for seed in range(5)]
    assert _seeds(arrays(cells, {}, 300.0, 2)) == [[[0], [1]], [[2], [3]], [[4]]]


def test_cells_on_several_devices_get_arrays_of_their_own(make_cell: MakeCell) -> None:
    cells = [make_cell(0), make_cell(1, training={"devices": 2})]
    assert _seeds(arrays(cells, {}, 300.0, 100)) == [[[0]], [[1]]]


def test_every_cell_is_in_one_job(make_cell: MakeCell) -> None:
    cells = [make_cell(seed) for seed in range(40)]
    seconds = {cell.id: 1.7 ** (cell.seed % 13) for cell in cells}
    found = _seeds(arrays(cells, seconds, 60.0, 3))
    assert sorted(seed for packs in found for pack in packs for seed in pack) == list(range(40))
    by_seed = {cell.seed: seconds[cell.id] for cell in cells}
    for packs in found:
        costs = [max(by_seed[seed], 1.0) for pack in packs for seed in pack]
        assert max(costs) <= 2 * min(costs)
        assert all(len(pack) == 1 or sum(by_seed[s] for s in pack) <= 60.0 for pack in packs)
