"""Mappings from prototypes to classes by hand."""

from __future__ import annotations

import numpy as np

from tuskbench.metrics.mapping import count_pairs, fit_mapping


def test_counting() -> None:
    counts = count_pairs(np.array([0, 0, 1]), np.array([2, 2, 0]), 2, 3)
    assert counts.tolist() == [[0, 0, 2], [1, 0, 0]]


def test_bipartite_gives_each_class_once() -> None:
    counts = np.array([[9, 8], [7, 0]])
    assert fit_mapping(counts, "bipartite").tolist() == [[False, True], [True, False]]
    assert fit_mapping(counts, "majority").tolist() == [[True, False], [True, False]]


def test_reverse_with_fewer_prototypes_than_classes() -> None:
    counts = np.array([[5, 4, 0, 0], [0, 1, 6, 3]])
    right = fit_mapping(counts, "reverse")
    assert counts[right].sum() == 5 + 4 + 6 + 3
    assert counts[fit_mapping(counts, "bipartite")].sum() == 5 + 6
