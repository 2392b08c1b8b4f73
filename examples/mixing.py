"""Distilled and real images together: a `FreDDataset` is an ordinary torch dataset.

    python examples/mixing.py FILE SOURCE [real images per class] [steps]

`ConcatDataset` joins the two, and a `WeightedRandomSampler` gives each half of every epoch, although their sizes
differ. The example trains on the file alone, on a few real images alone, and on both.
"""

import sys
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, DataLoader, Dataset, WeightedRandomSampler

from fredfmt import FreDDataset, Source, open_source


class Real(Dataset[tuple[Tensor, int]]):
    """Real images as the pairs that `FreDDataset` gives: an image and a Python int."""

    def __init__(self, source: Source) -> None:
        self.images = torch.from_numpy(source.normalized[:])
        self.targets: list[int] = source.labels.tolist()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index], self.targets[index]


def accuracy(parts: list[Dataset[tuple[Tensor, int]]], steps: int, test: Source) -> float:
    """Train on ``parts`` in equal shares, and return the accuracy on ``test``."""
    torch.manual_seed(0)
    weights = torch.cat([torch.full((len(part),), 1 / len(part)) for part in parts])
    sampler = WeightedRandomSampler(weights, num_samples=64 * steps, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(
        nn.Conv2d(test.channels, 48, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(48, 48, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(768, len(test.classes)),
    )
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.05)
    for images, labels in DataLoader(ConcatDataset(parts), batch_size=64, sampler=sampler):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    with torch.no_grad():
        right = model(torch.from_numpy(test.normalized[:])).argmax(1) == torch.from_numpy(test.labels)
    return right.float().mean().item()


def main(file: str, source: str, per_class: int = 3, steps: int = 200) -> None:
    distilled = FreDDataset(file)
    meta = distilled.data.metadata
    if meta.whitening is not None or distilled.data.soft or meta.normalization is None:
        raise SystemExit(f"{file}: this example needs hard labels and normalised images that are not whitened")
    train, test = (open_source(source, split=split).of_classes(meta.classes) for split in ("train", "test"))
    # Real images must be in the space of the file before the two can be mixed.
    few = Real(replace(train.sample(per_class, seed=1), normalization=meta.normalization))
    test = replace(test, normalization=meta.normalization)
    for name, parts in (("file alone", [distilled]), ("real alone", [few]), ("both, half and half", [distilled, few])):
        count = sum(len(part) for part in parts)
        print(f"{name:<21}{count:>5} images{accuracy(parts, steps, test):>9.1%}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
