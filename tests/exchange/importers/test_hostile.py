"""Files from strangers: refused in one line, nothing executed, nothing large allocated."""

import contextlib
import io
import json
import os
import pickle
import resource
import struct
import zipfile
import zlib
from collections import OrderedDict

import fixtures
import h5py
import msgpack
import numpy as np
import pytest
import torch
from fixtures import MEAN, STD
from PIL import Image

from fredfmt import FredError, LimitError, Limits
from fredfmt.exchange.importers import Facts, import_file

FACTS = Facts(mean=MEAN, std=STD, zca="no", lr="unknown", classes="numbers", factor=1)


def refused(path, words=None, facts=FACTS, **options):
    """The one-line message with which a file is refused."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FredError, match=words) as caught:
        import_file(path, facts, **options)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
    text = str(caught.value)
    assert "\n" not in text
    assert path.name in text
    assert "weights_only" not in text  # torch advises to run what it refuses
    return text


class Command:
    """What a pickle can do to the one who opens it."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_runs_a_command_runs_nothing(zipped, tmp_path):
    images, labels = fixtures.digits()
    trace = tmp_path / "trace"
    value = {"data": [[torch.tensor(images), torch.tensor(labels)]], "accs_all_exps": Command(trace)}
    path = tmp_path / "res_DC.pt"
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    assert "system" in refused(path, "wants to execute code")
    assert not trace.exists()
    torch.load(path, weights_only=False)  # the same file does it to others
    assert trace.exists()


def test_a_plain_pickle_runs_nothing(tmp_path):
    path = tmp_path / "data.pt"
    path.write_bytes(pickle.dumps(Command(tmp_path / "trace"), protocol=2))
    refused(path)
    assert not (tmp_path / "trace").exists()


def rewritten(path, *, pickled=None, entries=None, compression=zipfile.ZIP_STORED):
    """The archive of torch with its pickle, or other entries, put in its place."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    folder = next(iter(contents)).partition("/")[0]
    if pickled is not None:
        contents[f"{folder}/data.pkl"] = pickled(contents[f"{folder}/data.pkl"])
    for name, content in (entries or {}).items():
        contents[f"{folder}/{name}"] = content
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def one_tensor(tmp_path, array):
    path = tmp_path / "x.pt"
    torch.save({"images": torch.tensor(array), "labels": torch.arange(len(array))}, path)
    return path


def test_a_tensor_larger_than_what_is_stored_is_refused_before_it_is_made(tmp_path):
    path = one_tensor(tmp_path, np.zeros((3, 1, 5, 7), np.float32))
    small, large = b"K\x03K\x01K\x05K\x07", b"J\xff\xff\xff\x0fK\x01K\x05K\x07"
    rewritten(path, pickled=lambda content: content.replace(small, large))
    refused(path, "claims more elements than are stored")
    path = one_tensor(tmp_path, np.zeros((3, 1, 5, 7), np.float32))
    rewritten(path, pickled=lambda content: content.replace(b"Ki", b"J\xff\xff\xff\x0f"))  # 105 floats
    refused(path, "numbers of a tensor are incomplete")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ([4], [-1], 3),
        ([4], [1], 1 << 40),
        ([1 << 32, 1 << 32], [1 << 32, 1], 0),
        ([0, 1 << 62], [1, 1], 0),
        ([1 << 62] * 4000, [0] * 4000, 0),
    ],
    ids=["backwards", "outside", "overflow", "empty", "axes"],
)
def test_tensors_of_impossible_shape(shape, strides, offset, zipped, tmp_path):
    def numbers(values):
        return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", value) for value in values) + b"t"

    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value

    storage = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu") + b"K\x04NtQ"
    rest = numbers([offset])[1:-1] + numbers(shape) + numbers(strides) + b"\x89ccollections\nOrderedDict\n)RtR."
    body = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest
    path = tmp_path / "x.pt"
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x/data.pkl", body)
            archive.writestr("x/data/0", b"\0" * 16)
    else:
        before = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
        head = b"".join(pickle.dumps(value, protocol=2) for value in before)
        path.write_bytes(head + body + pickle.dumps(["0"], protocol=2) + struct.pack("<q", 4) + b"\0" * 16)
    refused(path, "claims more elements|impossible number|without a usable shape")


def test_a_view_that_repeats_numbers_is_refused(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"images": torch.zeros(1).expand(1 << 30, 1, 5, 7), "labels": torch.zeros(1)}, path)
    refused(path, "claims more elements")


def test_old_pickles_that_declare_too_much_are_refused(tmp_path):
    path = tmp_path / "x.pt"
    torch.save(torch.zeros(2, 1, 5, 7), path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert b"KF" in content  # 70 floats
    path.write_bytes(content.replace(b"KF", b"J\xff\xff\xff\x7f", 1))
    refused(path, "numbers of a tensor are incomplete")


@pytest.mark.parametrize(
    "body",
    [
        b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",  # weights_only would allocate it
        b"\x80\x02ctorch._utils\n_rebuild_sparse_tensor\n)R.",
        b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.",
        b"\x80\x02]q\x00h\x00a.",  # a list within itself
        b"\x80\x02" + b"]" + b"q\x00](h\x00h\x00e" * 60 + b".",  # 2**60 lists
        b"\x80\x02K\x01K\x02.",
        b"\x80\x02h\x05.",
        b"\x80\x02}K\x01s.",
        b"\x80\x04\x96\xff\xff\xff\xff\xff\x00\x00\x00.",
        b"\x80\x02ccollections\nOrderedDict\n.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x04\x00\x00\x00zlib\x86R.",
        b"\x80\x02](X\x00\x00\x10\x00" + b"a" * (1 << 20) + b"q\x00"  # a megabyte, four thousand times
        b"" + b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R" * 4000 + b"e.",
        b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.",  # to hash this key ends the process
        b"\x80\x02(X\x07\x00\x00\x00storagectorch\nFloatStorage\n)"
        b"" + b"\x85" * 200_000 + b"X\x03\x00\x00\x00cpuK\x01tQ.",
        b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00V8\x89\x88\x87R(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\x7fK\x01K\x10tb.",
        b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\x00\x00\x00f8\x89\x88\x87R\x85R.",
        b"\x80\x02(X\x02\x00\x00\x00idiposix\nsystem\n.",  # INST
        b"\x80\x02(cposix\nsystem\nX\x02\x00\x00\x00ido.",  # OBJ
        b"\x80\x02Pposix.system\n.",  # PERSID
        b"",
    ],
)
def test_pickles_that_are_more_than_data(body, tmp_path):
    path = one_tensor(tmp_path, np.zeros((3, 1, 5, 7), np.float32))
    refused(rewritten(path, pickled=lambda content: body))


def test_archives_that_are_not_tensors(tmp_path):
    path = one_tensor(tmp_path, np.zeros((3, 1, 5, 7), np.float32))
    refused(rewritten(path, compression=zipfile.ZIP_DEFLATED), "compressed")
    path = one_tensor(tmp_path, np.zeros((3, 1, 5, 7), np.float32))
    refused(rewritten(path, entries={"code/__torch__.py": b"print()"}), "more than tensors")
    path = tmp_path / "empty.pt"
    zipfile.ZipFile(path, "w").close()
    refused(path)


def test_limits_hold(tmp_path):
    path = one_tensor(tmp_path, np.zeros((3, 1, 5, 7), np.float32))
    with pytest.raises(LimitError, match="decoded_bytes"):
        import_file(path, FACTS, limits=Limits(decoded_bytes=400))
    with pytest.raises(LimitError, match="file_bytes"):
        import_file(path, FACTS, limits=Limits(file_bytes=400))


@pytest.mark.parametrize("make", fixtures.EVERY, ids=lambda make: make.__name__)
def test_files_cut_short_are_refused(make, tmp_path):
    path, _, _ = make(tmp_path)
    path = path if path.is_file() else next(path.rglob("images_best.pt"), next(path.rglob("*.png"), None))
    content = path.read_bytes()
    for share in (0.0, 0.1, 0.5) if path.suffix == ".png" else (0.0, 0.1, 0.5, 0.98):
        path.write_bytes(content[: int(len(content) * share)])
        if path.suffix == ".png":
            with pytest.raises(FredError, match="cannot be decoded"):
                import_file(path.parent.parent, FACTS)
        else:
            refused(path)


@pytest.mark.parametrize("make", [fixtures.dc, fixtures.idc, fixtures.rat, fixtures.rfad, fixtures.frepo])
def test_flipped_bytes_never_end_in_a_traceback(make, tmp_path):
    path, _, _ = make(tmp_path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with contextlib.suppress(FredError):
            import_file(path, FACTS)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_images_and_labels_that_are_not_finite(bad, tmp_path):
    images, labels = fixtures.digits()
    np.savez(tmp_path / "x.npz", images=np.where(images > 1, bad, images), labels=labels)
    refused(tmp_path / "x.npz", "NaN or infinity")
    soft = np.full((len(images), 10), bad, np.float32)
    np.savez(tmp_path / "x.npz", images=images, labels=soft)
    refused(tmp_path / "x.npz", "NaN or infinity")


SHAPES = {
    "labels too few": {"images": np.zeros((4, 1, 5, 7), np.float32), "labels": np.arange(3)},
    "labels below zero": {"images": np.zeros((4, 1, 5, 7), np.float32), "labels": np.arange(4) - 1},
    "labels not whole": {"images": np.zeros((4, 1, 5, 7), np.float32), "labels": np.full(4, 0.5)},
    "no images": {"images": np.zeros((0, 1, 5, 7), np.float32), "labels": np.arange(0)},
    "two axes": {"images": np.zeros((4, 35), np.float32), "labels": np.arange(4)},
    "whole numbers": {"images": np.zeros((4, 1, 5, 7), np.int64), "labels": np.arange(4)},
    "strings": {"images": np.array(["a"] * 4), "labels": np.arange(4)},
    "no labels": {"images": np.zeros((4, 1, 5, 7), np.float32)},
    "other names": {"pictures": np.zeros((4, 1, 5, 7), np.float32)},
    "labels of three axes": {"images": np.zeros((4, 1, 5, 7), np.float32), "labels": np.zeros((4, 2, 2))},
}


@pytest.mark.parametrize("arrays", SHAPES.values(), ids=SHAPES)
def test_wrong_shapes(arrays, tmp_path):
    np.savez(tmp_path / "x.npz", **arrays)
    refused(tmp_path / "x.npz")


def test_objects_in_numpy_files_are_not_unpickled(tmp_path):
    trace = tmp_path / "trace"
    np.savez(tmp_path / "x.npz", images=np.array([Command(trace)], object), labels=np.zeros(1))
    refused(tmp_path / "x.npz", "never unpickled")
    assert not trace.exists()


def test_numpy_bombs(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("images.npy", header.getvalue())
    refused(tmp_path / "x.npz", "claims more bytes than are stored")
    with zipfile.ZipFile(tmp_path / "y.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", b"\0" * (80 << 20))
    refused(tmp_path / "y.npz", "exceeds the limit")


@pytest.mark.parametrize("shape", ["(-" * 4000 + "1,)" * 4000, "(0, 1 << 62)", "(0, 4611686018427387904)", "(True, 4)"])
def test_numpy_headers_that_are_none(shape, tmp_path):
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-len(text) % 64)
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + b"\0" * 64
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("images.npy", content)
    refused(tmp_path / "x.npz")
    (tmp_path / "x.npy").write_bytes(content)
    refused(tmp_path / "x.npy")


def test_safetensors_that_lie(tmp_path):
    path = tmp_path / "x.safetensors"
    for entry in (
        {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 800]},
        {"dtype": "F32", "shape": [200], "data_offsets": [0, 800]},
        {"dtype": "F32", "shape": [-2], "data_offsets": [8, 0]},
        {"dtype": "X9", "shape": [2], "data_offsets": [0, 8]},
        {"shape": [2]},
        7,
    ):
        header = json.dumps({"images": entry}).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 8)
        refused(path)
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    refused(path)


def test_hdf5_that_points_elsewhere(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["images"] = h5py.ExternalLink("/etc/passwd", "/x")
    refused(path, "link")
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (1 << 20, 1, 64, 64), "f4", chunks=(1, 1, 64, 64))
    refused(path, "exceeds the limit")


def test_msgpack_that_lies(tmp_path):
    path = tmp_path / "checkpoint_1"
    for body in (
        msgpack.packb(((1 << 40,), "float32", b"\0" * 8)),
        msgpack.packb(((2,), "object", b"\0" * 16)),
        msgpack.packb(5),
    ):
        params = {"x_proto": msgpack.ExtType(1, body), "y_proto": 1}
        path.write_bytes(msgpack.packb({"params": params}))
        refused(path)
    path.write_bytes(msgpack.packb({"params": msgpack.ExtType(9, b"x")}))
    refused(path, "extension")


def test_without_msgpack_it_is_named(tmp_path, monkeypatch):
    path, _, _ = fixtures.frepo(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "msgpack", None)
    refused(path, "pip install msgpack")


def test_fields_that_are_not_fields(tmp_path):
    facts = Facts(mean=MEAN, std=STD, zca="no", classes="numbers", w0=1.0, w0_initial=1.0, size=(7, 5))
    labels = torch.arange(1)
    for state in ({}, OrderedDict({"net.0.linear.weight": torch.zeros(3, 9)}), {"last_layer.linear.weight": 1}, 5):
        path = tmp_path / "x.pt"
        torch.save({"nf": [state], "label": labels}, path)
        refused(path, facts=facts)
    torch.save({"nf": [], "label": labels}, path)
    refused(path, facts=facts)


def test_a_text_file_and_a_folder_of_nothing(tmp_path):
    (tmp_path / "notes.txt").write_text("images are at example.org")
    refused(tmp_path / "notes.txt", "this kind of file cannot be imported")
    refused(tmp_path, "not exactly one file of the folder")
    refused(tmp_path / "none.pt", "no such file")


def test_links_in_a_folder_are_refused(tmp_path):
    path, _, _ = fixtures.folder_of_images(tmp_path)
    (path / "new00000" / "other.png").symlink_to(tmp_path / "private.png")
    Image.new("RGB", (5, 7)).save(tmp_path / "private.png")
    refused(path, "a link")
    (path / "new00000" / "other.png").unlink()
    (path / "z").symlink_to("/")
    refused(path, "a link")


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_odd_image_files(mode, tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.fromarray(np.arange(35, dtype=np.uint8).reshape(7, 5)).convert(mode).save(tmp_path / name / "x.png")
    (tmp_path / "a" / ".hidden.png").write_bytes(b"no image")
    (tmp_path / "notes.txt").touch()
    data = import_file(tmp_path)
    assert (len(data), data.metadata.channels) == (2, 1 if mode == "L" else 3)
    assert data.metadata.reconstruction["rmse"] == 0
    Image.new("RGB", (6, 7)).save(tmp_path / "a" / "y.png")
    refused(tmp_path, "differ in size|has colour")
    assert len(import_file(tmp_path, Facts(size=(7, 5)))) == 3 if mode != "L" else True
    (tmp_path / "empty").mkdir()
    refused(tmp_path, "a class has no images")


def test_image_files_of_sixteen_bits_are_refused(tmp_path):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    for kind, samples in ((0, 1), (2, 3), (6, 4)):  # grey, RGB, RGBA
        rows = b"".join(b"\0" + bytes(range(2 * samples * 5)) for _ in range(7))
        header = struct.pack(">IIBBBBB", 5, 7, 16, kind, 0, 0, 0)
        place = tmp_path / str(kind) / "a"
        place.mkdir(parents=True)
        body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        (place / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
        refused(place.parent, "more than 8 bits")
