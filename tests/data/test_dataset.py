"""`FreDDataset`: values against scipy, indexing as lists do, batches, workers, transforms."""

import multiprocessing
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.fft import idctn
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, default_collate
from torchvision.transforms import v2

from fredfmt import FreDData, FreDDataset, FredError, FreDLoader, Normalization, decode, encode, save
from fredfmt.errors import FredFileNotFoundError, FredIndexError

MEAN, STD = (0.1, 0.2), (0.3, 0.4)


def make(*, soft=False, base=False, step=0.25, shape=(13, 17), count=23, classes=5, transform="dct"):
    generator = np.random.default_rng(7)
    images = generator.standard_normal((count, 2, *shape)).astype(np.float32)
    labels = np.arange(count) % classes
    if soft:
        labels = (np.eye(classes)[labels] * 0.75 + 0.05).astype(np.float32)
    return encode(images, labels, k=11, step=step, base=base, transform=transform, normalization=(MEAN, STD))


def pictures(data):
    """All images of DCT data in float64, by scipy from dense spectra."""
    meta = data.metadata
    spectra = np.zeros((len(data), meta.channels, int(np.prod(meta.spatial_shape))))
    for instance, mask in enumerate(data.mask_of):
        kept = data.coefficients[instance].astype(np.float64)
        if data.base is not None:
            kept = kept + data.base[mask]
        spectra[instance][:, data.frequencies[mask]] = kept * data.step
    spectra = spectra.reshape(len(data), meta.channels, *meta.spatial_shape)
    return idctn(spectra, axes=tuple(range(2, spectra.ndim)), norm="ortho")


KINDS = [
    {},
    {"soft": True},
    {"base": True},
    {"step": None},
    {"step": "float16"},
    {"shape": (19,)},
    {"shape": (5, 6, 7)},
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_door_gives_the_images_of_scipy(kind):
    data = make(**kind)
    expected = pictures(data)
    dataset = FreDDataset(data)
    chosen = [4, 19, 4, 0, 22, -2]
    batch = default_collate(dataset.__getitems__(chosen))
    images, labels = dataset.decode(chosen)
    one_by_one = default_collate([dataset[index] for index in chosen])
    for found_images, found_labels in (batch, (images, labels), one_by_one):
        np.testing.assert_allclose(found_images.numpy(), expected[chosen], atol=1e-5)
        assert found_images.dtype == torch.float32
        np.testing.assert_array_equal(found_labels.numpy(), data.labels[chosen])
        assert found_labels.dtype == (torch.float32 if data.soft else torch.int64)


@pytest.mark.parametrize("normalization", [True, False])
def test_in_0_to_1_the_normalisation_is_undone_and_values_are_clipped(normalization):
    space = Normalization(MEAN, (1.3, 1.4)) if normalization else None
    data = make()
    data = replace(data, metadata=replace(data.metadata, normalization=space))
    expected = pictures(data)
    if space:
        expected = expected * np.reshape(space.std, (2, 1, 1)) + np.reshape(space.mean, (2, 1, 1))
    assert expected.min() < 0 < 1 < expected.max()
    for clip, wanted in ((True, expected.clip(0, 1)), (False, expected)):
        options = {"normalized": False, "clip": clip}
        dataset = FreDDataset(data, **options)
        found = (
            decode(data, **options),
            dataset[:][0],
            next(iter(DataLoader(dataset, batch_size=23)))[0],
            next(iter(FreDLoader(data, **options)))[0],
            FreDLoader(data, **options).dataset[:][0],
        )
        for images in found:
            np.testing.assert_allclose(images.numpy(), wanted, atol=1e-5)
    eight_bits = v2.ToDtype(torch.uint8, scale=True)(decode(data, normalized=False))
    assert np.abs(eight_bits.numpy() / 255 - expected.clip(0, 1)).max() <= 1.001 / 255


def test_size_k_and_dtype_are_those_of_decode():
    data = make()
    image, _ = FreDDataset(data, size=(26, 9), k=4, dtype=torch.float64)[5]
    assert image.shape == (2, 26, 9)
    torch.testing.assert_close(image[None], decode(data, [5], size=(26, 9), k=4, dtype=torch.float64))


def test_labels_are_ints_or_tensors_of_probabilities():
    _, label = FreDDataset(make())[7]
    assert type(label) is int
    assert label == 2
    _, label = FreDDataset(make(soft=True))[7]
    torch.testing.assert_close(label, torch.tensor([0.05, 0.05, 0.8, 0.05, 0.05]))
    for soft in (False, True):
        dataset = FreDDataset(make(soft=soft))
        assert dataset.targets == [index % 5 for index in range(23)]
        assert dataset.labels.shape == ((23, 5) if soft else (23,))
        assert dataset.classes == ("0", "1", "2", "3", "4")
        assert len(dataset) == 23


@pytest.mark.parametrize("kind", [{}, {"soft": True}], ids=str)
def test_slices_lists_and_masks_give_batches(kind):
    dataset = FreDDataset(make(**kind))
    mask = np.zeros(23, bool)
    mask[[2, 7, 22]] = True
    for index, rows in (
        (slice(3, 20, 5), [3, 8, 13, 18]),
        (slice(None, None, -1), list(range(22, -1, -1))),
        ([5, -1, 5], [5, 22, 5]),
        ((4,), [4]),
        (range(2, 4), [2, 3]),
        (np.array([9, 0], np.uint8), [9, 0]),
        (torch.tensor([6]), [6]),
        (mask, [2, 7, 22]),
        (torch.from_numpy(mask), [2, 7, 22]),
        ([], []),
        (slice(0), []),
    ):
        expected_images, expected_labels = dataset.decode(rows)
        for found in (dataset, FreDDataset(dataset.data, transform=torch.clone)):
            images, labels = found[index]
            torch.testing.assert_close(images, expected_images)
            torch.testing.assert_close(labels, expected_labels, rtol=0, atol=0)
    for wrong in ([0, 23], [-24], mask[:-1]):
        with pytest.raises(FredIndexError, match="expected -23 to 22, or 23 booleans"):
            dataset[wrong]
    doubled = FreDDataset(dataset.data, target_transform=lambda label: 2 * label)
    torch.testing.assert_close(doubled[1:4][1], 2 * dataset[1:4][1])


class Inverted(FreDDataset):
    """As users write it: what the parent gives, changed."""

    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return -image, {"label": label, "index": index}


@pytest.mark.parametrize("workers", [0, 2])
def test_an_overridden_getitem_is_honoured_everywhere(workers):
    data = make()
    plain, inverted = FreDDataset(data), Inverted(data)
    chosen = [7, 3, 21, 3]
    for dataset, rows in (
        (inverted, list(range(23))),
        (Subset(inverted, chosen), chosen),
        (Subset(Subset(inverted, chosen), [1, 0]), [3, 7]),
    ):
        batches = list(DataLoader(dataset, batch_size=4, num_workers=workers))
        images = torch.cat([images for images, _ in batches])
        torch.testing.assert_close(images, -plain.decode(rows)[0])
        assert torch.cat([about["index"] for _, about in batches]).tolist() == rows
    torch.testing.assert_close(ConcatDataset([plain, inverted])[23 + 5][0], -plain[5][0])


def test_names_have_numbers():
    data = encode(np.zeros((2, 1, 4, 6), np.float32), [1, 0], k=2, mask="low", classes=["cat", "dog"])
    assert FreDDataset(data).class_to_idx == {"cat": 0, "dog": 1}


def test_indices_are_those_of_a_list():
    dataset = FreDDataset(make())
    torch.testing.assert_close(dataset[-1][0], dataset[22][0], rtol=0, atol=0)
    torch.testing.assert_close(dataset[np.int16(3)][0], dataset[torch.tensor(3)][0], rtol=0, atol=0)
    for wrong in (23, -24, 10**9):
        with pytest.raises(FredIndexError, match="no such instance; expected -23 to 22"):
            dataset[wrong]
        with pytest.raises(IndexError):
            dataset.decode([0, wrong])
    for wrong in (1.0, "1", None, [0.5], [[1, 2]], ["1"], {}):
        with pytest.raises(TypeError):
            dataset[wrong]
    assert dataset.decode([])[0].shape == (0, 2, 13, 17)
    assert dataset.__getitems__([]) == []
    assert sum(1 for _ in dataset) == 23


def test_samples_do_not_share_memory_with_the_data():
    dataset = FreDDataset(make(step=None))
    before = dataset[3][0].clone()
    dataset[3][0].zero_()
    torch.testing.assert_close(dataset[3][0], before, rtol=0, atol=0)


@pytest.mark.parametrize("suffix", [".fred", ".fred.h5", ".fred.zarr"])
def test_a_file_is_read_once_and_not_kept_open(tmp_path, suffix):
    data = make()
    path = tmp_path / f"x{suffix}"
    save(data, path)
    dataset = FreDDataset(path)
    path.rename(tmp_path / "elsewhere")
    torch.testing.assert_close(dataset[4][0], FreDDataset(data)[4][0], rtol=0, atol=0)
    assert isinstance(dataset.data, FreDData)
    with pytest.raises(FredFileNotFoundError):
        FreDDataset(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalized": "no"}, "unusable normalized"),
        ({"clip": 0}, "unusable clip"),
        ({"transform": 3}, "transform: not callable"),
        ({"target_transform": "x"}, "target_transform: not callable"),
    ],
)
def test_unusable_options_are_refused(options, message):
    with pytest.raises(FredError, match=message):
        FreDDataset(make(), **options)


def test_an_empty_path_is_refused():
    with pytest.raises(FredError, match="an empty path"):
        FreDDataset("")


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "x.fred"
    save(make(), path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(FredError, match=r"x\.fred"):
        FreDDataset(path)


class Negative:
    """A transform that pickles."""

    def __call__(self, value):
        return -value


def test_pickling_keeps_everything():
    dataset = FreDDataset(make(), transform=Negative(), target_transform=Negative(), size=(7, 5), normalized=False)
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.data == dataset.data
    torch.testing.assert_close(copy[9], dataset[9], rtol=0, atol=0)
    assert copy[9][1] == -4


def test_transforms_are_called_on_every_image_by_itself():
    shapes = []

    def watch(image):
        shapes.append(tuple(image.shape))
        return image + len(shapes)

    dataset = FreDDataset(make(), transform=watch, target_transform=str)
    (first, label), (second, _) = dataset.__getitems__([2, 2])
    assert shapes == [(2, 13, 17)] * 2
    assert label == "2"
    torch.testing.assert_close(second - first, torch.ones_like(first), rtol=0, atol=1e-6)


def test_torchvision_transforms_work_unchanged():
    transform = v2.Compose(
        [
            v2.ToImage(),
            v2.RandomResizedCrop((12, 9), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomAffine(10, translate=(0.1, 0.1)),
            v2.ToDtype(torch.float32),
            v2.Normalize([0.5, 0.5], [2, 2]),
            v2.ToPureTensor(),
        ]
    )
    torch.manual_seed(0)
    dataset = FreDDataset(make(), transform=transform)
    images, labels = next(iter(DataLoader(dataset, batch_size=6)))
    assert images.shape == (6, 2, 12, 9)
    assert labels.tolist() == [0, 1, 2, 3, 4, 0]
    twice, _ = default_collate(dataset.__getitems__([3, 3]))
    assert not torch.equal(twice[0], twice[1])


def test_a_loader_decodes_a_batch_at_once(monkeypatch):
    dataset = FreDDataset(make())
    sizes = []
    whole = FreDDataset.decode
    monkeypatch.setattr(FreDDataset, "decode", lambda self, rows: (sizes.append(len(rows)), whole(self, rows))[1])
    assert len(list(DataLoader(dataset, batch_size=9))) == 3
    assert len(list(DataLoader(Subset(dataset, [3, 1, 4, 1, 5]), batch_size=4))) == 2
    assert sizes == [9, 9, 5, 4, 1]


def test_subset_and_concatenation():
    hard, other = FreDDataset(make()), FreDDataset(make(step=None))
    subset = Subset(hard, [20, 3, 3])
    images, labels = next(iter(DataLoader(subset, batch_size=3)))
    torch.testing.assert_close(images, hard.decode([20, 3, 3])[0], rtol=0, atol=0)
    assert labels.tolist() == [0, 3, 3]
    both = ConcatDataset([hard, other])
    assert len(both) == 46
    images, labels = next(iter(DataLoader(both, batch_size=46)))
    torch.testing.assert_close(images[:23], hard.decode(range(23))[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(images[23:], other.decode(range(23))[0], rtol=0, atol=1e-6)
    assert labels.tolist() == 2 * [index % 5 for index in range(23)]


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_forked_workers_give_what_the_process_itself_gives(workers, soft):
    dataset = FreDDataset(make(soft=soft))
    expected = dataset.decode(range(23))
    loader = DataLoader(dataset, batch_size=7, num_workers=workers, multiprocessing_context="fork" if workers else None)
    found = [torch.cat(parts) for parts in zip(*loader, strict=True)]
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(found[1], expected[1], rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_that_start_afresh_give_the_same(tmp_path, method):
    assert method in multiprocessing.get_all_start_methods()
    save(make(), tmp_path / "x.fred")
    dataset = FreDDataset(tmp_path / "x.fred", transform=v2.RandomHorizontalFlip(1.0))
    loader = DataLoader(dataset, batch_size=23, num_workers=1, multiprocessing_context=method)
    images, labels = next(iter(loader))
    torch.testing.assert_close(images, dataset.decode(range(23))[0].flip(-1), rtol=0, atol=1e-6)
    assert labels.tolist() == dataset.targets


def test_the_base_class_is_torchs():
    dataset = FreDDataset(make())
    assert isinstance(dataset, Dataset)
    assert repr(dataset).startswith("FreDDataset of FreDData: 23 instances of 2x13x17, 5 classes")


@pytest.mark.needs("fashion-mnist")
def test_real_images_come_back_nearly_as_they_were(tmp_path):
    from fredfmt.data.sources import open_source

    source = open_source("fashion-mnist", split="test").sample(20)
    data = encode(source.normalized, source.labels, k=784, step=0.1, normalization=source.normalization)
    save(data, tmp_path / "x.fred")
    images, labels = next(iter(DataLoader(FreDDataset(tmp_path / "x.fred", normalized=False), batch_size=200)))
    error = images.numpy() - source.images[:] / 255
    assert np.sqrt((error**2).mean()) < 0.011
    np.testing.assert_array_equal(labels.numpy(), source.labels)
