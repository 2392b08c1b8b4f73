"""Sources by name: the embedded digits, IDX files, torchvision's sets from made-up files, and what cannot be had."""

import gzip
import hashlib
import importlib.util
import io
import logging
import pickle
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from needed import FASHION

from fredfmt import ArgumentError, SourceError, load
from fredfmt.data.sources import SOURCES, idx, open_source
from fredfmt.data.sources.idx import read_idx

MAKE_DIGITS = Path(__file__).parents[3] / "tools" / "make_digits.py"
DOWNLOADED = ["mnist", "kmnist", "fashion-mnist", "svhn", "cifar10", "cifar100", "imagenette"]


@pytest.mark.needs("sklearn")
def test_digits_are_the_real_ones_without_loss():
    from sklearn.datasets import load_digits

    original = load_digits()
    train, test = open_source("digits"), open_source("digits", split="test")
    assert (len(train), len(test), train.images.shape[1:]) == (1297, 500, (1, 8, 8))
    assert np.bincount(test.labels).tolist() == [50] * 10
    for label in range(10):
        images = np.concatenate([part.images[part.labels == label] for part in (train, test)])
        np.testing.assert_array_equal(images[:, 0] * 16, original.images[original.target == label])
    assert train.normalization == test.normalization
    assert abs(train.batch(range(len(train))).mean()) < 1e-3
    assert train.license == "CC-BY-4.0"


@pytest.mark.needs("sklearn")
def test_the_script_makes_the_digits_that_ship(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("make_digits", MAKE_DIGITS)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    shipped = script.FOLDER
    monkeypatch.setattr(script, "FOLDER", tmp_path)
    script.main()
    for name in ("digits-train.fred", "digits-test.fred"):
        assert load(tmp_path / name) == load(shipped / name)


@pytest.mark.needs("fashion-mnist")
def test_fashion_mnist_is_found_where_debian_puts_it(tmp_path):
    source = open_source("fashion-mnist", data_root=tmp_path, download=False)
    assert source.images.shape == (60000, 1, 28, 28)
    assert source.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert (source.normalization.mean, source.normalization.std) == ((0.286,), (0.353,))
    test = open_source("fashion-mnist", split="test", data_root=tmp_path, download=False)
    assert np.bincount(test.labels).tolist() == [1000] * 10
    assert test.normalization == source.normalization
    assert hashlib.md5(test.images[:].tobytes()).hexdigest() == hashlib.md5(raw("t10k-images-idx3")[16:]).hexdigest()


def raw(name):
    return gzip.decompress((FASHION / f"{name}-ubyte.gz").read_bytes())


def idx_bytes(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_family(folder, *, packed, separator="-", seed=0):
    """Made-up idx files of 1x11x7 images, 23 to train on and 9 to test on; the arrays that they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    arrays = {}
    for prefix, count in (("train", 23), ("t10k", 9)):
        images, labels = generator.integers(0, 256, (count, 11, 7)), generator.integers(0, 10, count)
        for kind, array in ((f"images{separator}idx3", images), (f"labels{separator}idx1", labels)):
            content = idx_bytes(array)
            path = folder / f"{prefix}-{kind}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content) if packed else content)
        arrays[prefix] = (images, labels)
    return arrays


@pytest.mark.parametrize(
    ("name", "place", "packed", "separator"),
    [
        ("mnist", "MNIST/raw", False, "-"),
        ("fashion-mnist", "FashionMNIST/raw", True, "-"),
        ("kmnist", "kmnist", True, "-"),
        ("mnist", ".", False, "."),
    ],
)
def test_idx_files_are_found_in_every_layout(tmp_path, name, place, packed, separator):
    arrays = write_family(tmp_path / place, packed=packed, separator=separator)
    for split, prefix in (("train", "train"), ("test", "t10k")):
        source = open_source(name, split=split, data_root=tmp_path)
        np.testing.assert_array_equal(source.images[:][:, 0], arrays[prefix][0])
        np.testing.assert_array_equal(source.labels, arrays[prefix][1])
        assert source.normalization.mean[0] == pytest.approx(arrays["train"][0].mean() / 255, rel=1e-3)
    with pytest.raises(ArgumentError, match="only image files can be resized"):
        open_source(name, data_root=tmp_path, size=28)


def test_a_family_is_not_taken_for_another(tmp_path, monkeypatch):
    write_family(tmp_path / "MNIST/raw", packed=False)
    monkeypatch.setattr(idx, "DEBIAN", tmp_path / "none")
    for name in ("kmnist", "fashion-mnist"):
        with pytest.raises(SourceError, match=name):
            open_source(name, data_root=tmp_path, download=False)


GOOD = idx_bytes(np.arange(5 * 3 * 2).reshape(5, 3, 2))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (GOOD[:3], "not an IDX file"),
        (b"\0\0\x0d" + GOOD[3:], "not an IDX file"),
        (GOOD[:3] + b"\x07" + GOOD[4:], "not an IDX file"),
        (GOOD[:9], "truncated"),
        (GOOD[:-1], "truncated"),
        (GOOD + b"\0", "longer than its header declares"),
        (GOOD[:4] + b"\xff" * 12, "truncated"),
        (gzip.compress(GOOD, mtime=0)[:-12], "cannot be read"),
        (gzip.compress(GOOD[:4] + b"\xff" * 12, mtime=0), "truncated"),
        (gzip.compress(GOOD[:-1], mtime=0), "truncated"),
        (b"\x1f\x8b" + b"\0" * 30, "cannot be read"),
    ],
)
def test_damaged_idx_files_are_named_and_refused(tmp_path, content, message):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_every_flipped_byte_of_an_idx_header_is_noticed_or_harmless(tmp_path):
    path = tmp_path / "x"
    for position in range(16):
        path.write_bytes(GOOD[:position] + bytes([GOOD[position] ^ 4]) + GOOD[position + 1 :])
        with pytest.raises(SourceError):
            read_idx(path)


def test_labels_and_images_that_do_not_match_are_refused(tmp_path):
    write_family(tmp_path, packed=False)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(22)))
    with pytest.raises(SourceError, match=r"train-labels-idx1-ubyte: not one label per image"):
        open_source("mnist", data_root=tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros((4, 5))))
    with pytest.raises(SourceError, match=r"train-images-idx3-ubyte: not images"):
        open_source("mnist", data_root=tmp_path)


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(idx, "DEBIAN", Path("/nonexistent"))


def check_message(error, capfd):
    text = str(error)
    assert "\n" not in text
    assert "--data-root" in text
    assert error.__suppress_context__ or error.__context__ is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_failed_download_is_one_line_and_leaves_nothing(name, tmp_path, offline, capfd):
    root = tmp_path / "deep" / "root"
    with pytest.raises(SourceError, match=r"the download failed; found .*no network") as caught:
        open_source(name, data_root=root, size=(8, 8) if name == "imagenette" else None)
    check_message(caught.value, capfd)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*DOWNLOADED, "tiny-imagenet"])
def test_an_absent_source_says_what_to_do(name, tmp_path, offline, capfd):
    with pytest.raises(SourceError, match=f"{name}: not found") as caught:
        open_source(name, data_root=tmp_path, download=False, size=(8, 8) if name == "imagenette" else None)
    check_message(caught.value, capfd)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("whole", [True, False])
def test_a_download_appears_whole_or_not_at_all(tmp_path, monkeypatch, capfd, caplog, whole):
    """The network is replaced by files that torchvision would get, without their checksums."""
    from torchvision.datasets import KMNIST, utils

    write_family(tmp_path / "server", packed=True, seed=8)
    served = []

    class Response(io.BytesIO):
        url = None
        length = 1000

    def answer(request):
        name = request.full_url.rpartition("/")[2]
        if request.get_method() == "GET":
            served.append(name)
        if not whole and len(served) == 3:
            raise urllib.error.URLError("connection lost")
        return Response((tmp_path / "server" / name).read_bytes())

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    monkeypatch.setattr(utils, "check_integrity", lambda path, md5=None: Path(path).is_file())
    monkeypatch.setattr(KMNIST, "resources", [(name, None) for name, _ in KMNIST.resources])
    root = tmp_path / "root"
    if whole:
        with caplog.at_level(logging.INFO):
            assert len(open_source("kmnist", data_root=root)) == 23
        assert "downloading kmnist" in caplog.text
        assert [path.name for path in root.iterdir()] == ["KMNIST"]
        assert len(open_source("kmnist", split="test", data_root=root, download=False)) == 9
        assert len(set(served)) == 4
    else:
        with pytest.raises(SourceError, match="connection lost"):
            open_source("kmnist", data_root=root)
        assert len(served) == 3
        assert not root.exists()
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def unchecked(monkeypatch):
    """torchvision as it is, but content with files of other checksums."""
    from torchvision.datasets import cifar, svhn

    for module in (cifar, svhn):
        monkeypatch.setattr(module, "check_integrity", lambda path, md5=None: Path(path).is_file())


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_files_are_read(tmp_path, unchecked, name):
    from torchvision.datasets import CIFAR10, CIFAR100

    kind, key = {"cifar10": (CIFAR10, "labels"), "cifar100": (CIFAR100, "fine_labels")}[name]
    count = 10 if name == "cifar10" else 100
    folder = tmp_path / kind.base_folder
    folder.mkdir()
    generator = np.random.default_rng(3)
    pixels = generator.integers(0, 256, (7, 3, 32, 32), np.uint8)
    for file, _ in kind.train_list + kind.test_list:
        batch = {"data": pixels.reshape(7, -1), key: list(range(7))}
        (folder / file).write_bytes(pickle.dumps(batch))
    classes = [f"class {number}" for number in range(count)]
    (folder / kind.meta["filename"]).write_bytes(pickle.dumps({kind.meta["key"]: classes}))
    source = open_source(name, split="test", data_root=tmp_path)
    np.testing.assert_array_equal(source.images[:], pixels)
    assert source.classes == tuple(classes)
    assert source.labels.tolist() == list(range(7))
    assert source.spatial_shape == (32, 32)
    assert source.batch([2, 1]).flags.c_contiguous


@pytest.mark.needs("scipy")
def test_svhn_files_are_read(tmp_path, unchecked):
    from scipy.io import savemat

    pixels = np.random.default_rng(4).integers(0, 256, (5, 3, 32, 32), np.uint8)
    for split in ("train", "test"):
        contents = {"X": pixels.transpose(2, 3, 1, 0), "y": np.array([[10], [1], [2], [9], [10]], np.uint8)}
        savemat(tmp_path / f"{split}_32x32.mat", contents)
    source = open_source("svhn", split="test", data_root=tmp_path)
    np.testing.assert_array_equal(source.images[:], pixels)
    assert source.labels.tolist() == [0, 1, 2, 9, 0]


def test_svhn_without_scipy_says_so(tmp_path, unchecked, monkeypatch):
    (tmp_path / "train_32x32.mat").touch()
    monkeypatch.setitem(__import__("sys").modules, "scipy.io", None)
    with pytest.raises(SourceError, match="pip install scipy"):
        open_source("svhn", data_root=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spec": "nothing"}, "no such source"),
        ({"spec": "digits:x"}, "no such source"),
        ({"spec": "folder:"}, "a path is missing"),
        ({"spec": "digits", "split": "val"}, "no such split"),
        ({"spec": 5}, "no such source"),
        ({"spec": "digits", "split": 5}, "no such split"),
        ({"spec": "digits", "data_root": 5}, "unusable data_root"),
        ({"spec": "digits", "size": 0}, "unusable size"),
        ({"spec": "digits", "size": "8"}, "unusable size"),
        ({"spec": "digits", "size": 8.0}, "digits: unusable size; expected an integer of at least 1.*found 8.0"),
        ({"spec": "digits", "size": (8.0, 8.0)}, "unusable size"),
        ({"spec": "digits", "size": True}, "unusable size"),
        ({"spec": "digits", "size": (8, 8, 8)}, "unusable size"),
        ({"spec": "digits", "size": 9}, "only image files"),
    ],
)
def test_requests_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        open_source(**arguments)


def test_every_source_is_named_in_the_error():
    with pytest.raises(ArgumentError) as caught:
        open_source("nothing")
    assert all(name in str(caught.value) for name in SOURCES)


def test_the_users_cache_is_the_default_root(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    write_family(tmp_path / "fredfmt" / "MNIST" / "raw", packed=False)
    assert len(open_source("mnist", download=False)) == 23
