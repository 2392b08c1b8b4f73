"""Round trips, determinism, damage and atomic writing, with plain zarr and plain h5py as independent readers."""

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import replace

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zarr.storage import ZipStore

from fredfmt import (
    ArgumentError,
    FormatError,
    FreDData,
    FredError,
    IntegrityError,
    LimitError,
    Limits,
    Metadata,
    Quantization,
    SourceError,
    convert,
    digest,
    encode,
    ledger,
    load,
    save,
    validate,
)
from fredfmt.model.ordering import coarse_to_fine
from fredfmt.storage.containers import archive, hierarchy
from fredfmt.storage.containers.encoding import as_archive
from fredfmt.storage.containers.package import unpack
from fredfmt.storage.containers.zigzag import unzigzag
from fredfmt.storage.files import packed_size
from fredfmt.storage.reading import SUFFIXES


def make(step=0.5, shape=(13, 17), soft=False, base=False, count=9):
    """A small dataset of every kind: non-square, two channels, three classes."""
    generator = np.random.default_rng(5)
    images = generator.standard_normal((count, 2, *shape)).astype(np.float32)
    labels = np.arange(count) % 3
    if soft:
        labels = np.eye(3, dtype=np.float32)[labels] * 0.7 + np.float32(0.1)
    return encode(images, labels, k=11, step=step, base=base, normalization=([0.1, 0.2], [0.3, 0.4]))


KINDS = [
    {},
    {"step": None},
    {"step": "float16"},
    {"step": 1e-6},
    {"soft": True},
    {"base": True},
    {"base": True, "step": None},
    {"shape": (19,)},
    {"shape": (5, 6, 7)},
]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_is_saved_is_loaded(tmp_path, suffix, kind):
    data = make(**kind)
    save(data, tmp_path / f"x{suffix}")
    assert load(tmp_path / f"x{suffix}") == data
    assert validate(tmp_path / f"x{suffix}").valid


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_conversion_through_all_containers_changes_no_byte(tmp_path, kind):
    data = make(**kind)
    first = tmp_path / "a.fred"
    save(data, first)
    convert(first, tmp_path / "b.fred.h5")
    convert(tmp_path / "b.fred.h5", tmp_path / "c.fred.zarr")
    convert(tmp_path / "c.fred.zarr", tmp_path / "d.fred")
    assert (tmp_path / "d.fred").read_bytes() == first.read_bytes()
    assert len({digest(path) for path in tmp_path.iterdir()} | {digest(data)}) == 1


def test_no_time_is_noted_in_hdf5(tmp_path):
    """Bit 5 of the flags of an object header says that times follow (HDF5 file format specification, IV.A.1.b)."""
    save(make(), tmp_path / "x.fred.h5")
    headers = (tmp_path / "x.fred.h5").read_bytes().split(b"OHDR\x02")[1:]
    assert len(headers) == 1 + len(h5py.File(tmp_path / "x.fred.h5"))
    assert not any(header[0] & 1 << 5 for header in headers)


def test_masks_of_their_own_are_stored(tmp_path):
    data = make()
    data = replace(data, mask_of=np.roll(data.mask_of, 1))
    for suffix in SUFFIXES:
        save(data, tmp_path / f"x{suffix}")
        assert load(tmp_path / f"x{suffix}") == data


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_plain_zarr_and_plain_h5py_read_the_same_numbers(tmp_path, kind):
    data = make(**kind)
    for suffix in SUFFIXES:
        save(data, tmp_path / f"x{suffix}")
    with (
        ZipStore(tmp_path / "x.fred", mode="r") as store,
        h5py.File(tmp_path / "x.fred.h5") as file,
    ):
        groups = [zarr.open_group(store, mode="r"), zarr.open_group(tmp_path / "x.fred.zarr", mode="r"), file]
        for group in groups:
            for name in ("coefficients", "frequencies", "labels", *(["base"] if data.base is not None else [])):
                found, expected = group[name][...], getattr(data, name)
                if found.dtype.kind == "u" and expected.dtype.kind == "i":
                    found = unzigzag(found)
                if name == "frequencies" and found.dtype == np.uint8:
                    order = coarse_to_fine(data.metadata.spatial_shape)
                    found = order[np.nonzero(found)[1]].reshape(len(found), -1).astype(expected.dtype)
                assert found.dtype == expected.dtype
                np.testing.assert_array_equal(found, expected)
        assert groups[0].attrs["fred"] == groups[1].attrs["fred"] == json.loads(bytes(file["metadata"][...]))


def test_large_arrays_are_cut_into_chunks(tmp_path, monkeypatch):
    data = make(count=100)
    monkeypatch.setattr("fredfmt.storage.containers.declared.CHUNK_BYTES", 11 * 2 * 2 * 30)
    for suffix in SUFFIXES:
        save(data, tmp_path / f"x{suffix}")
        assert load(tmp_path / f"x{suffix}") == data
    assert len(list((tmp_path / "x.fred.zarr/coefficients/c").iterdir())) == 4
    np.testing.assert_array_equal(
        unzigzag(zarr.open_array(tmp_path / "x.fred.zarr/coefficients", mode="r")[...]), data.coefficients
    )


GOLDEN_DIGEST = "sha256:910ad146ac39c03eae290b7dff7f03f8bfd65eb99c17f5147de1710ee89b639d"
GOLDEN_FILE = "37f36937c3714411fad8b9b8bb80ddbe6bb5cc245dd4c784be73954ed8ea9736"


def test_the_bytes_are_the_same_for_ever(tmp_path):
    """The same for zarr 3.1 and 3.4 and for every Python; a change here breaks hashes that people have published.

    Deflate streams are those of zlib; zlib-ng finds others of the same content.
    """
    order = coarse_to_fine((13, 17))
    data = FreDData(
        ((np.arange(9 * 2 * 11) * 7919 % 331 - 165) // 3).astype(np.int16).reshape(9, 2, 11),
        np.stack([order[:11], order[3:14], order[5:16]]).astype(np.uint16),
        np.arange(9) % 3,
        Metadata((13, 17), 2, ("a", "b", "c"), "dct", Quantization("uniform", 0.1), source={"name": "\u00e9\u20ac"}),
    )
    for name in ("x.fred", "y.fred"):
        save(data, tmp_path / name)
    assert (tmp_path / "x.fred").read_bytes() == (tmp_path / "y.fred").read_bytes()
    assert digest(data) == GOLDEN_DIGEST
    if "ng" not in zlib.ZLIB_RUNTIME_VERSION:
        assert hashlib.sha256((tmp_path / "x.fred").read_bytes()).hexdigest() == GOLDEN_FILE


def test_the_archive_is_a_plain_zip(tmp_path):
    save(make(), tmp_path / "x.fred")
    with zipfile.ZipFile(tmp_path / "x.fred") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        methods = [entry.compress_type for entry in archive.infolist()]
        assert methods == [zipfile.ZIP_DEFLATED, *[zipfile.ZIP_STORED] * (len(names) - 1)]
        assert archive.comment == zlib.crc32((tmp_path / "x.fred").read_bytes()[:-4]).to_bytes(4, "little")
    assert names == ["zarr.json", *sorted(names[1:])]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_ledger_adds_up_to_the_file(tmp_path, kind):
    data = make(**kind)
    save(data, tmp_path / "x.fred")
    size = (tmp_path / "x.fred").stat().st_size
    account = ledger(data)
    assert account.total == size == packed_size(data)
    assert account.bits_per_class == pytest.approx(8 * size / 3)
    assert (account.base > 0) == (data.base is not None)
    assert account.memory == data.nbytes
    assert account.ipc == pytest.approx(data.coefficients.size / 3 / (2 * np.prod(data.metadata.spatial_shape)))


def test_the_digest_is_what_the_specification_says():
    """Spelled out here a second time, from the docstring alone."""
    data = make(soft=True, base=True)
    state = hashlib.sha256()

    def part(name, dtype, array):
        array = np.asarray(array, f"<{dtype}")
        state.update(f"{name} {dtype} {'x'.join(map(str, array.shape))}\n".encode() + array.tobytes())

    part("coefficients", "i4", data.coefficients)
    part("frequencies", "u4", data.frequencies)
    part("labels", "f4", data.labels)
    part("mask_of", "u4", data.mask_of)
    part("base", "i4", data.base)
    part("spatial_shape", "u4", [13, 17])
    part("transform", "u1", list(b"dct"))
    part("quantization.mode", "u1", list(b"uniform"))
    part("quantization.step", "f8", [0.5])
    part("normalization.mean", "f8", [0.1, 0.2])
    part("normalization.std", "f8", [0.3, 0.4])
    for name in ("0", "1", "2"):
        part("class", "u1", list(name.encode()))
    assert digest(data) == f"sha256:{state.hexdigest()}"


def test_results_and_provenance_leave_the_digest_alone_and_meaning_does_not():
    data = make()
    noted = replace(data, metadata=replace(data.metadata, results=({"accuracy": 0.9},), license="MIT", source={"a": 1}))
    assert digest(noted) == digest(data)
    assert digest(replace(data, metadata=replace(data.metadata, classes=("x", "y", "z")))) != digest(data)
    assert digest(replace(data, metadata=replace(data.metadata, normalization=None))) != digest(data)
    assert digest(replace(data, coefficients=data.coefficients + np.int16(1))) != digest(data)


def contents(path):
    """Every file of a container with its bytes."""
    return {file: file.read_bytes() for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_flipped_bit_of_any_byte_is_an_error(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    save(make(), path)
    generator = np.random.default_rng(0)
    for file, content in contents(path).items():
        for place in range(len(content)):
            damaged = bytearray(content)
            damaged[place] ^= 1 << int(generator.integers(8))
            file.write_bytes(damaged)
            with pytest.raises(FormatError) as error:
                load(path)
            assert str(error.value).startswith(f"{path}: "), error.value
        file.write_bytes(content)
    assert validate(path).valid


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_truncation_and_any_addition_is_an_error(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    save(make(), path)
    for file, content in contents(path).items():
        for length in range(0, len(content), 7):
            file.write_bytes(content[:length])
            with pytest.raises(FormatError):
                load(path)
        for damaged in (content + b"\0", b"\0" + content):
            file.write_bytes(damaged)
            with pytest.raises(FormatError):
                load(path)
        file.write_bytes(content)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_spliced_files_never_load_as_something_else(tmp_path, data):
    suffix = data.draw(st.sampled_from([".fred", ".fred.h5"]))
    original = make()
    path = tmp_path / f"x{suffix}"
    if not path.exists():
        save(original, path)
    content = path.read_bytes()
    start, stop, to = (data.draw(st.integers(0, len(content))) for _ in range(3))
    spliced = content[:to] + content[start:stop] + content[to + data.draw(st.integers(0, 64)) :]
    try:
        assert load(io.BytesIO(spliced)) == original
    except FredError:
        assert spliced != content


@pytest.mark.parametrize("name", ["coefficients/c/0/0/0", "labels/c/0", "frequencies/zarr.json", "zarr.json"])
def test_a_missing_entry_is_an_error_that_names_it(tmp_path, name):
    save(make(), tmp_path / "x.fred.zarr")
    (tmp_path / "x.fred.zarr" / name).unlink()
    with pytest.raises(FormatError, match="missing") as error:
        load(tmp_path / "x.fred.zarr")
    assert all(part in str(error.value) for part in name.split("/"))


def test_entries_that_do_not_belong_are_errors(tmp_path):
    path = tmp_path / "x.fred.zarr"
    save(make(), path)
    for name in ("extra", "labels/extra", "labels/c/1", "Notes.txt", ".hidden"):
        (path / name).write_bytes(b"x")
        with pytest.raises(FormatError):
            load(path)
        (path / name).unlink()
    (path / "labels/c/0").rename(path.parent / "elsewhere")
    (path / "labels/c/0").symlink_to(path.parent / "elsewhere")
    with pytest.raises(FormatError, match="Links are not followed"):
        load(path)


def edited(path, change):
    """Rewrite the root document of a `.fred.zarr` after ``change(fred)``, in canonical form, digests untouched."""
    from fredfmt.model.documents import canonical

    document = json.loads((path / "zarr.json").read_bytes())
    change(document["attributes"]["fred"])
    (path / "zarr.json").write_bytes(canonical(document))


def test_edited_metadata_are_an_error(tmp_path):
    path = tmp_path / "x.fred.zarr"
    save(make(), path)
    edited(path, lambda fred: fred.update(license="MIT"))
    with pytest.raises(IntegrityError, match=r"zarr: metadata: integrity\.metadata"):
        load(path)


def test_arrays_of_another_file_are_an_error(tmp_path):
    save(make(), tmp_path / "x.fred.zarr")
    save(make(step=0.5, count=9, base=False), tmp_path / "y.fred.zarr")
    other = make()
    save(replace(other, labels=other.labels[::-1].copy(), mask_of=other.mask_of), tmp_path / "y.fred.zarr")
    stolen = (tmp_path / "y.fred.zarr/labels/c/0").read_bytes()
    (tmp_path / "x.fred.zarr/labels/c/0").write_bytes(stolen)
    with pytest.raises(IntegrityError, match=r"integrity\.content"):
        load(tmp_path / "x.fred.zarr")
    assert len(load(tmp_path / "x.fred.zarr", verify=False)) == 9


def test_limits_are_checked_before_anything_is_decoded(tmp_path):
    path = tmp_path / "x.fred"
    save(make(), path)
    for name, value in {
        "file_bytes": 100,
        "entries": 3,
        "json_bytes": 99,
        "json_depth": 2,
        "decoded_bytes": 50,
    }.items():
        with pytest.raises(LimitError, match=name):
            load(path, limits=Limits(**{name: value}))
    report = validate(path, limits=Limits(entries=3))
    assert (report.valid, report.readable) == (False, False)


def test_file_objects_and_urls(tmp_path):
    data = make()
    for suffix in (".fred", ".fred.h5"):
        save(data, tmp_path / f"x{suffix}")
        with open(tmp_path / f"x{suffix}", "rb") as file:
            assert load(file) == data
        assert load(io.BytesIO((tmp_path / f"x{suffix}").read_bytes())) == data
    with pytest.raises(SourceError):
        load("nonsense://x.fred")


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n" + bytes(600), b"hello", b"\x80\x02K\x01."]
)
def test_other_files_are_not_fredfmt_files(tmp_path, content):
    (tmp_path / "x.fred").write_bytes(content)
    with pytest.raises(FormatError):
        load(tmp_path / "x.fred")


def test_a_missing_file_is_caught_either_way(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.fred")
    with pytest.raises(FredError, match=r"none\.fred: no such file"):
        load(tmp_path / "none.fred")


def test_unusable_targets_are_refused_and_leave_nothing(tmp_path):
    for name in ("x.zip", "x", ".fred", "x.h5"):
        with pytest.raises(ArgumentError, match="unknown suffix"):
            save(make(), tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        save(make(), tmp_path / "none" / "x.fred")
    assert list(tmp_path.iterdir()) == []


def test_saving_replaces_what_was_there(tmp_path):
    for suffix in SUFFIXES:
        save(make(), tmp_path / f"x{suffix}")
        save(make(soft=True), tmp_path / f"x{suffix}")
        assert load(tmp_path / f"x{suffix}") == make(soft=True)
    assert {path.name for path in tmp_path.iterdir()} == {f"x{suffix}" for suffix in SUFFIXES}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("suffix", [".fred", ".fred.zarr"])
def test_both_profiles_hold_the_same(tmp_path, kind, suffix):
    data = make(**kind)
    paths = [tmp_path / f"{codec}{suffix}" for codec in ("compact", "core")]
    for path in paths:
        save(data, path, codec=path.name.split(".")[0])
        assert load(path) == data
        assert digest(path) == digest(data)
    convert(paths[1], tmp_path / f"again{suffix}", codec="compact")
    convert(paths[0], tmp_path / f"core again{suffix}", codec="core")
    for path, again in zip(paths, ("again", "core again"), strict=True):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / f"{again}{suffix}").read_bytes()
    assert packed_size(data, suffix, "compact") < packed_size(data, suffix, "core")


def test_profiles_are_named(tmp_path):
    with pytest.raises(ArgumentError, match="unknown profile"):
        save(make(), tmp_path / "x.fred", codec="zip")
    with pytest.raises(ArgumentError, match="no profiles"):
        save(make(), tmp_path / "x.fred.h5", codec="core")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("values", ["random", "constant", "repeated", "extreme"])
@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_no_array_takes_more_bytes_than_under_blosc(values, dtype):
    random = np.random.default_rng(0)
    limits = np.iinfo(dtype)
    shape = (300, 2, 11)
    coefficients = {
        "random": random.integers(limits.min, limits.max, shape, dtype, endpoint=True),
        "constant": np.full(shape, 12345, dtype),
        "repeated": np.broadcast_to(random.integers(-99, 99, (1, 2, 11), dtype), shape).copy(),
        "extreme": random.choice(np.array([limits.min, limits.max], dtype), shape),
    }[values]
    data = replace(make(count=300, step=0.25), coefficients=coefficients)
    data = replace(data, metadata=replace(data.metadata, quantization=Quantization("uniform", 1e-12)))
    held = {codec: as_archive(data, codec) for codec in ("compact", "core")}
    entries = {codec: archive.unpack(content) for codec, content in held.items()}
    sizes = {codec: len(found["coefficients/c/0/0/0"]) for codec, found in entries.items()}
    assert sizes["compact"] <= sizes["core"]
    assert unpack(hierarchy.decode(entries["compact"], len(held["compact"]))) == data


def test_large_arrays_take_the_quick_codec_unless_the_other_is_asked_for(monkeypatch):
    data = make(count=100)
    small, core = packed_size(data), packed_size(data, codec="core")
    assert small < core
    monkeypatch.setattr("fredfmt.storage.containers.codecs.context.QUICK", data.coefficients.size - 1)
    assert small < packed_size(data) < core
    assert packed_size(data, codec="compact") == small
