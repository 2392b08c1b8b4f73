"""Rounding, ranges and the search for a step."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fredfmt import ArgumentError
from fredfmt.codec.quantizer import quantize
from fredfmt.codec.step_search import largest_step
from fredfmt.storage.containers.zigzag import unzigzag, zigzag


@given(npst.arrays(np.float64, (3, 2, 5), elements=st.floats(-1e4, 1e4)), st.floats(0.01, 10))
@example(np.full((3, 2, 5), 5e-324), 1.0)
@example(np.zeros((3, 2, 5)), 1.0)
def test_the_error_is_at_most_half_a_step_and_is_what_is_recorded(coefficients, step):
    stored, quantization = quantize(coefficients, step)
    error = stored.astype(np.float64) * step - coefficients
    assert np.abs(error).max() <= step / 2 * (1 + 1e-9)
    for recorded, actual in [
        (quantization.error_max, np.abs(error).max()),
        (quantization.error_rms, np.sqrt(np.square(error).mean())),
    ]:
        assert actual * (1 - 1e-9) <= recorded <= actual * 1.0001
        assert float(f"{recorded:.5g}") == recorded, "five digits are enough"


def test_integers_are_as_narrow_as_they_can_be():
    assert quantize(np.array([32767.0]), 1)[0].dtype == np.int16
    assert quantize(np.array([32768.0]), 1)[0].dtype == np.int32
    with pytest.raises(ArgumentError, match="too small"):
        quantize(np.array([1.0]), 1e-12)


def test_float32_is_exact_and_float16_is_not():
    coefficients = np.random.default_rng(0).standard_normal((4, 3, 7)).astype(np.float32)
    stored, quantization = quantize(coefficients, None)
    np.testing.assert_array_equal(stored, coefficients)
    assert (quantization.mode, quantization.step, quantization.error_max) == ("float32", None, 0.0)
    stored, quantization = quantize(coefficients, "float16")
    assert stored.dtype == np.float16
    assert quantization.error_max == pytest.approx(np.abs(stored.astype(np.float32) - coefficients).max(), rel=1e-4)
    with pytest.raises(ArgumentError, match="float16"):
        quantize(np.array([1e5]), "float16")


@pytest.mark.parametrize("step", [0, -1, float("nan"), float("inf"), "half", True])
def test_unusable_steps_are_refused(step):
    with pytest.raises(ArgumentError, match="unusable step"):
        quantize(np.zeros(3), step)


def test_not_finite_coefficients_are_refused():
    with pytest.raises(ArgumentError, match="NaN"):
        quantize(np.array([1.0, np.nan]), 0.5)


@pytest.mark.parametrize("start", [1e-6, 1.0, 1e6])
def test_the_search_finds_the_largest_step_that_fits(start):
    found = largest_step(lambda step: step <= 0.37, start)
    assert 0.37 * 0.998 < found <= 0.37


def test_a_target_that_nothing_meets_is_refused():
    with pytest.raises(ArgumentError, match="no step meets the target"):
        largest_step(lambda step: False, 1.0)


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_zigzag_counts_outwards_from_zero(dtype):
    assert zigzag(np.array([0, -1, 1, -2, 2], dtype)).tolist() == [0, 1, 2, 3, 4]
    edges = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max, -1, 0, 1], dtype)
    assert zigzag(edges).dtype.kind == "u"
    np.testing.assert_array_equal(unzigzag(zigzag(edges)), edges)
