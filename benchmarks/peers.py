"""The same images fed to a training loop by what people use, in one run: images per second, memory, time to the first
batch.

    python benchmarks/peers.py [--json] [--source fashion-mnist] [--k 49] [--per-class 256] [--repeats 3]
        [--python litdata=VENV/bin/python ...]

Real images of a source, coded with k frequencies and decoded, are written once in the form of each way.
Then each way runs in a separate process, on one thread and without workers: it opens its files, runs through all images
in batches of 256 float32 tensors in order, and then once more, as later epochs do. Memory is what the process had
resident at most, over what importing took. Ways whose library is not installed say so; ``--python`` names an
interpreter that has it, for libraries that cannot be installed together.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import io
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from machine import peak, processor
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from torchvision.datasets import ImageFolder
from torchvision.transforms.functional import to_tensor

import fredfmt
from fredfmt.data.sources import open_source
from fredfmt.exchange.exporters import export

BATCH = 256
Batches = Iterable[Any]


def as_it_is(path: str) -> Image.Image:
    """A PNG file; ImageFolder's own loader makes three equal channels of a grey one."""
    with Image.open(path) as image:
        return image.copy()


def decoded(content: bytes) -> Tensor:
    """The content of a PNG file, float32 in 0..1."""
    return to_tensor(Image.open(io.BytesIO(content)))


def pixels_of(folder: Path) -> Iterator[tuple[bytes, int]]:
    """The PNG files of the exported folder with their labels."""
    for label, of_class in enumerate(sorted(path for path in (folder / "png").iterdir() if path.is_dir())):
        for path in sorted(of_class.glob("*.png")):
            yield path.read_bytes(), label


def tensors_of(folder: Path) -> tuple[Tensor, Tensor]:
    """All images, float32 in 0..1, and labels."""
    pairs = [(decoded(data), label) for data, label in pixels_of(folder)]
    return torch.stack([image for image, _ in pairs]), torch.tensor([label for _, label in pairs])


def write_fred(folder: Path) -> None:
    """`main` has written the file already."""


def fred_loader(folder: Path) -> Batches:
    return fredfmt.FreDLoader(fredfmt.load(folder / "images.fred"), batch_size=BATCH)


def fred_dataset(folder: Path) -> Batches:
    return DataLoader(fredfmt.FreDDataset(fredfmt.load(folder / "images.fred")), batch_size=BATCH)


def write_tensors(folder: Path) -> None:
    torch.save(tensors_of(folder), folder / "tensors.pt")


def tensor_dataset(folder: Path) -> Batches:
    return DataLoader(TensorDataset(*torch.load(folder / "tensors.pt")), batch_size=BATCH)


def image_folder(folder: Path) -> Batches:
    return DataLoader(ImageFolder(folder / "png", to_tensor, loader=as_it_is), batch_size=BATCH)


def write_safetensors(folder: Path) -> None:
    from safetensors.torch import save_file

    images, labels = tensors_of(folder)
    save_file({"images": images, "labels": labels}, folder / "images.safetensors")


def safetensors(folder: Path) -> Batches:
    from safetensors.torch import load_file

    held = load_file(folder / "images.safetensors")
    return DataLoader(TensorDataset(held["images"], held["labels"]), batch_size=BATCH)


def write_webdataset(folder: Path) -> None:
    with tarfile.open(folder / "shard-000000.tar", "w") as archive:
        for number, (data, label) in enumerate(pixels_of(folder)):
            for suffix, content in (("png", data), ("cls", str(label).encode())):
                entry = tarfile.TarInfo(f"{number:06}.{suffix}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))


def webdataset(folder: Path) -> Batches:
    import webdataset

    shards = webdataset.WebDataset(str(folder / "shard-000000.tar"), shardshuffle=False, empty_check=False)
    return DataLoader(shards.to_tuple("png", "cls").map_tuple(decoded, int), batch_size=BATCH)


def write_datasets(folder: Path) -> None:
    import datasets

    pairs = list(pixels_of(folder))
    columns = {"image": [{"bytes": data, "path": None} for data, _ in pairs], "label": [label for _, label in pairs]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(str(folder / "datasets"))


def hf_datasets(folder: Path) -> Batches:
    import datasets

    held = datasets.load_from_disk(str(folder / "datasets"))

    def made(rows: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        return {"image": [to_tensor(image) for image in rows["image"]], "label": rows["label"]}

    return DataLoader(held.with_transform(made), batch_size=BATCH)


def _pair(pair: tuple[bytes, int]) -> dict[str, Any]:
    return {"image": pair[0], "label": pair[1]}


def write_litdata(folder: Path) -> None:
    import litdata

    litdata.optimize(
        fn=_pair, inputs=list(pixels_of(folder)), output_dir=str(folder / "litdata"), num_workers=1, chunk_bytes="8MB"
    )


def litdata(folder: Path) -> Batches:
    import litdata

    class Decoded(litdata.StreamingDataset):
        def __getitem__(self, index: Any) -> tuple[Tensor, int]:
            held = super().__getitem__(index)
            return decoded(held["image"]), held["label"]

    return litdata.StreamingDataLoader(Decoded(str(folder / "litdata")), batch_size=BATCH)


WAYS: Mapping[str, tuple[str, Callable[[Path], None], Callable[[Path], Batches]]] = {
    "FreDLoader": ("fredfmt", write_fred, fred_loader),
    "DataLoader(FreDDataset)": ("fredfmt", write_fred, fred_dataset),
    "TensorDataset (torch.save)": ("torch", write_tensors, tensor_dataset),
    "safetensors, TensorDataset": ("safetensors", write_safetensors, safetensors),
    "ImageFolder (PNG)": ("torchvision", write_fred, image_folder),
    "WebDataset (PNG in tar)": ("webdataset", write_webdataset, webdataset),
    "HF datasets (PNG in Arrow)": ("datasets", write_datasets, hf_datasets),
    "LitData (PNG in chunks)": ("litdata", write_litdata, litdata),
}
"""By name: the library, what writes its files beside the folder of PNG files, and what reads them."""


def measure(name: str, folder: Path, repeats: int) -> dict[str, Any]:
    """In a separate process; files are written by another."""
    library, _, read = WAYS[name]
    importlib.import_module(library)
    torch.set_num_threads(1)
    before, first, rates, later, count = peak(), 0.0, [], [], 0
    for repeat in range(repeats):
        start, count = time.perf_counter(), 0
        opened = read(folder)
        for batch in opened:
            if not count and not repeat:
                first = time.perf_counter() - start
            count += images_in(batch)
        rates.append(count / (time.perf_counter() - start))
        start = time.perf_counter()
        later.append(sum(map(images_in, opened)) / (time.perf_counter() - start))
        del opened, batch  # the next repeat opens the files anew, and memory is that of one opening
    return {
        "images": count,
        "images per second": statistics.median(rates),
        "later": statistics.median(later),
        "first batch": first,
        "memory": peak() - before,
    }


def images_in(batch: Any) -> int:
    return len(batch["image"] if isinstance(batch, dict) else batch[0])


def run(python: str, job: str, name: str, folder: Path, repeats: int) -> dict[str, Any]:
    command = [python, __file__, "--job", job, "--way", name, "--folder", str(folder), "--repeats", str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["?"])[-1][:160]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--source", default="fashion-mnist")
    parser.add_argument("--k", type=int, default=49)
    parser.add_argument("--per-class", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--python", action="append", default=[], metavar="LIBRARY=INTERPRETER")
    parser.add_argument("--job", choices=("write", "read"), help=argparse.SUPPRESS)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        library, write, _ = WAYS[options.way]
        if importlib.util.find_spec(library) is None:
            sys.exit(f"{library} is not installed")
        found: Any = {}
        if options.job == "write":
            write(options.folder)
        else:
            found = measure(options.way, options.folder, options.repeats)
        print(json.dumps(found))
        return
    interpreters = dict(pair.split("=", 1) for pair in options.python)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = open_source(options.source).sample(options.per_class)
        how: dict[str, Any] = {"k": options.k, "normalization": source.normalization, "classes": source.classes}
        data = fredfmt.encode(source.normalized, source.labels, **how)
        fredfmt.save(data, folder / "images.fred")
        export(data, folder / "png")
        table = {}
        for way, (library, _, _) in WAYS.items():
            python = interpreters.get(library, sys.executable)
            written = run(python, "write", way, folder, options.repeats)
            table[way] = written if written else run(python, "read", way, folder, options.repeats)
            if not options.json:
                print(f"{way:28}", described(table[way]), flush=True)
    if options.json:
        print(json.dumps({"processor": processor(), "ways": table}, indent=2))
    else:
        print(processor())


def described(figures: Mapping[str, Any]) -> str:
    if "failed" in figures:
        return str(figures["failed"])
    return (
        f"{figures['images per second']:10,.0f} images/s, then {figures['later']:10,.0f}   "
        f"first batch {figures['first batch'] * 1e3:8,.1f} ms   "
        f"{figures['memory'] / 1e6:7,.1f} MB"
    )


if __name__ == "__main__":
    main()
