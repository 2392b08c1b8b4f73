"""`FreDLoader`: batches against `FreDDataset`, order, resuming, ranks, placement."""

import json
from itertools import chain

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from fredfmt import ArgumentError, Decoder, FreDDataset, FreDLoader, decode, encode, save
from fredfmt.errors import FredFileNotFoundError

MEAN, STD = (0.1, 0.2), (0.3, 0.4)


def make(*, soft=False, base=False, count=23, classes=5):
    generator = np.random.default_rng(7)
    images = generator.standard_normal((count, 2, 13, 17)).astype(np.float32)
    labels = np.arange(count) % classes
    if soft:
        labels = (np.eye(classes)[labels] * 0.75 + 0.05).astype(np.float32)
    return encode(images, labels, k=11, step=0.25, base=base, normalization=(MEAN, STD))


def numbered(count):
    """Data whose images say which instance they are."""
    coefficients = np.arange(count, dtype=np.float32)
    images = np.broadcast_to(coefficients[:, None, None, None], (count, 1, 3, 5))
    return encode(images, np.zeros(count, int), k=1, mask="low", step=None)


def instances(batches):
    """The instances that batches of `numbered` data hold, a list a batch."""
    return [images.mean(dim=(1, 2, 3)).round().int().tolist() for images, _ in batches]


def epoch_of(batches):
    """The instances of one epoch in order."""
    return list(chain.from_iterable(instances(batches)))


@pytest.mark.parametrize("kind", [{}, {"soft": True}, {"base": True}], ids=str)
def test_batches_are_those_of_the_dataset(kind):
    data = make(**kind)
    images, labels = FreDDataset(data).decode(range(23))
    batches = list(FreDLoader(data, batch_size=7))
    assert [len(part) for part, _ in batches] == [7, 7, 7, 2]
    torch.testing.assert_close(torch.cat([part for part, _ in batches]), images, rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.cat([part for _, part in batches]), labels, rtol=0, atol=0)


def test_options_are_those_of_the_dataset():
    data = make()
    options = {"size": (26, 9), "k": 4, "dtype": torch.float64, "normalized": False}
    images, _ = next(iter(FreDLoader(data, batch_size=23, **options)))
    torch.testing.assert_close(images, FreDDataset(data, **options).decode(range(23))[0])


def test_a_path_is_read_and_not_kept_open(tmp_path):
    save(make(), tmp_path / "x.fred.h5")
    loader = FreDLoader(tmp_path / "x.fred.h5", batch_size=10)
    (tmp_path / "x.fred.h5").unlink()
    assert len(list(loader)) == len(loader) == 3
    assert loader.classes == ("0", "1", "2", "3", "4")
    assert repr(loader).endswith("3 batches of 10 on cpu")
    with pytest.raises(FredFileNotFoundError):
        FreDLoader(tmp_path / "x.fred.h5")


def test_the_transform_gets_whole_batches():
    shapes = []

    def transform(images):
        shapes.append(tuple(images.shape))
        return images.flip(-1)

    data = make()
    images, _ = next(iter(FreDLoader(data, batch_size=9, transform=transform)))
    assert shapes == [(9, 2, 13, 17)]
    torch.testing.assert_close(images, FreDDataset(data).decode(range(9))[0].flip(-1), rtol=0, atol=1e-5)


def test_every_epoch_is_another_permutation_of_all():
    loader = FreDLoader(numbered(23), batch_size=5, shuffle=True, seed=3)
    epochs = [epoch_of(loader) for _ in range(3)]
    assert all(sorted(epoch) == list(range(23)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    again = FreDLoader(numbered(23), batch_size=4, shuffle=True, seed=3)
    assert [epoch_of(again) for _ in range(3)] == epochs
    other = FreDLoader(numbered(23), batch_size=5, shuffle=True, seed=4)
    assert epoch_of(other) not in epochs


def test_the_order_depends_on_nothing_global():
    torch.manual_seed(1)
    first = instances(FreDLoader(numbered(23), shuffle=True))
    torch.manual_seed(2)
    torch.rand(5)
    state = torch.get_rng_state()
    assert instances(FreDLoader(numbered(23), shuffle=True)) == first
    assert torch.equal(torch.get_rng_state(), state)


def test_the_order_is_fixed_for_ever():
    """A change of this order would break every interrupted run and every published seed."""
    loader = FreDLoader(numbered(11), batch_size=11, shuffle=True, seed=5)
    assert [epoch_of(loader) for _ in range(2)] == [
        [3, 5, 2, 6, 8, 4, 7, 9, 10, 1, 0],
        [5, 7, 4, 3, 9, 0, 10, 8, 1, 6, 2],
    ]


def test_epochs_can_be_chosen():
    loader = FreDLoader(numbered(23), batch_size=5, shuffle=True)
    epochs = [instances(loader) for _ in range(3)]
    assert loader.epoch == 3
    loader.set_epoch(1)
    assert loader.epoch == 1
    assert instances(loader) == epochs[1]
    assert instances(loader) == epochs[2]
    with pytest.raises(ArgumentError, match="epoch"):
        loader.set_epoch(-1)


def test_an_iteration_that_is_given_up_is_over():
    loader = FreDLoader(numbered(23), batch_size=5, shuffle=True)
    epochs = [instances(loader) for _ in range(2)]
    loader = FreDLoader(numbered(23), batch_size=5, shuffle=True)
    assert instances([next(iter(loader))]) == epochs[0][:1]
    assert instances(loader) == epochs[1]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_last", [True, False])
def test_resuming_gives_the_batches_that_were_left(shuffle, drop_last):
    options = {"batch_size": 5, "shuffle": shuffle, "drop_last": drop_last, "seed": 9}
    whole = FreDLoader(numbered(23), **options)
    stream = [batch for _ in range(3) for batch in instances(whole)]
    assert len(stream) == 3 * (4 if drop_last else 5)
    for stop in range(1, len(stream)):
        interrupted = FreDLoader(numbered(23), **options)
        seen, state = 0, None
        while state is None:
            for _ in interrupted:
                seen += 1
                if seen == stop:
                    state = json.loads(json.dumps(interrupted.state_dict()))
                    break
        resumed = FreDLoader(numbered(23), **options)
        resumed.load_state_dict(state)
        rest = []
        while len(rest) < len(stream) - stop:
            for batch in instances(resumed):
                rest.append(batch)
        assert rest == stream[stop:]


def test_choosing_the_epoch_after_resuming_goes_on_within_it():
    loader = FreDLoader(numbered(23), batch_size=5, shuffle=True)
    epochs = [instances(loader) for _ in range(3)]
    loader.set_epoch(1)
    batches = iter(loader)
    next(batches), next(batches)
    state = loader.state_dict()
    resumed = FreDLoader(numbered(23), batch_size=5, shuffle=True)
    resumed.load_state_dict(state)
    found = []
    for epoch in range(resumed.epoch, 3):
        resumed.set_epoch(epoch)
        found.append(instances(resumed))
    assert found == [epochs[1][2:], epochs[2]]
    resumed.load_state_dict(state)
    resumed.set_epoch(2)
    assert instances(resumed) == epochs[2]


def test_a_fresh_loader_has_a_state_too():
    loader = FreDLoader(numbered(23), batch_size=5, shuffle=True)
    first = loader.state_dict()
    batches = instances(loader)
    loader.load_state_dict(first)
    assert instances(loader) == batches


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"batch_size": 4}, {"shuffle": False}, {"drop_last": True}, {"world_size": 2}],
    ids=lambda change: next(iter(change)),
)
def test_a_state_of_other_settings_is_refused(change):
    options = {"batch_size": 5, "shuffle": True, "seed": 0}
    state = FreDLoader(numbered(23), **options).state_dict()
    name = next(iter(change))
    with pytest.raises(ArgumentError, match=f"{name}: the state is from a loader with other settings"):
        FreDLoader(numbered(23), **(options | change)).load_state_dict(state)
    with pytest.raises(ArgumentError, match="instances"):
        FreDLoader(numbered(24), **options).load_state_dict(state)


@pytest.mark.parametrize("change", [{"position": 5}, {"position": -1}, {"epoch": -1}, {"epoch": 0.5}, {"more": 1}])
def test_a_state_that_makes_no_sense_is_refused(change):
    loader = FreDLoader(numbered(23), batch_size=5)
    with pytest.raises(ArgumentError):
        loader.load_state_dict(loader.state_dict() | change)
    with pytest.raises(ArgumentError):
        loader.load_state_dict({})


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("count", [2, 23, 24])
def test_ranks_get_equal_shares_of_one_epoch(count, drop_last):
    world = 3
    if drop_last and count < world:
        with pytest.raises(ArgumentError, match="no batch"):
            FreDLoader(numbered(count), rank=0, world_size=world, drop_last=True, batch_size=1)
        return
    whole = epoch_of(FreDLoader(numbered(count), shuffle=True))
    size = 3 if drop_last else 5
    ranks = [
        FreDLoader(numbered(count), batch_size=size, shuffle=True, rank=rank, world_size=world, drop_last=drop_last)
        for rank in range(world)
    ]
    parts = [instances(loader) for loader in ranks]
    sizes = [[len(batch) for batch in part] for part in parts]
    assert sizes[0] == sizes[1] == sizes[2]
    assert all(len(loader) == len(part) for loader, part in zip(ranks, parts, strict=True))
    shares = [list(chain.from_iterable(part)) for part in parts]
    seen = list(chain.from_iterable(shares))
    if drop_last:
        assert len(set(seen)) == len(seen) == 3 * 3 * (count // world // 3)
    else:
        share = -(-count // world)
        assert set(seen) == set(range(count))
        assert len(seen) == share * world
        dealt = [share for position in zip(*shares, strict=True) for share in position]
        assert dealt == (whole * world)[: len(dealt)]


def test_a_state_of_one_rank_serves_all():
    options = {"batch_size": 3, "shuffle": True, "world_size": 2}
    ranks = [FreDLoader(numbered(23), rank=rank, **options) for rank in range(2)]
    streams = [instances(loader) for loader in ranks]
    again = [FreDLoader(numbered(23), rank=rank, **options) for rank in range(2)]
    next(iter(again[0]))
    state = again[0].state_dict()
    for loader, stream in zip(again, streams, strict=True):
        loader.load_state_dict(state)
        assert instances(loader) == stream[1:]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"rank": 1}, "rank"),
        ({"rank": -1}, "rank"),
        ({"world_size": 0}, "world_size"),
        ({"seed": -1}, "unusable seed"),
        ({"drop_last": True, "batch_size": 24}, "no batch"),
        ({"k": 12}, "k"),
        ({"shuffle": "no"}, "unusable shuffle; expected True or False, found 'no'"),
        ({"drop_last": 1}, "unusable drop_last"),
        ({"normalized": None}, "unusable normalized"),
        ({"clip": "x"}, "unusable clip"),
    ],
)
def test_unusable_options_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        FreDLoader(make(), **options)


def test_what_is_no_state_is_refused():
    with pytest.raises(ArgumentError, match="not the state of a FreDLoader; found NoneType"):
        FreDLoader(make()).load_state_dict(None)


@pytest.mark.needs("fake GPUs")
@pytest.mark.parametrize("kind", [{}, {"soft": True}, {"base": True}], ids=str)
def test_everything_is_made_on_the_device_without_asking_it(kind):
    """A fake GPU has no values, so anything that waits for one (.item(), .tolist(), a mask as index) fails."""
    data = make(**kind)
    with FakeTensorMode():
        loader = FreDLoader(data, batch_size=7, shuffle=True, device="cuda:0", normalized=False)
        for images, labels in loader:
            assert images.device.type == labels.device.type == "cuda"
            assert images.shape[1:] == (2, 13, 17)
            assert images.dtype == torch.float32


def test_the_default_device_is_torchs():
    loader = FreDLoader(make())
    assert loader.device == torch.get_default_device()
    with torch.device("meta"):
        images, labels = next(iter(FreDLoader(make(), shuffle=True)))
    assert images.device.type == labels.device.type == "meta"


def test_the_images_of_a_loader_one_by_one():
    loader = FreDLoader(make(), batch_size=23, normalized=False, size=(7, 9), k=5, transform=lambda images: 1 - images)
    images, labels = next(iter(loader))
    assert len(loader.dataset) == 23
    torch.testing.assert_close(1 - loader.dataset[:][0], images)
    torch.testing.assert_close(loader.dataset[:][1], labels)
    assert loader.dataset is loader.dataset


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for what is not there")
def test_a_device_that_is_not_there_is_one_error():
    data = make()
    for make_images in (
        lambda device: FreDLoader(data, device=device),
        lambda device: decode(data, device=device),
        lambda device: Decoder.of(data, device=device),
    ):
        for device in ("cuda", "cuda:1", "nonsense"):
            with pytest.raises(ArgumentError, match=f"device: no such device; expected .*, found {device} .*Use cpu"):
                make_images(device)
