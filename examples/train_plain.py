"""A complete training script: trains a network on a .fred file, and measures its accuracy on real test images.

    python examples/train_plain.py FILE SOURCE [steps]        python examples/train_plain.py digits.fred digits

Coefficients are on the device in stored form, and every batch is decoded there, without workers and image files.
"""

import sys
import time
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fredfmt import FreDLoader, open_source

BATCH, PEAK_LR, MOMENTUM, WEIGHT_DECAY, SMOOTHING = 128, 0.05, 0.9, 5e-4, 0.1


def network(channels: int, classes: int, width: int = 48) -> nn.Sequential:
    """Three blocks of convolution, norm and ReLU, and the mean of each feature over the image."""
    layers: list[nn.Module] = []
    for before, after in ((channels, width), (width, 2 * width), (2 * width, 2 * width)):
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.GroupNorm(8, after), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if after != before else []
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8 * width, classes))


def shift(images: Tensor, reach: int) -> Tensor:
    """Each image shifted by up to ``reach`` pixels in both directions, padded with the values of its border."""
    height, width = images.shape[2:]
    moves = torch.randint(-reach, reach + 1, (2, len(images), 1), device=images.device)
    rows = (torch.arange(height, device=images.device) + moves[0]).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) + moves[1]).clamp(0, width - 1)
    images = torch.take_along_dim(images, rows[:, None, :, None], 2)
    return torch.take_along_dim(images, columns[:, None, None, :], 3)


def main(file: str, source: str, steps: int = 300) -> None:
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    loader = FreDLoader(file, batch_size=BATCH, shuffle=True, device=device)
    meta = loader.data.metadata
    if meta.whitening is not None:
        raise SystemExit(
            f"{file} contains whitened images, so test images must be whitened in the same way: use fredfmt evaluate"
        )
    reach = max(1, min(meta.spatial_shape) // 12)

    model = network(meta.channels, len(loader.classes)).to(device)
    optimizer = torch.optim.SGD(
        model.parameters(), PEAK_LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LR, total_steps=steps, pct_start=0.2)

    started, done = time.perf_counter(), 0
    while done < steps:
        for images, labels in loader:  # labels are integers, or probabilities if the file has soft labels
            loss = F.cross_entropy(model(shift(images, reach)), labels, label_smoothing=SMOOTHING)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            done += 1
            if done == steps:
                break
    seconds = time.perf_counter() - started

    # Test images must be in the space in which the file was made.
    test = open_source(source, split="test").of_classes(loader.classes)
    if meta.normalization is not None:
        test = replace(test, normalization=meta.normalization)
    right = 0
    with torch.no_grad():
        for first in range(0, len(test), 1000):
            images = torch.from_numpy(test.normalized[first : first + 1000]).to(device)
            labels = torch.from_numpy(test.labels[first : first + 1000]).to(device)
            right += (model(images).argmax(1) == labels).sum().item()
    print(f"trained on {len(loader.data)} decoded images, {steps} steps, {seconds:.1f} s on {device}")
    print(f"tested on {len(test):,} real images of {test.name}: {right / len(test):.1%} right")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
