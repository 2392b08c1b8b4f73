"""An existing distillation loop, and the few changed lines that move it into the frequency domain.

    python examples/drop_in.py [steps]

The two common loops, distribution matching (DM) and gradient matching (DC), in their simplest form on a tensor of
pixels. Pixels and frequencies have the same number of stored values: one image of 64 pixels per class, and two of 32
frequencies. What changes is below ``if frequencies``. Three common mistakes:

- ``encode(..., step=None)``: the default step is for files, and would round the initial images.
- ``synset()`` decodes, so it is called wherever the loop needs its images: once for each ``backward``, and again after
  the optimizer's step, before images are looked at or saved. A tensor from before the step has the old coefficients.
- ``normalization=``: anybody can display and train on a file that records how its images were normalised.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F

from fredfmt import encode, load, open_source, save
from fredfmt.distill import FrequencySynset


def network() -> torch.nn.Sequential:
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(32 * 64, 10)
    )


def dm_loss(model: torch.nn.Sequential, real: torch.Tensor, synthetic: torch.Tensor, label: int) -> torch.Tensor:
    """DM: the distance of mean features (Zhao and Bilen, WACV 2023, equation 4)."""
    features = model[:-1]
    return (features(real).mean(0) - features(synthetic).mean(0)).square().sum()


def dc_loss(model: torch.nn.Sequential, real: torch.Tensor, synthetic: torch.Tensor, label: int) -> torch.Tensor:
    """DC: the distance of the network's gradients (Zhao, Mopuri and Bilen, ICLR 2021, equation 9)."""
    grads = []
    for images in (real, synthetic):
        loss = F.cross_entropy(model(images), torch.full((len(images),), label))
        grads.append(torch.autograd.grad(loss, list(model.parameters()), create_graph=images is synthetic))
    return sum(
        1 - F.cosine_similarity(a.flatten(1), b.flatten(1)).mean() for a, b in zip(*grads, strict=True) if a.ndim > 1
    )


def run(matching_loss, steps: int, frequencies: bool) -> list[float]:
    torch.manual_seed(0)
    train = open_source("digits")
    images, labels = torch.from_numpy(train.normalized[:]), torch.from_numpy(train.labels)
    chosen = train.sample(2 if frequencies else 1, seed=0)
    targets = torch.from_numpy(chosen.labels)

    if frequencies:
        start = encode(
            chosen.normalized,
            chosen.labels,
            k=32,
            mask="low",
            step=None,  # exact: the loop starts from these images, and coefficients are quantised at the end
            normalization=train.normalization,  # so that the file records it
            classes=train.classes,
        )
        synset = FrequencySynset.from_data(start)
        optimizer = torch.optim.Adam(synset.parameters(), lr=0.1)
    else:
        pixels = torch.from_numpy(chosen.normalized[:]).requires_grad_()
        optimizer = torch.optim.Adam([pixels], lr=0.1)

    losses = []
    for _ in range(steps):
        model, total = network(), torch.zeros(())
        synthetic = synset() if frequencies else pixels  # decode here: once for this backward
        for label in range(10):
            real = images[labels == label][torch.randperm(int((labels == label).sum()))[:32]]
            total = total + matching_loss(model, real, synthetic[targets == label], label)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()  # `synthetic` is now out of date
        losses.append(total.item())

    if frequencies:
        final = synset().detach()  # again, after the last step
        with TemporaryDirectory() as folder:
            path = Path(folder) / "distilled.fred"
            save(synset.to_data(step=0.5), path)  # now the step that makes the file small
            assert load(path).metadata.normalization == train.normalization
        assert final.shape == (20, 1, 8, 8)
    return losses


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    for objective, loss in (("DM", dm_loss), ("DC", dc_loss)):
        for name, frequencies in (("pixels", False), ("frequencies", True)):
            losses = run(loss, steps, frequencies)
            print(f"{objective} on {name:<12} matching loss {losses[0]:.3f} -> {losses[-1]:.3f}")
