"""The canonical order against exact fractions."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from fredfmt.model import blocks
from fredfmt.model.ordering import coarse_to_fine, coarsest, in_order, ranks


@pytest.mark.parametrize("shape", [(9,), (5, 7), (4, 6), (3, 4, 5)])
def test_order_is_by_the_exact_sum_of_relative_positions(shape):
    places = list(itertools.product(*map(range, shape)))
    sums = [sum(Fraction(p, n) for p, n in zip(place, shape, strict=True)) for place in places]
    expected = sorted(range(len(places)), key=lambda flat: (sums[flat], flat))
    assert coarse_to_fine(shape).tolist() == expected
    assert ranks(shape)[expected].tolist() == list(range(len(places)))


@pytest.mark.parametrize("shape", [(9,), (5, 7), (4, 6), (3, 4, 5)])
@pytest.mark.parametrize("piece", [8, 56, 1 << 20])
def test_the_coarsest_are_the_first_of_all(monkeypatch, shape, piece):
    everything = coarse_to_fine(shape).tolist()
    monkeypatch.setattr(blocks, "BYTES", piece)
    for length in range(1, len(everything) + 1):
        assert coarsest(shape, length).tolist() == everything[:length]


def test_each_mask_is_sorted_on_its_own():
    frequencies = np.array([[34, 0, 7], [1, 33, 2]], np.uint16)
    ordered = in_order(frequencies, (5, 7))
    assert ordered.dtype == np.uint16
    assert ordered.tolist() == [[0, 7, 34], [1, 2, 33]]
