"""What a `FreDData` refuses, and what it makes of what it takes."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from fredfmt import FormatError, FreDData, Metadata, Normalization, Quantization, Whitening
from fredfmt.model.ordering import in_order

SHAPE = (5, 7)


def parts(**changes):
    """Arguments of a small valid `FreDData`: 6 instances, 2 channels, 4 frequencies, 3 classes."""
    generator = np.random.default_rng(0)
    frequencies = np.stack([generator.choice(35, 4, replace=False) for _ in range(3)]).astype(np.uint16)
    metadata = Metadata(SHAPE, 2, ("a", "b", "c"), "dct", Quantization("uniform", 0.5))
    arguments = {
        "coefficients": generator.integers(-9, 9, (6, 2, 4)).astype(np.int16),
        "frequencies": in_order(frequencies, SHAPE),
        "labels": np.array([0, 0, 1, 1, 2, 2]),
        "metadata": metadata,
    }
    return arguments | changes


def test_masks_default_to_labels_and_arrays_are_read_only():
    data = FreDData(**parts())
    np.testing.assert_array_equal(data.mask_of, data.labels)
    assert (len(data), data.k, data.step, data.soft, data.masks_are_labels) == (6, 4, 0.5, False, True)
    assert data.labels.dtype == np.uint8
    for array in (data.coefficients, data.frequencies, data.labels, data.mask_of):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_equality_is_of_values_and_dtypes_and_survives_pickling():
    data = FreDData(**parts())
    assert data == FreDData(**parts()) == pickle.loads(pickle.dumps(data))
    assert data != FreDData(**parts(labels=np.array([0, 0, 1, 1, 2, 1])))
    assert data != FreDData(**parts(coefficients=parts()["coefficients"].astype(np.int32)))
    assert data != replace(data, metadata=replace(data.metadata, license="MIT"))
    assert data != "data"


def test_repr_shows_shapes_and_no_numbers_of_the_data():
    text = repr(FreDData(**parts()))
    assert text.splitlines()[0] == "FreDData: 6 instances of 2x5x7, 3 classes, k=4 dct, step 0.5"
    assert "6x2x4" in text
    assert "[" not in text


def test_soft_labels_need_a_mask_for_each_instance():
    soft = np.full((6, 3), 1 / 3, np.float32)
    with pytest.raises(FormatError, match=r"mask_of: missing"):
        FreDData(**parts(labels=soft))
    data = FreDData(**parts(labels=soft, mask_of=np.array([2, 1, 0, 2, 1, 0])))
    assert data.soft
    assert not data.masks_are_labels


def quantized(mode, step=None):
    return Metadata(SHAPE, 2, ("a", "b", "c"), "dct", Quantization(mode, step))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coefficients": np.zeros((6, 2, 4), np.float32)}, "coefficients: wrong dtype"),
        ({"coefficients": np.zeros((6, 3, 4), np.int16)}, "coefficients: wrong shape"),
        ({"coefficients": np.zeros((6, 8), np.int16)}, "coefficients: wrong shape"),
        ({"coefficients": np.zeros((0, 2, 4), np.int16)}, "no instance"),
        ({"coefficients": np.full((6, 2, 4), np.nan, np.float32), "metadata": quantized("float32")}, "NaN"),
        ({"frequencies": np.array([[0, 1, 2, 35]] * 3, np.uint16)}, "outside the spatial shape; expected below 35"),
        ({"frequencies": np.array([[0, 1, 2, 3]] * 2 + [[0, 1, 2, 2]], np.uint16)}, "repeats.*found mask 2"),
        ({"frequencies": np.array([[1, 0, 2, 3]] * 3, np.uint16)}, "canonical order"),
        ({"frequencies": np.zeros((0, 4), np.uint16)}, "no mask"),
        ({"frequencies": np.array([[0, 1, 2, 3]] * 2, np.uint16)}, "one mask per class"),
        ({"frequencies": np.array([[0, 1, 2, 3]] * 3, np.int64)}, "frequencies: wrong dtype"),
        ({"labels": np.array([0, 0, 1, 1, 2, 3])}, "labels: out of range; expected 0 to 2, found 3"),
        ({"labels": np.array([0, 0, 1, 1, 2, -1])}, "labels: out of range.*found -1"),
        ({"labels": np.zeros(5, np.int64)}, "labels: wrong shape"),
        ({"labels": np.zeros(6)}, "labels: wrong dtype"),
        ({"labels": np.full((6, 3), 0.5, np.float32), "mask_of": np.zeros(6, int)}, "not probabilities"),
        ({"labels": np.full((6, 2), 0.5, np.float32), "mask_of": np.zeros(6, int)}, "labels: wrong shape"),
        ({"mask_of": np.array([0, 0, 1, 1, 2, 3])}, "mask_of: out of range"),
        ({"base": np.zeros((3, 2, 5), np.int16)}, "base: wrong shape"),
        ({"base": np.zeros((3, 2, 4), np.int32)}, "base: wrong dtype"),
    ],
)
def test_contradictions_are_refused_by_name(changes, message):
    with pytest.raises(FormatError, match=message):
        FreDData(**parts(**changes))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Metadata((), 1, ("a",), "dct", Quantization("float32")), "1, 2 or 3 axes"),
        (lambda: Metadata((1, 2, 3, 4), 1, ("a",), "dct", Quantization("float32")), "1, 2 or 3 axes"),
        (lambda: Metadata((5, 0), 1, ("a",), "dct", Quantization("float32")), "spatial_shape"),
        (lambda: Metadata(SHAPE, 0, ("a",), "dct", Quantization("float32")), "channels"),
        (lambda: Metadata(SHAPE, 1, ("a", "a"), "dct", Quantization("float32")), "must be unique"),
        (lambda: Metadata(SHAPE, 1, (), "dct", Quantization("float32")), "classes"),
        (lambda: Quantization("uniform"), "needs a step"),
        (lambda: Quantization("float32", 0.5), "needs a step"),
        (lambda: Quantization("uniform", -0.5), "> 0"),
        (lambda: Quantization("uniform", float("inf")), "> 0"),
        (lambda: Quantization("int4", 0.5), "unknown quantization mode"),
        (lambda: Normalization((0.5,), (0.0,)), "std positive"),
        (lambda: Normalization((0.5, 0.5), (0.1,)), "one value per channel"),
        (
            lambda: Metadata(SHAPE, 2, ("a",), "dct", Quantization("float32"), Normalization((0.5,), (0.1,))),
            "expected 2 values, found 1",
        ),
    ],
)
def test_unusable_metadata_are_refused(build, message):
    with pytest.raises(FormatError, match=message):
        build()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "cifar10"}, "source: not an object; found str 'cifar10'"),
        ({"writer": ["me"]}, "writer: not an object"),
        ({"license": ["MIT"]}, "license: not a string; found list"),
        ({"citation": 1999}, "citation: not a string"),
        ({"classes": (0, 1)}, "classes: not a string; found int 0"),
        ({"classes": "ab"}, "classes: not a list"),
        ({"classes": ("a", "\ud800")}, "classes: a string that cannot be encoded in UTF-8"),
        ({"transform": 3}, "transform: not a string"),
        ({"spatial_shape": (5, 7.0)}, "spatial_shape: not an integer; found 7.0"),
        ({"channels": True}, "channels: not an integer"),
        ({"channels": "2"}, "channels: not an integer"),
        ({"normalization": ((0.5, 0.5), (1.0, 1.0))}, "normalization: not an object"),
        ({"results": {"accuracy": 0.5}}, "results: not a list"),
        ({"results": "91 %"}, "results: not a list"),
        ({"results": [0.5]}, "results: not an object; found float 0.5"),
        ({"results": None}, "results: not a list"),
        ({"results": [{"accuracy": float("nan")}]}, "results: JSON has no NaN"),
        ({"ext": {"a": {1: 2}}}, "ext: not a string; found int 1"),
        ({"ext": {"a": {1, 2}}}, "ext: metadata can only hold JSON values; found set"),
        ({"ext": {"a": np.int64(3)}}, "ext: metadata can only hold JSON values; found int64"),
        ({"ext": {"a": 2**53}}, "ext: .* too large for JSON"),
        ({"extensions": {"mine": 3}}, "extensions: mine: not an extension"),
        ({"extensions": {"mine": {"must_understand": True}}}, "extensions: mine: not an extension"),
        ({"extensions": {"integrity": {"must_understand": False}}}, "extensions: integrity: not an extension"),
        ({"extensions": {"license": {"must_understand": False}}}, "extensions: license: not an extension"),
    ],
    ids=str,
)
def test_metadata_that_could_not_be_read_back_cannot_be_made(changes, message):
    with pytest.raises(FormatError, match=message):
        replace(FreDData(**parts()).metadata, **changes)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Quantization("uniform", "0.5"), "step: not a number"),
        (lambda: Quantization("uniform", 0.5, error_rms=float("nan")), "error_rms: not a finite number"),
        (lambda: Quantization(3), "not a string"),
        (lambda: Normalization(0.5, 0.5), "not a list"),
        (lambda: Normalization(("a",), (1.0,)), "not a number"),
        (lambda: Whitening("zca", "0.1"), "not a number"),
        (lambda: Whitening("zca", 0.1, source="cifar10"), "not an object"),
    ],
)
def test_parts_of_metadata_are_typed(build, message):
    with pytest.raises(FormatError, match=message):
        build()


def test_endless_metadata_are_refused():
    endless = {}
    endless["again"] = endless
    with pytest.raises(FormatError, match="ext: nested too deeply"):
        replace(FreDData(**parts()).metadata, ext=endless)


def test_metadata_survive_json_and_are_frozen():
    metadata = Metadata(
        SHAPE,
        2,
        ("a", "b"),
        "dct",
        Quantization("uniform", 0.1, error_max=0.05, error_rms=0.0288),
        Normalization((0.1, 0.2), (0.3, 0.4)),
        source={"name": "x", "nested": {"list": [1, {"deep": None}]}},
        results=({"accuracy": 0.5},),
        license="MIT",
    )
    assert Metadata.from_json(metadata.to_json()) == metadata == pickle.loads(pickle.dumps(metadata))
    with pytest.raises(TypeError):
        metadata.source["nested"]["list"][1]["deep"] = 1
    assert "citation" not in metadata.to_json()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "zip"}, "format: not a fred document"),
        ({"version": "2.0"}, "version: an unknown version of the format"),
        ({"surprise": 1}, r"surprise: an unknown field"),
        ({"channels": "2"}, "channels: not an integer"),
        ({"channels": True}, "channels: not an integer"),
        ({"classes": "abc"}, "classes: not a list"),
        ({"quantization": {"mode": "uniform", "step": "1"}}, "quantization: not a number"),
        (
            {"quantization": {"mode": "uniform", "step": 1, "bits": 4}},
            r"quantization: fields are missing or unknown.*bits",
        ),
        ({"quantization": {"step": 1}}, r"quantization: fields are missing.*mode"),
        ({"normalization": {"mean": [0]}}, "normalization: fields are missing"),
        ({"results": {}}, "results: not a list"),
        ({"license": 3}, "license: not a string"),
        ({"spatial_shape": [5, 7.5]}, "spatial_shape: not an integer"),
        ({"mask": []}, "mask: not an object"),
    ],
)
def test_malformed_documents_are_refused_by_field(change, message):
    with pytest.raises(FormatError, match=message):
        Metadata.from_json(parts()["metadata"].to_json() | change)
