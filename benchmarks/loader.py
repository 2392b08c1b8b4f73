"""Training from FreDLoader compared with tensors in memory, and FreDDataset with a folder of PNG files, in one run.

    python benchmarks/loader.py [--json] [--per-class 256] [--repeats 9]

The images are real ones of Fashion-MNIST, coded with 49 of 784 frequencies. Every way gets its turn in every repeat;
the figures are medians, and only ratios of one run are worth quoting.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from peers import as_it_is
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import ToTensor

import fredfmt
from fredfmt.data.sources import open_source
from fredfmt.distill.networks.convnet import ConvNet
from fredfmt.exchange.exporters import export

BATCH = 256
K = 49

Batches = Iterable[tuple[Tensor, Tensor]]


def coded(per_class: int) -> fredfmt.FreDData:
    """Real images in the layout of a distilled set."""
    source = open_source("fashion-mnist").sample(per_class)
    return fredfmt.encode(
        source.normalized, source.labels, k=K, normalization=source.normalization, classes=source.classes
    )


def medians(jobs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Seconds of each job, medians over interleaved repeats after one to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for repeat in range(repeats + 1):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            if repeat:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(spent) for name, spent in seconds.items()}


class Sliced:
    """Decoded tensors, shuffled and sliced by hand: the least that feeding from memory can cost."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in torch.randperm(len(self.images)).split(BATCH):
            yield self.images[rows], self.labels[rows]


def training(data: fredfmt.FreDData, repeats: int) -> dict[str, float]:
    """Seconds of an epoch of a ConvNet (width 32, depth 3) on batches that come in different ways."""
    images, labels = fredfmt.FreDDataset(data).decode(range(len(data)))
    network = ConvNet(1, (28, 28), 10, width=32, depth=3, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()

    def epoch(batches: Batches) -> None:
        for inputs, targets in batches:
            optimizer.zero_grad(set_to_none=True)
            criterion(network(inputs), targets).backward()
            optimizer.step()

    ways: dict[str, Batches] = {
        "FreDLoader": fredfmt.FreDLoader(data, batch_size=BATCH, shuffle=True),
        "TensorDataset in DataLoader": DataLoader(TensorDataset(images, labels), batch_size=BATCH, shuffle=True),
        "tensors sliced by hand": Sliced(images, labels),
    }
    return medians({name: lambda batches=batches: epoch(batches) for name, batches in ways.items()}, repeats)


def feeding(data: fredfmt.FreDData, repeats: int) -> dict[str, float]:
    """Seconds to run through all images in batches, without training."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "png"
        export(data, path)
        ways: dict[str, Iterable[object]] = {
            "DataLoader(FreDDataset)": DataLoader(fredfmt.FreDDataset(data), batch_size=BATCH),
            "DataLoader(ImageFolder of PNG)": DataLoader(ImageFolder(path, ToTensor()), batch_size=BATCH),
            "DataLoader(ImageFolder of PNG, grey)": DataLoader(
                ImageFolder(path, ToTensor(), loader=as_it_is), batch_size=BATCH
            ),
            "FreDLoader": fredfmt.FreDLoader(data, batch_size=BATCH),
        }
        return medians({name: lambda way=way: list(way) for name, way in ways.items()}, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--per-class", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    try:
        data = coded(arguments.per_class)
    except fredfmt.FredError as error:
        sys.exit(str(error))
    epochs, passes = training(data, arguments.repeats), feeding(data, arguments.repeats)
    if arguments.json:
        rates = {name: len(data) / seconds for name, seconds in passes.items()}
        figures = {"threads": torch.get_num_threads(), "images": len(data), "k": K, "batch_size": BATCH}
        print(json.dumps(figures | {"epoch_seconds": epochs, "images_per_second": rates}, indent=2))
        return
    print(f"{len(data):,} images of Fashion-MNIST, k = {K}, batches of {BATCH}, {torch.get_num_threads()} threads")
    print("An epoch of training a ConvNet (width 32, depth 3)")
    for name, seconds in epochs.items():
        print(f"  {name:38} {seconds * 1000:10,.1f} ms   {seconds / epochs['FreDLoader']:6.3f} of FreDLoader's")
    print("Images per second, decoding and collating alone")
    for name, seconds in passes.items():
        times = passes["DataLoader(ImageFolder of PNG)"] / seconds
        print(f"  {name:38} {len(data) / seconds:10,.0f}      {times:6.1f} times the ImageFolder")


if __name__ == "__main__":
    main()
