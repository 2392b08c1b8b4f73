"""The context coder: what goes in comes out, three implementations give the same bytes, and nothing else is taken."""

import doctest
import logging
import math

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import fredfmt.storage.coder as coder
from fredfmt.errors import ArgumentError, FormatError
from fredfmt.storage.coder import compiled, plain
from fredfmt.storage.coder.failure import BadBytesError
from fredfmt.storage.compiled import Compiled

DTYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32")


def limits(dtype):
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def as_rows(shape):
    """The shape as (instance, channel, frequency)."""
    return (*shape[:1], 1)[0], math.prod(shape[1:-1]), shape[-1] if len(shape) > 1 else 1


def pictures(instances=5, channels=3, frequencies=7, scale=20.0, seed=0):
    """Integers as coefficients are: large first, channels alike, instances about a mean."""
    random = np.random.default_rng(seed)
    fall = scale / (1 + np.arange(frequencies))
    shared = random.normal(size=(1, 1, frequencies)) + random.laplace(size=(instances, 1, frequencies))
    return np.rint((shared + 0.3 * random.laplace(size=(instances, channels, frequencies))) * fall).astype(np.int16)


@st.composite
def integers(draw):
    dtype = draw(st.sampled_from(DTYPES))
    least, most = limits(dtype)
    small = draw(st.integers(0, 5))
    elements = st.integers(max(least, -small), small) if draw(st.booleans()) else st.integers(least, most)
    return draw(
        arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6), elements=elements)
    )


@given(integers())
@settings(max_examples=150, deadline=None)
def test_every_array_comes_back_from_the_same_bytes_of_both(values):
    content = coder.encode(values)
    back = coder.decode(content, values.dtype, values.shape)
    assert back.dtype == values.dtype
    assert back.shape == values.shape
    np.testing.assert_array_equal(back, values)
    rows = as_rows(values.shape)
    assert plain.encode(values.reshape(rows)) == content
    np.testing.assert_array_equal(plain.decode(content, values.dtype, rows).reshape(values.shape), values)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_greatest_jumps(dtype):
    least, most = limits(dtype)
    values = np.array([[[least, most, least], [most, most, least]], [[0, least, most], [most, 0, least]]], dtype)
    np.testing.assert_array_equal(coder.decode(coder.encode(values), dtype, values.shape), values)


@given(st.binary(max_size=24), st.sampled_from(DTYPES), st.tuples(*[st.integers(1, 4)] * 3))
@settings(max_examples=300, deadline=None)
def test_bytes_are_taken_only_if_they_would_be_written(content, dtype, shape):
    try:
        values = coder.decode(content, dtype, shape)
    except FormatError:
        with pytest.raises(BadBytesError):
            plain.decode(content, np.dtype(dtype), shape)
    else:
        assert coder.encode(values) == content
        np.testing.assert_array_equal(plain.decode(content, np.dtype(dtype), shape), values)


@given(st.integers(0, 10**6), st.sampled_from((0.3, 2.0, 90.0)), st.sampled_from(("int8", "int16", "int32")))
@settings(max_examples=40, deadline=None)
def test_both_choose_the_same_integers_next_to_the_numbers(seed, scale, dtype):
    numbers = pictures(scale=scale, seed=seed) * 0.37
    chosen = coder.choose(numbers, dtype)
    assert chosen.dtype == dtype
    assert np.abs(chosen - numbers.clip(*limits(dtype))).max() < 1
    least, most = limits(dtype)
    wanted = np.rint(numbers * 256).clip(256 * least, 256 * most).astype(np.int64).reshape(as_rows(numbers.shape))
    found = plain.choose(wanted, np.dtype(dtype), round(coder.WORTH_OF_A_BIT * 65536))
    np.testing.assert_array_equal(found.reshape(numbers.shape), chosen)


def test_integers_stay_what_they_are_and_numbers_out_of_range_become_the_limits():
    values = pictures()
    np.testing.assert_array_equal(coder.choose(values.astype(np.float64), np.int16), values)
    np.testing.assert_array_equal(coder.choose(np.array([-200.0, 127.6, 500.0]), np.int8), [-128, 127, 127])


def test_the_price_of_a_difference_is_what_it_takes(monkeypatch):
    """Prices summed in the order of coding are the length of the bytes."""
    values = pictures(40, 3, 20)
    taken = 0

    class Counting(plain.Coder):
        def difference(self, contexts, fraction, digits, value):
            nonlocal taken
            taken += self.price(contexts, fraction, digits, value)
            return super().difference(contexts, fraction, digits, value)

    monkeypatch.setattr(plain, "Coder", Counting)
    content = plain.encode(values)
    assert taken / 256 / 8 == pytest.approx(len(content), rel=0.01)


def test_prices_do_not_depend_on_the_last_bits_of_a_logarithm():
    exact = [-256 * math.log2((2 * p + 1) / 8192) for p in range(4096)]
    assert max(abs(value - price) for value, price in zip(exact, plain.PRICES, strict=True)) < 0.49999


def test_choosing_takes_fewer_bytes_than_a_coarser_step_of_the_same_error():
    """Against rounding to the nearest, on coefficients that are mostly small."""
    numbers = np.random.default_rng(0).laplace(size=(200, 1, 64)) * (6 / (1 + np.arange(64)))

    def coded(step, rounding):
        values = rounding(numbers / step)
        return len(coder.encode(values)), float(np.sqrt(np.square(values * step - numbers).mean()))

    size, error = coded(1.0, lambda scaled: coder.choose(scaled, np.int16))
    coarser = next(step for step in np.arange(1, 2, 0.01) if coded(step, nearest)[1] > error) - 0.01
    assert size < 0.97 * coded(coarser, nearest)[0]


def nearest(scaled):
    return np.rint(scaled).astype(np.int16)


def test_damage_is_refused_or_gives_other_values():
    values = pictures()
    content = coder.encode(values)
    for more in (b"\0", b"\1", b"\0" * 9):
        with pytest.raises(FormatError, match="ends too early or too late"):
            coder.decode(content + more, values.dtype, values.shape)
    flipped = [bytearray(content) for _ in range(8 * len(content))]
    for bit, damaged in enumerate(flipped):
        damaged[bit // 8] ^= 1 << bit % 8
    refused = 0
    for damaged in [*(content[:length] for length in range(len(content))), *flipped]:
        try:
            other = coder.decode(bytes(damaged), values.dtype, values.shape)
        except FormatError:
            refused += 1
        else:
            assert (other != values).any()
    assert refused > 0.9 * len(flipped)


def test_a_value_out_of_range_is_refused():
    content = coder.encode(np.array([[300]], np.int16))
    rows = (1, 1, 1)
    with pytest.raises(BadBytesError, match=r"out of range|too early or too late"):
        plain.decode(content, np.dtype(np.int8), rows)
    with pytest.raises(FormatError):
        coder.decode(content, np.int8, (1, 1))


@pytest.mark.parametrize(
    ("values", "content"),
    [
        (np.zeros((0, 3, 7), np.int16), ""),
        (np.array(5, np.uint8), "1a"),
        (np.array([[3, -1, 0, 0], [2, -1, 0, 0]], np.int16), "2add0a"),
    ],
)
def test_known_bytes(values, content):
    assert coder.encode(values).hex() == content


def test_order_and_channels_matter_as_the_shape_says():
    values = pictures(5, 3, 7)
    assert len(coder.encode(values)) < len(coder.encode(values.reshape(15, 1, 7)))
    with pytest.raises(FormatError):
        coder.decode(coder.encode(values), values.dtype, (5, 7, 3))


def test_strided_and_foreign_byte_order_arrays_are_the_values_they_hold():
    values = pictures()
    for same in (np.asfortranarray(values), values.astype(">i2"), np.repeat(values, 2, axis=2)[:, :, ::2]):
        assert coder.encode(same) == coder.encode(values)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "complex64"])
def test_other_types_are_refused(dtype):
    with pytest.raises(ArgumentError, match="cannot store this dtype"):
        coder.encode(np.zeros((2, 3), dtype))
    with pytest.raises(ArgumentError, match="cannot store this dtype"):
        coder.decode(b"", dtype, (2, 3))


def test_a_row_that_takes_too_much_memory_is_refused():
    with pytest.raises(ArgumentError, match="values per instance"):
        coder.decode(b"", np.int16, (1, 3, coder.LARGEST_ROW))


def test_without_loops_the_same_bytes_and_a_word_on_the_time(monkeypatch, caplog):
    values = pictures()
    expected = coder.encode(values)
    monkeypatch.setattr(compiled, "LIBRARY", Compiled(None, "no compiler here"))
    with caplog.at_level(logging.WARNING):
        assert coder.encode(values) == expected
        np.testing.assert_array_equal(coder.decode(expected, values.dtype, values.shape), values)
        assert not caplog.records
        monkeypatch.setattr(coder, "SLOW", 100)
        coder.decode(expected, values.dtype, values.shape)
    assert "105 values" in caplog.text
    assert "no compiler here" in caplog.text


@pytest.mark.needs("a C compiler")
def test_an_unlucky_length_is_found_in_a_second_try():
    values = np.random.default_rng(0).integers(*limits("int32"), size=(7, 3, 50), dtype=np.int32)
    assert len(coder.encode(values)) > 2 * values.size + 64
    np.testing.assert_array_equal(coder.decode(coder.encode(values), np.int32, values.shape), values)


def test_zarr_finds_the_codec_by_itself(tmp_path):
    values = pictures(10, 3, 7)
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=values.shape,
        chunks=(4, 3, 7),
        dtype=values.dtype,
        serializer={"name": "fredfmt.context"},
        compressors=None,
    )
    array[...] = values
    assert (tmp_path / "a.zarr/c/0/0/0").read_bytes() == coder.encode(values[:4])
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a.zarr", mode="r")[...], values)


def test_zarr_says_that_there_is_nothing_to_configure():
    from fredfmt.storage.coder.zarr_codec import ContextCodec

    with pytest.raises(ValueError, match="no configuration"):
        ContextCodec.from_dict({"name": "fredfmt.context", "configuration": {"level": 9}})


def test_examples_run():
    results = doctest.testmod(coder, optionflags=doctest.ELLIPSIS)
    assert results.attempted == 5
    assert results.failed == 0
