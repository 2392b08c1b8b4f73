"""The same images at the same error: fredfmt against image codecs and what projects share, in bytes and time.

    python benchmarks/codecs.py [SOURCE] [--images 10 100 1000] [--error 0.05]

fredfmt codes random images of every class with a root mean square error of at most ``--error`` (of pixels in 0..1), at
the number of kept frequencies that takes least bytes. Every lossy codec then gets the lowest quality whose error is not
above fredfmt's, for single files (their sizes summed) and for one contact sheet. Lossless forms store the pixels
themselves; ``pickle`` is the custom of projects: decoded float32 images. Codecs that Pillow lacks here are named and
left out.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import torch
from machine import processor
from numpy.typing import NDArray
from PIL import Image, features

from fredfmt import decode, encode, load, open_source, save

Pixels = NDArray[np.uint8]
SHARES = (0.06, 0.12, 0.25, 0.5, 1.0)
LOSSY = {"JPEG": True, "WEBP": features.check("webp"), "AVIF": features.check("avif"), "JXL": "JXL" in Image.SAVE}
QUALITIES = range(1, 101)


def rmse(one: NDArray, other: NDArray) -> float:
    """Root mean square difference of pixels in 0..1."""
    return float(np.sqrt(np.square(np.asarray(one, np.float64) - other).mean()))


def as_pictures(pixels: Pixels) -> list[Image.Image]:
    """(N, C, H, W) bytes as N pictures."""
    return [Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)) for image in pixels]


def as_sheet(pixels: Pixels) -> Pixels:
    """(N, C, H, W) as (1, C, rows H, columns W); places left over repeat the last image."""
    columns = int(np.ceil(np.sqrt(len(pixels))))
    rows = -(-len(pixels) // columns)
    padded = pixels[np.minimum(np.arange(rows * columns), len(pixels) - 1)]
    grid = padded.reshape(rows, columns, *pixels.shape[1:])
    return np.moveaxis(grid, 2, 0).swapaxes(2, 3).reshape(1, pixels.shape[1], rows * pixels.shape[2], -1)


def coded(pixels: Pixels, form: str, quality: int) -> list[bytes]:
    """Every picture as a file."""
    files = []
    for picture in as_pictures(pixels):
        stream = io.BytesIO()
        picture.save(stream, form, **({"optimize": True} if form == "PNG" else {"quality": quality}))
        files.append(stream.getvalue())
    return files


def decoded(files: list[bytes], channels: int) -> Pixels:
    """The pixels of files again."""
    mode = "L" if channels == 1 else "RGB"
    arrays = [np.asarray(Image.open(io.BytesIO(file)).convert(mode)) for file in files]
    return np.stack([array[None] if channels == 1 else np.moveaxis(array, -1, 0) for array in arrays])


def at_error(pixels: Pixels, form: str, error: float) -> tuple[int, float, float, float]:
    """(bytes, error, seconds to code, seconds to decode) at the lowest quality with at most this error."""
    low, high, best = 0, len(QUALITIES) - 1, None
    while low <= high:
        middle = (low + high) // 2
        begun = time.perf_counter()
        files = coded(pixels, form, QUALITIES[middle])
        between = time.perf_counter()
        found = rmse(decoded(files, pixels.shape[1]) / 255, pixels / 255)
        ended = time.perf_counter()
        if found <= error:
            best = (sum(map(len, files)), found, between - begun, ended - between)
            high = middle - 1
        else:
            low = middle + 1
    return best or (0, float("nan"), float("nan"), float("nan"))


def fredfmt_rows(source, unit: NDArray, error: float, folder: Path) -> list[tuple[str, int, float, float, float]]:
    """Both profiles, at the number of frequencies that takes least bytes with the compact one."""
    size = int(np.prod(source.spatial_shape))
    shared = {"normalization": source.normalization, "classes": source.classes, "mask": "low"}
    std = float(np.mean(source.normalization.std))
    best = None
    for k in sorted({max(1, round(share * size)) for share in SHARES}):
        exact = encode(source.normalized, source.labels, k=k, step=None, **shared)
        left = (error / std) ** 2 - exact.metadata.reconstruction["rmse"] ** 2
        if left <= 0:
            continue
        target = float(np.sqrt(left * size / k))
        while True:
            begun = time.perf_counter()
            data = encode(source.normalized, source.labels, k=k, target_rmse=target, **shared)
            seconds = time.perf_counter() - begun
            found = rmse(decode(data, normalized=False).numpy(), unit)
            if found <= error:
                break
            target *= 0.97
        save(data, folder / "x.fred", codec="compact")
        taken = (folder / "x.fred").stat().st_size
        if best is None or taken < best[0]:
            best = taken, data, seconds, found
    if best is None:
        return []
    rows = []
    for codec in ("compact", "core"):
        save(best[1], folder / "x.fred", codec=codec)
        begun = time.perf_counter()
        decode(load(folder / "x.fred"))
        rows.append(
            (f"fredfmt, {codec}", (folder / "x.fred").stat().st_size, best[3], best[2], time.perf_counter() - begun)
        )
    return rows


def written(write: Callable[[Path], object], folder: Path) -> int:
    """Bytes of what ``write`` makes."""
    write(folder / "y")
    return sum(file.stat().st_size for file in folder.glob("y*"))


def lossless_rows(pixels: Pixels, unit: NDArray, folder: Path) -> list[tuple[str, int]]:
    """Pixels as they are, and what projects share."""

    def hdf5(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.create_dataset("images", data=pixels, compression="gzip", shuffle=True)

    rows = [
        ("PNG, single files", sum(map(len, coded(pixels, "PNG", 0)))),
        ("PNG, one sheet", sum(map(len, coded(as_sheet(pixels), "PNG", 0)))),
    ]
    for name, write in (
        ("npz of bytes", lambda path: np.savez_compressed(path, images=pixels)),
        ("HDF5 of bytes, gzip", hdf5),
        ("pickle of decoded float32", lambda path: torch.save(torch.from_numpy(unit.astype(np.float32)), path)),
    ):
        with TemporaryDirectory(dir=folder) as inside:
            rows.append((name, written(write, Path(inside))))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", default="fashion-mnist")
    parser.add_argument("--images", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--error", type=float, default=0.05)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    train = open_source(options.source)
    report = []
    absent = [name for name, there in LOSSY.items() if not there]
    print(f"{options.source}, {processor()}" + (f"; not here: {', '.join(absent)}" if absent else ""))
    for count in options.images:
        source = train.sample(max(1, count // len(train.classes)), seed=0)
        pixels = np.asarray(source.images[:])
        if pixels.dtype != np.uint8:
            pixels = (pixels * 255).round().astype(np.uint8)
        unit = pixels / 255
        with TemporaryDirectory() as name:
            rows: list[tuple] = fredfmt_rows(source, unit, options.error, Path(name))
            error = rows[0][2] if rows else options.error
            for form in (form for form, there in LOSSY.items() if there):
                rows.append((f"{form}, single files", *at_error(pixels, form, error)))
                rows.append((f"{form}, one sheet", *at_error(as_sheet(pixels), form, error)))
            rows += lossless_rows(pixels, unit, Path(name))
        print(f"\n{len(pixels)} images of {'x'.join(map(str, pixels.shape[1:]))}, error {error:.4f}")
        for name, size, *more in rows:
            told = f"{more[0]:9.4f} {1e3 * more[1]:9.1f} ms {1e3 * more[2]:9.1f} ms" if more else ""
            print(f"  {name:<28}{size:>10,} B {size / rows[0][1]:7.2f} x {told}")
        report.append({"images": len(pixels), "error": error, "rows": rows})
    if options.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
