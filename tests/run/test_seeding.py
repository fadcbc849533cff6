"""Randomness depends on seed and step alone."""

from __future__ import annotations

import torch

from tuskbench.run import seeding


def test_every_image_is_seen_once_an_epoch() -> None:
    batches = [seeding.batch_indices(10, 4, seed=1, step=step) for step in range(5)]
    stream = torch.cat(batches)
    assert sorted(stream[:10].tolist()) == sorted(stream[10:].tolist()) == list(range(10))
    assert stream[:10].tolist() != stream[10:].tolist()


def test_a_batch_may_be_larger_than_the_data() -> None:
    index = seeding.batch_indices(3, 8, seed=0, step=2)
    assert len(index) == 8
    assert set(index.tolist()) == {0, 1, 2}


def test_order_depends_on_the_seed() -> None:
    first, second = (seeding.batch_indices(50, 50, seed, 0).tolist() for seed in (0, 1))
    assert first != second
    assert seeding.batch_indices(50, 50, 0, 0).tolist() == first


def test_mix_tells_parts_apart() -> None:
    seeds = {seeding.mix(*parts) for parts in [(1, 2), (2, 1), (12,), (1, 2, 0), (-1, 2)]}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)
