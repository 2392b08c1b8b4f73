"""The page's decoder, JavaScript written from the specification, against fredfmt, numcodecs and the vectors."""

import base64
import shlex
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from numcodecs import blosc

import fredfmt
from fredfmt.data.sources import open_source

pytestmark = pytest.mark.needs("node")
HERE = Path(__file__).parent
SPEC = HERE.parents[2] / "spec"
sys.path.append(str(SPEC / "conformance"))


def values_of(answer):
    decoded = answer["decoded"]
    return np.frombuffer(base64.b64decode(decoded["values"]), "<f8").reshape(decoded["shape"])


def made(path, shape, *, soft=False, own_masks=False, base=False, **options):
    """A file of smooth random images in three classes."""
    chance = np.random.default_rng(7)
    images = chance.normal(0, 1, (24, *shape))
    for axis in range(2, images.ndim):
        images = images.cumsum(axis) / np.sqrt(images.shape[axis])
    labels = np.arange(24) % 3
    if soft:
        labels = chance.dirichlet(np.ones(3), 24).astype(np.float32)
    data = fredfmt.encode(images.astype(np.float32), labels, classes=("é", "<b>", "c"), mask="amplitude", **options)
    if base or own_masks:
        kept = data.coefficients
        changes = {"base": (kept[:3] // 2 if kept.dtype.kind == "i" else kept[:3] / 2)} if base else {}
        if own_masks:
            changes["mask_of"] = (np.arange(24) // 8).astype(np.uint8)
        data = fredfmt.FreDData(
            **{"coefficients": kept, "frequencies": data.frequencies, "labels": data.labels, "metadata": data.metadata}
            | changes
        )
    fredfmt.save(data, path)
    return fredfmt.load(path)


def test_it_passes_every_vector_of_the_specification(reader):
    import run

    verdicts = list(run.drive(shlex.split(f"node {HERE / 'reader.js'}"), SPEC / "vectors" / "1.0", validator=False))
    assert [verdict for verdict in verdicts if verdict[2]] == []
    assert len(verdicts) > 100


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((1, 13, 17), {"k": 40, "step": 0.05}),
        ((3, 13, 17), {"k": 61, "step": None}),
        ((3, 12, 9), {"k": 30, "step": "float16"}),
        ((1, 31), {"k": 11, "step": 0.01}),
        ((2, 5, 7, 6), {"k": 50, "step": 0.02}),
        ((1, 13, 17), {"k": 40, "transform": "hartley"}),
        ((1, 13, 17), {"k": 40, "transform": "haar", "step": 0.1}),
        ((2, 13, 17), {"k": 40, "transform": "db2"}),
        ((1, 13, 17), {"k": 40, "transform": "identity"}),
        ((1, 9, 8), {"k": 20, "step": 0.05, "soft": True}),
        ((2, 9, 8), {"k": 20, "step": 0.05, "own_masks": True, "base": True}),
        ((2, 9, 8), {"k": 20, "step": None, "base": True}),
        ((1, 9, 8), {"k": 20, "normalization": ((0.3,), (0.2,))}),
    ],
    ids=str,
)
def test_every_instance_decodes_as_fredfmt_decodes_it(reader, tmp_path, shape, options):
    data = made(tmp_path / "x.fred", shape, **options)
    answer = reader(tmp_path / "x.fred")
    assert answer["digest"] == fredfmt.digest(data)
    assert answer["ledger"]["total"] == (tmp_path / "x.fred").stat().st_size
    ledger = fredfmt.ledger(data)
    assert all(answer["ledger"][part] == getattr(ledger, part) for part in ("coefficients", "metadata", "container"))
    np.testing.assert_allclose(answer["decoded"]["labels"], data.labels, atol=1e-6)
    for asked in ({}, {"k": 5}, {"normalized": False}):
        expected = fredfmt.decode(data, clip=False, **asked).double().numpy()
        np.testing.assert_allclose(values_of(reader(tmp_path / "x.fred", **asked)), expected, atol=1e-4)


@pytest.mark.parametrize("size", [(29, 11), (4, 40)])
def test_other_sizes(reader, tmp_path, size):
    data = made(tmp_path / "x.fred", (2, 13, 17), k=50, step=0.05)
    expected = fredfmt.decode(data, size=size).double().numpy()
    np.testing.assert_allclose(values_of(reader(tmp_path / "x.fred", size=size)), expected, atol=1e-4)


def test_many_real_images_in_several_blocks_and_chunks(reader, tmp_path):
    """Coefficients of 1700 digits at full length take several Blosc blocks; their digest says that all are right."""
    source = open_source("digits")
    for step in (0.001, None):
        data = fredfmt.encode(source.normalized, source.labels, k=64, step=step)
        fredfmt.save(data, tmp_path / "x.fred")
        assert reader(tmp_path / "x.fred", own_sha=True)["digest"] == fredfmt.digest(data)


def frames():
    """Contents that lead Zstandard through raw, repeated, Huffman and repeated-table blocks, near and far matches."""
    chance = np.random.default_rng(3)
    text = (Path(__file__).read_bytes() + (SPEC / "fred-1.0.md").read_bytes()) * 9
    noise = chance.integers(0, 256, 70_001, np.uint8).tobytes()
    yield from (b"\7", b"abc" * 5, bytes(300_000), noise, text, text[:70_000] + noise + text[:70_000])
    for spread in (0.6, 3, 40):
        yield chance.normal(0, spread, 200_003).round().astype("<i2").tobytes()
        yield chance.geometric(1 / (1 + spread), 5_001).astype("<u4").tobytes()
    for length in (1, 7, 17, 127, 129, 1025):
        yield chance.integers(0, 3, length, np.uint8).tobytes()


@pytest.mark.parametrize("shuffle", [blosc.NOSHUFFLE, blosc.SHUFFLE, blosc.BITSHUFFLE])
@pytest.mark.parametrize(("level", "block"), [(1, 0), (9, 0), (9, 4096), (5, 1 << 20)])
def test_blosc_frames(reader, tmp_path, shuffle, level, block):
    path = tmp_path / "frame"
    for number, content in enumerate(frames()):
        width = (1, 2, 4)[number % 3]
        content = content[: len(content) // width * width]
        array = np.frombuffer(content, f"<u{width}")
        if not array.size:
            continue
        path.write_bytes(blosc.compress(array, b"zstd", level, shuffle, block))
        answer = reader(path, frame=array.nbytes)
        assert base64.b64decode(answer.get("bytes", "")) == content, (number, len(content), answer.get("refused"))


def test_deflate_streams(reader, tmp_path):
    """Stored, fixed and dynamic blocks, near and far matches; one byte more, one less and a changed byte are errors."""
    path, refused = tmp_path / "stream", 0
    chance = np.random.default_rng(4)
    for content in (b"", *frames()):
        for level, strategy in ((0, 0), (1, 0), (9, 0), (9, zlib.Z_FIXED), (6, zlib.Z_HUFFMAN_ONLY), (6, zlib.Z_RLE)):
            deflater = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
            stream = deflater.compress(content) + deflater.flush()
            path.write_bytes(stream)
            answer = reader(path, deflated=len(content))
            assert base64.b64decode(answer["bytes"]) == content, (level, strategy, len(content))
            assert "refused" in reader(path, deflated=len(content) + 1)
            path.write_bytes(stream + b"\0")
            assert "refused" in reader(path, deflated=len(content))
            damaged = bytearray(stream)
            damaged[chance.integers(len(stream))] ^= 1 << chance.integers(8)
            path.write_bytes(damaged)
            answer = reader(path, deflated=len(content))
            refused += "refused" in answer
            assert "refused" in answer or len(base64.b64decode(answer["bytes"])) == len(content)
    assert refused > 20


def test_damaged_frames_are_refused_or_decode_to_as_many_bytes(reader, tmp_path):
    """Whatever the bytes, there is an answer, and never more memory than asked for."""
    chance = np.random.default_rng(5)
    array = chance.normal(0, 5, 4000).round().astype("<i2")
    frame = np.frombuffer(blosc.compress(array, b"zstd", 9, blosc.BITSHUFFLE, 0), np.uint8)
    path, refused = tmp_path / "frame", 0
    for _ in range(300):
        damaged = frame[: chance.integers(16, len(frame)) if chance.random() < 0.2 else None].copy()
        damaged[chance.integers(16, len(damaged) + 1, 3) - 1] = chance.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        answer = reader(path, frame=array.nbytes)
        refused += "refused" in answer
        assert "refused" in answer or len(base64.b64decode(answer["bytes"])) == array.nbytes
    assert refused > 50


def test_a_changed_byte_anywhere_is_refused(reader, tmp_path):
    made(tmp_path / "x.fred", (1, 5, 7), k=9, step=0.1)
    content = (tmp_path / "x.fred").read_bytes()
    for at in range(0, len(content), 37):
        damaged = bytearray(content)
        damaged[at] ^= 1 << at % 8
        (tmp_path / "y.fred").write_bytes(damaged)
        answer = reader(tmp_path / "y.fred")
        assert not answer["valid"], at
        assert answer["findings"][0].startswith("FRED-")
    (tmp_path / "y.fred").write_bytes(content[:-40])
    assert reader(tmp_path / "y.fred")["findings"] == ["FRED-401"]
