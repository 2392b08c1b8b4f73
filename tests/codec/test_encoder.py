"""Encoding real images against SciPy; searched steps; streaming; what is refused."""

import numpy as np
import pytest
import scipy.fft
import torch
from needed import compiled_loops

from fredfmt import ArgumentError, FredError, Normalization, encode, load, save
from fredfmt.codec import quantizer
from fredfmt.codec.quantizer import quantize
from fredfmt.data.sources import open_source
from fredfmt.errors import BudgetError
from fredfmt.model.ordering import ranks
from fredfmt.storage.files import packed_size


@pytest.fixture(scope="module")
def digits():
    """Real images, two channels and non-square, with labels."""
    source = open_source("digits")
    images = source.batch(np.arange(300))[:, :, :7]
    return np.concatenate([images, images[:, :, ::-1] * 0.5], axis=1), source.labels[:300]


def dense(data):
    """The spectra (instance, channel, height, width) that ``data`` stands for, scattered by plain numpy."""
    meta = data.metadata
    spectra = np.zeros((len(data), meta.channels, np.prod(meta.spatial_shape)))
    values = data.coefficients.astype(np.float64)
    if data.base is not None:
        values = values + data.base[data.mask_of]
    for instance, mask in enumerate(data.mask_of):
        spectra[instance][:, data.frequencies[mask]] = values[instance] * data.step
    return spectra.reshape(len(data), meta.channels, *meta.spatial_shape)


def decoded(data):
    axes = tuple(range(2, 2 + len(data.metadata.spatial_shape)))
    return scipy.fft.idctn(dense(data), axes=axes, norm="ortho")


@pytest.mark.parametrize("base", [False, True])
def test_all_frequencies_unquantised_give_the_images_back(digits, base):
    images, labels = digits
    data = encode(images, labels, k=56, step=None, base=base)
    np.testing.assert_allclose(decoded(data), images, atol=2e-6)
    assert data.metadata.reconstruction["rmse"] < 1e-4


def test_kept_coefficients_are_the_dct_rounded_to_the_step(digits):
    images, labels = digits
    data = encode(images, labels, k=20, step=0.25)
    spectra = scipy.fft.dctn(images.astype(np.float64), axes=(2, 3), norm="ortho")
    kept = dense(data)
    assert np.abs(np.where(kept != 0, kept - spectra, 0)).max() <= 0.125 + 1e-5
    assert data.coefficients.shape == (300, 2, 20)
    assert (np.diff(ranks((7, 8))[data.frequencies], axis=1) > 0).all()


@pytest.mark.parametrize("step", [0.5, None, "float16"])
@pytest.mark.parametrize("base", [False, True])
def test_the_recorded_errors_are_the_achieved_ones(digits, step, base):
    images, labels = digits
    data = encode(images, labels, k=20, step=step, base=base)
    rmse = np.sqrt(np.square(decoded(data) - images).mean())
    assert data.metadata.reconstruction["rmse"] == pytest.approx(rmse, rel=1e-4)


def test_a_base_takes_the_class_mean_out_of_the_instances(digits):
    images, labels = digits
    plain, based = (encode(images, labels, k=20, step=0.1, base=base) for base in (False, True))
    assert np.abs(based.coefficients).mean() < np.abs(plain.coefficients).mean()
    np.testing.assert_allclose(decoded(based), decoded(plain), atol=0.4)


class Rows:
    """Images that can be had in short slices only, as from a disk."""

    def __init__(self, images):
        self.images, self.shape, self.read = images, images.shape, 0

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        self.read = max(self.read, rows.stop - rows.start)
        return self.images[rows]


def test_rows_are_read_in_blocks_and_give_the_same_data(digits, monkeypatch):
    images, labels = digits
    monkeypatch.setattr("fredfmt.codec.spectra.BLOCK_BYTES", 40 * 2 * 56 * 4)
    rows = Rows(images)
    streamed = encode(rows, labels, k=11)
    assert rows.read == 40
    monkeypatch.undo()
    assert streamed == encode(images, labels, k=11)


def test_torch_tensors_are_taken(digits):
    images, labels = digits
    from_torch = encode(torch.from_numpy(images), torch.from_numpy(labels), k=11)
    assert from_torch == encode(images, labels, k=11)


@pytest.mark.parametrize("shape", [(19,), (13, 17), (4, 5, 6)])
@pytest.mark.parametrize("transform", ["dct", "hartley", "haar", "identity"])
def test_any_dimension_and_transform(shape, transform):
    images = np.random.default_rng(0).standard_normal((9, 2, *shape)).astype(np.float32)
    labels = np.arange(9) % 3
    size = int(np.prod(shape))
    data = encode(images, labels, k=size, transform=transform, step=None)
    assert data.metadata.reconstruction["rmse"] < 1e-3
    assert np.square(data.coefficients).sum() == pytest.approx(np.square(images).sum(), rel=1e-5)
    half = encode(images, labels, k=size // 2, transform=transform)
    left_out = np.square(images).sum() - np.square(half.coefficients * 0.5).sum()
    assert left_out > 0


@compiled_loops
@pytest.mark.parametrize("base", [False, True])
def test_a_byte_budget_is_met_closely_from_below(digits, base):
    data = encode(*digits, k=20, step=None, max_bytes=9000, base=base)
    assert 8900 <= packed_size(data) <= 9000
    assert data.metadata.quantization.mode == "uniform"


def test_a_target_error_is_met_closely_from_below(digits):
    data = encode(*digits, k=20, target_rmse=0.02)
    assert 0.0195 < data.metadata.quantization.error_rms <= 0.02


def test_the_bytes_that_an_error_names_are_enough(digits):
    with pytest.raises(BudgetError, match=r"max_bytes is less.*at least [\d,]+ bytes, found 10 bytes") as raised:
        encode(*digits, k=20, max_bytes=10)
    least = raised.value.least
    for max_bytes in range(least, least + 12):
        assert packed_size(encode(*digits, k=20, max_bytes=max_bytes)) <= max_bytes
    with pytest.raises(BudgetError):
        encode(*digits, k=20, max_bytes=least - 1)


def test_searches_that_cannot_end_well_are_refused(digits):
    with pytest.raises(ArgumentError, match="max_bytes is less"):
        encode(*digits, k=20, max_bytes=1000)
    with pytest.raises(ArgumentError, match="one of them"):
        encode(*digits, k=20, max_bytes=9000, target_rmse=0.1)
    with pytest.raises(ArgumentError, match="target_rmse"):
        encode(*digits, k=20, target_rmse=0)


def test_soft_labels_choose_the_mask_by_their_largest(digits, tmp_path):
    images, labels = digits
    soft = np.full((300, 10), 0.05, np.float32)
    soft[np.arange(300), labels] = 0.55
    data = encode(images, soft, k=11)
    np.testing.assert_array_equal(data.mask_of, labels)
    np.testing.assert_array_equal(data.coefficients, encode(images, labels, k=11).coefficients)
    save(data, tmp_path / "soft.fred")
    assert load(tmp_path / "soft.fred") == data


def test_a_given_mask_and_metadata_are_used(digits):
    images, labels = digits
    mask = np.tile(np.array([0, 1, 8], np.uint16), (10, 1))
    data = encode(
        images,
        labels,
        k=3,
        mask=mask,
        classes=[f"digit {i}" for i in range(10)],
        normalization=([0.1, 0.2], [0.3, 0.4]),
        license="CC-BY-4.0",
        ext={"mine": [1, 2]},
    )
    np.testing.assert_array_equal(data.frequencies, mask)
    assert data.metadata.normalization == Normalization((0.1, 0.2), (0.3, 0.4))
    assert data.metadata.classes[3] == "digit 3"
    assert data.metadata.ext["mine"] == (1, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((300, 7, 8), np.float32)[:, 0]}, "unusable shape"),
        ({"images": np.zeros((300, 1, 7, 8), np.uint8)}, "images are not floats"),
        ({"images": np.full((300, 1, 7, 8), np.nan, np.float32)}, "NaN or infinity; images 0 to 299|images 0 to 299"),
        ({"labels": np.zeros(299, int)}, "labels do not fit"),
        ({"labels": np.zeros(300)}, "labels do not fit"),
        ({"labels": np.full(300, -1)}, "negative"),
        (
            {"labels": np.r_[np.zeros(299, np.uint32), 2**32 - 1]},
            r"labels\[299\]: a label is too large.*65,535.*classes=",
        ),
        ({"k": 57}, "k is out of range"),
        ({"transform": "fft"}, "no such transform"),
        ({"mask": "best"}, "no such mask"),
        ({"mask": np.zeros((10, 5), np.uint16)}, "given mask has the wrong shape"),
        ({"classes": ["a", "b"]}, "too few class names"),
        ({"labels": np.arange(300) % 2 * 2}, "class 1"),
    ],
)
def test_unusable_arguments_are_refused(digits, changes, message):
    arguments = {"images": digits[0], "labels": digits[1], "k": 11} | changes
    with pytest.raises(ArgumentError, match=message):
        encode(**arguments)


def test_more_bytes_than_any_step_can_use_give_a_fine_step_and_no_error():
    images = np.random.default_rng(3).normal(size=(6, 2, 13, 17)).astype(np.float32)
    data = encode(images, [0, 1, 2, 0, 1, 2], k=5, mask="low", max_bytes=100_000)
    assert 0 < data.step < 1e-5
    assert data.metadata.quantization.error_rms < 1e-5


class Unread:
    """Images that must not be looked at."""

    shape = (20, 3, 8, 10)

    def __getitem__(self, rows):
        raise AssertionError("images were read")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 81}, "k is out of range; expected an integer from 1 to 80, all frequencies, found 81"),
        ({"k": 0}, "k is out of range"),
        ({"k": 9.0}, "k is out of range"),
        ({"mask": "evrr"}, "no such mask strategy"),
        ({"mask": "low", "transform": "dctt"}, "transform"),
        ({"k": 2, "mask": [[0, 1]]}, r"wrong shape; expected \(2, 2\), found \(1, 2\)"),
        ({"k": 2, "mask": [[0, 80], [0, 1]]}, "expected integers from 0 to 79, found int64, 0 to 80"),
        ({"k": 2, "mask": [[0, -1], [0, 1]]}, "expected integers from 0 to 79"),
        ({"k": 2, "mask": [[0.0, 1.0], [0.0, 1.0]]}, "expected integers from 0 to 79, found float64"),
        ({"k": 2, "mask": [[0, 1], [3, 3]]}, "repeats a frequency"),
        ({"step": -1}, "unusable step"),
        ({"step": "float8"}, "unusable step"),
        ({"target_rmse": 0.0}, "unusable target_rmse"),
        ({"target_rmse": float("nan")}, "unusable target_rmse"),
        ({"classes": 3}, "unusable classes; expected the names of all classes, in order, found 3"),
        ({"classes": "ab"}, "unusable classes"),
        ({"classes": [0, 1]}, "classes: not a string; found int 0"),
        ({"classes": ["a", "a"]}, "classes"),
        ({"normalization": 0.5}, "unusable normalization"),
        ({"normalization": ("a", "b")}, "unusable normalization"),
        ({"normalization": ([0.5] * 2, [0.5] * 2)}, "normalization"),
        (
            {"normalization": ([125.3] * 3, [63.0] * 3)},
            r"not that of images in 0..1.*mean .125.3.*divide both",
        ),
        ({"normalization": ([0.5] * 3, [2.0] * 3)}, "not that of images in 0..1"),
        ({"normalization": ([-0.5] * 3, [0.5] * 3)}, "not that of images in 0..1"),
        ({"channels": 8}, "wrong number of channels; expected 8, found 3"),
        ({"source": "cifar10"}, "source: not an object; found str 'cifar10'"),
        ({"license": ["MIT"]}, "license: not a string; found list"),
        ({"results": {"accuracy": 0.5}}, "results: not a list"),
        ({"colour": 3}, "unknown fields of metadata.*found .'colour'"),
        ({"target_rmse": "a"}, "unusable target_rmse; expected a finite number above 0, found 'a'"),
        ({"max_bytes": "5"}, "unusable max_bytes; expected an integer of at least 1, found '5'"),
        ({"max_bytes": 5.5}, "unusable max_bytes"),
        ({"max_bytes": -5}, "unusable max_bytes"),
        ({"seed": -1}, "unusable seed; expected an integer of at least 0, found -1"),
        ({"seed": -1, "mask": "low"}, "unusable seed"),
        ({"seed": None}, "unusable seed"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_before_images_are_read(changes, message):
    with pytest.raises(FredError, match=message):
        encode(Unread(), np.arange(20) % 2, **{"k": 9, **changes})


def test_a_list_of_images_is_one_clear_error():
    with pytest.raises(
        ArgumentError, match=r"images are not an array.*found list. Convert a list of images by numpy.stack"
    ):
        encode([np.zeros((3, 8, 8), np.float32)] * 20, np.arange(20) % 2, k=9)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_floats_of_any_width_are_cast(dtype):
    images = torch.rand(6, 2, 5, 7, generator=torch.Generator().manual_seed(0)).bfloat16()
    labels = torch.tensor([[0.75, 0.25], [0.25, 0.75]]).repeat(3, 1)
    expected = encode(images.float(), labels, k=9, mask="low")
    found = encode(images.to(dtype), labels.to(dtype), k=9, mask="low")
    assert found == expected
    assert found.labels.dtype == np.float32
    wide = encode(images.float().numpy().astype(np.longdouble), labels.double().numpy(), k=9, mask="low")
    assert wide == expected


@pytest.mark.parametrize("shape", [(4, 13, 17, 3), (4, 8, 8, 1), (4, 32, 32, 4), (4, 5, 6, 7, 3)])
def test_channels_that_come_last_are_refused(shape):
    images = np.zeros(shape, np.float32)
    with pytest.raises(ArgumentError, match=rf"the channels seem to be the last axis.*moveaxis.*channels={shape[1]}"):
        encode(images, np.arange(4) % 2, k=5, mask="low")
    data = encode(images, np.arange(4) % 2, k=5, mask="low", channels=shape[1])
    assert data.metadata.channels == shape[1]
    encode(np.moveaxis(images, -1, 1), np.arange(4) % 2, k=5, mask="low")


def test_images_that_are_not_in_0_to_1_are_not_taken_for_such_without_a_word(caplog):
    images = np.random.default_rng(0).random((6, 3, 8, 10), np.float32)
    labels = np.arange(6) % 2
    encode(images * 1.3 - 0.15, labels, k=5, mask="low")
    encode(images * 4 - 2, labels, k=5, mask="low", normalization=([0.5] * 3, [0.25] * 3))
    assert not caplog.records
    encode(images * 2 - 1, labels, k=5, mask="low")
    (record,) = caplog.records
    assert "images have values from -0.9994 to 0.999" in record.getMessage()
    assert "the file declares them to be in 0..1" in record.getMessage()


def test_a_mask_may_be_given_as_a_list_in_any_order():
    images = np.random.default_rng(0).random((6, 3, 8, 10), np.float32)
    data = encode(images, np.arange(6) % 2, k=3, mask=[[11, 0, 1], [2, 1, 0]])
    ordered = encode(images, np.arange(6) % 2, k=3, mask=np.array([[0, 1, 11], [0, 1, 2]], np.uint16))
    assert data == ordered


@pytest.mark.parametrize("k", [20, 64])
def test_rounding_by_rate_takes_fewer_bytes_at_the_same_error(k):
    digits = open_source("digits").sample(40, seed=0)
    sizes, data = {}, {}
    for rounding in ("nearest", "rate"):
        made = encode(digits.normalized, digits.labels, k=k, target_rmse=0.4, rounding=rounding)
        assert made.metadata.quantization.error_rms == pytest.approx(0.4, rel=0.02)
        sizes[rounding], data[rounding] = packed_size(made), made
    assert sizes["rate"] < 0.98 * sizes["nearest"]
    assert encode(digits.normalized, digits.labels, k=k, target_rmse=0.4) == data["rate"]
    exact = encode(digits.normalized, digits.labels, k=k, step=None).coefficients
    for made in data.values():
        error = made.coefficients * float(made.metadata.quantization.step) - exact
        assert np.abs(error).max() == pytest.approx(made.metadata.quantization.error_max, rel=1e-4)
        assert np.sqrt(np.square(error).mean()) == pytest.approx(made.metadata.quantization.error_rms, rel=1e-4)


@pytest.mark.parametrize("priced", [True, False])
def test_rounding_by_rate_takes_a_neighbour(monkeypatch, priced):
    if not priced:
        monkeypatch.setattr(quantizer, "QUICK", 10)
    values = np.random.default_rng(0).laplace(size=(50, 2, 9)) * np.linspace(5, 0.1, 9)
    nearest, rate = (quantize(values, 1.0, rounding=rounding)[0] for rounding in ("nearest", "rate"))
    assert np.abs(rate - values).max() < 1
    assert 0.01 < (rate != nearest).mean() < 0.5
    assert np.abs(rate).sum() < np.abs(nearest).sum()
    np.testing.assert_array_equal(quantize(nearest * 1.0, 1.0, rounding="rate")[0], nearest)
    large = quantize(values * 1000, 1.0, rounding="rate")[0]
    assert (large != quantize(values * 1000, 1.0)[0]).mean() < 0.05


def test_a_given_step_rounds_to_the_nearest_unless_asked():
    images = np.random.default_rng(0).random((20, 1, 8, 6), np.float32)
    plain = encode(images, np.arange(20) % 2, k=9, step=0.25)
    assert plain.metadata.quantization.error_max <= 0.125
    rated = encode(images, np.arange(20) % 2, k=9, step=0.25, rounding="rate")
    assert rated.metadata.quantization.error_max > 0.125
    with pytest.raises(ArgumentError, match="unknown rounding"):
        encode(images, np.arange(20) % 2, k=9, step=0.25, rounding="up")


def test_images_without_an_axis_of_channels_are_warned_of(caplog):
    images = np.random.default_rng(0).random((6, 8, 8), np.float32)
    encode(images, [0, 0, 0, 1, 1, 1], k=3, mask="low", channels=8)
    assert not caplog.records
    encode(images, [0, 0, 0, 1, 1, 1], k=3, mask="low")
    assert "signals of 8 channels" in caplog.text


def test_classes_without_images_are_warned_of(caplog):
    images = np.random.default_rng(0).random((4, 1, 8, 8), np.float32)
    encode(images, [0, 3, 0, 3], k=3, mask="low", classes=["a", "b", "c", "d"])
    assert not caplog.records
    encode(images, [0, 3, 0, 3], k=3, mask="low")
    assert "2 of 4 classes have no image" in caplog.text
