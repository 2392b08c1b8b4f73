"""Continual learning: digits arrive two classes at a time, and a buffer of a few kilobytes replays the old ones.

    python examples/continual.py [steps per task] [bytes per task]

After each task its images are coded in a file of a fixed size (`fredfmt.encode`, `max_bytes`), and the originals are
deleted. Later tasks train on their own images and on the same number of images that are decoded from the buffer. For
comparison: no buffer, a buffer of plain 8-bit pixels in the same number of bytes, and no deletion at all.

Expect both buffers to be far better than none, and plain pixels to be best for images of 8x8: an image has only 64
bytes, and each coded task needs about 2 kB for its metadata and container. For larger images that share is small.
"""

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fredfmt import FreDData, Source, decode, encode, ledger, open_source

TASKS = [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)]
PER_CLASS, K = 60, 20


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 10),
    )


class Coded:
    """The data of a task, in the form of a .fred file. ``labels`` are those of all ten classes."""

    def __init__(self, task: Source, classes: tuple[int, ...], max_bytes: int) -> None:
        kept = task.sample(PER_CLASS, seed=0)
        self.data: FreDData = encode(
            kept.normalized, kept.labels, k=K, mask="low", max_bytes=max_bytes, normalization=kept.normalization
        )
        self.bytes = ledger(self.data).total
        self.labels = torch.tensor(classes)[torch.from_numpy(kept.labels)]

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return decode(self.data, rows.tolist()), self.labels[rows]


class Pixels:
    """As many plain images as fit into the same bytes: 64 bytes and a label each."""

    def __init__(self, task: Source, classes: tuple[int, ...], max_bytes: int | None) -> None:
        count = len(task) if max_bytes is None else max_bytes // (task.images[:1].size + 1)
        rows = torch.randperm(len(task), generator=torch.Generator().manual_seed(0))[:count]
        self.images = torch.from_numpy(task.batch(rows.numpy()))
        self.labels = torch.tensor(classes)[torch.from_numpy(task.labels)[rows]]
        self.bytes = len(rows) * (task.images[:1].size + 1)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.images[rows], self.labels[rows]


Buffer = Coded | Pixels


def replayed(buffers: list[Buffer], count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """``count`` images from all buffers, each buffer with an equal share."""
    share = -(-count // len(buffers))
    parts = [buffer.batch(torch.randint(len(buffer), (share,), generator=generator)) for buffer in buffers]
    return torch.cat([images for images, _ in parts]), torch.cat([labels for _, labels in parts])


def run(keep: str, steps: int, max_bytes: int, train: Source, test: Source) -> tuple[float, float, int]:
    """Accuracy on all ten classes and on the eight old ones, and the bytes of the buffers."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model, buffers = network(), list[Buffer]()
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for classes in TASKS:
        task = train.of_classes(classes)
        current = Pixels(task, classes, None)
        for _ in range(steps):
            images, labels = current.batch(torch.randint(len(current), (32,), generator=generator))
            if buffers:
                old, old_labels = replayed(buffers, 32 * len(buffers), generator)
                images, labels = torch.cat([images, old]), torch.cat([labels, old_labels])
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        if keep == "coded":
            buffers.append(Coded(task, classes, max_bytes))
        elif keep == "pixels":
            buffers.append(Pixels(task, classes, max_bytes))
        elif keep == "everything":
            buffers.append(current)
    with torch.no_grad():
        right = model(torch.from_numpy(test.normalized[:])).argmax(1) == torch.from_numpy(test.labels)
    old = torch.from_numpy(test.labels) < TASKS[-1][0]
    return right.float().mean().item(), right[old].float().mean().item(), sum(buffer.bytes for buffer in buffers)


if __name__ == "__main__":
    steps, max_bytes = ([int(word) for word in sys.argv[1:]] + [150, 3500][len(sys.argv) - 1 :])[:2]
    train, test = open_source("digits"), open_source("digits", split="test")
    print(f"{'kept of old tasks':<18}{'bytes kept':>12}{'all classes':>13}{'old classes':>13}")
    for keep in ("nothing", "coded", "pixels", "everything"):
        everything, old, size = run(keep, steps, max_bytes, train, test)
        print(f"{keep:<18}{size:>12,}{everything:>13.1%}{old:>13.1%}")
