"""Somebody else's distillation loop, and the two lines that bring it into the frequency domain.

    python examples/drop_in.py [steps]

The loop is gradient matching at its plainest, on a tensor of pixels: one random network a step, class after class. Run
with the same number of stored values: one image of 64 pixels a class, and two of 32 frequencies.
"""

import sys

import torch
import torch.nn.functional as F

from fredfmt import encode, open_source
from fredfmt.distill import FrequencySynset


def network() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(32 * 64, 10)
    )


def matching_loss(model: torch.nn.Module, real: torch.Tensor, synthetic: torch.Tensor, label: int) -> torch.Tensor:
    grads = []
    for images in (real, synthetic):
        loss = F.cross_entropy(model(images), torch.full((len(images),), label))
        grads.append(torch.autograd.grad(loss, list(model.parameters()), create_graph=images is synthetic))
    return sum(
        1 - F.cosine_similarity(a.flatten(1), b.flatten(1)).mean() for a, b in zip(*grads, strict=True) if a.ndim > 1
    )


def run(steps: int, frequencies: bool) -> list[float]:
    torch.manual_seed(0)
    train = open_source("digits")
    images, labels = torch.from_numpy(train.normalized[:]), torch.from_numpy(train.labels)
    chosen = train.sample(2 if frequencies else 1, seed=0)
    targets = torch.from_numpy(chosen.labels)

    # instead of: pixels = torch.from_numpy(chosen.normalized[:]).requires_grad_()
    synset = FrequencySynset.from_data(
        encode(chosen.normalized, chosen.labels, k=32 if frequencies else 64, mask="low")
    )
    optimizer = torch.optim.Adam(synset.parameters(), lr=0.1)

    losses = []
    for _ in range(steps):
        model, total = network(), torch.zeros(())
        pixels = synset()  # the other line: decode where the pixels were
        for label in range(10):
            real = images[labels == label][torch.randperm(int((labels == label).sum()))[:32]]
            total = total + matching_loss(model, real, pixels[targets == label], label)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    return losses


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    for name, frequencies in (("pixels", False), ("frequencies", True)):
        losses = run(steps, frequencies)
        print(f"{name:<12} matching loss {losses[0]:.3f} -> {losses[-1]:.3f}")
