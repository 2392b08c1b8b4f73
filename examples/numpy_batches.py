"""Batches for other frameworks, without torch: NumPy arrays from a .fred file, and a training loop in the style of JAX.

    python examples/numpy_batches.py FILE SOURCE [epochs]

`fredfmt.view.pictures` decodes with NumPy alone. The loop is written as for JAX, TensorFlow or MLX: parameters are a
tree of arrays, `update` is a pure function, and a batch is a pair of float32 images (B, C, H, W) and int64 labels. To
use another framework, replace `gradients` by its `value_and_grad`, and convert batches, for example by `jnp.asarray`.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

import fredfmt
from fredfmt.view.pictures import pictures

Array = NDArray[np.float32]
Parameters = dict[str, Array]
Batch = tuple[Array, NDArray[np.int64]]


def batches(data: fredfmt.FreDData, size: int, epochs: int, seed: int = 0) -> Iterator[Batch]:
    """Shuffled batches of decoded images, in the space that the file was made in; a small set is decoded only once."""
    images = pictures(data, np.arange(len(data)), normalized=True).astype(np.float32)
    labels, draws = data.hard_labels, np.random.default_rng(seed)
    for _ in range(epochs):
        order = draws.permutation(len(data))
        for first in range(0, len(data), size):
            rows = order[first : first + size]
            yield images[rows], labels[rows]


def start(inputs: int, hidden: int, classes: int, seed: int = 0) -> Parameters:
    draws = np.random.default_rng(seed)
    return {
        "hidden": (draws.normal(size=(inputs + 1, hidden)) / np.sqrt(inputs)).astype(np.float32),
        "out": (draws.normal(size=(hidden + 1, classes)) / np.sqrt(hidden)).astype(np.float32),
    }


def with_one(x: Array) -> Array:
    return np.concatenate([x, np.ones_like(x[:, :1])], axis=1)


def logits(parameters: Parameters, images: Array) -> tuple[Array, Array, Array]:
    """The output of the network, and the inputs of its two layers."""
    x = with_one(images.reshape(len(images), -1))
    hidden = with_one(np.maximum(x @ parameters["hidden"], 0))
    return hidden @ parameters["out"], hidden, x


def gradients(parameters: Parameters, batch: Batch) -> tuple[float, Parameters]:
    """Cross entropy of a network with one hidden layer, and its gradient."""
    images, labels = batch
    answer, hidden, x = logits(parameters, images)
    shares = np.exp(answer - answer.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = float(-np.log(shares[rows, labels] + 1e-9).mean())
    shares[rows, labels] -= 1
    shares /= len(labels)
    back = (shares @ parameters["out"].T)[:, :-1] * (hidden[:, :-1] > 0)
    return loss, {"hidden": x.T @ back, "out": hidden.T @ shares}


def update(parameters: Parameters, batch: Batch, lr: float = 0.1, decay: float = 1e-3) -> tuple[float, Parameters]:
    loss, slope = gradients(parameters, batch)
    return loss, {name: value - lr * (slope[name] + decay * value) for name, value in parameters.items()}


def main(file: str, source: str, epochs: int = 200) -> None:
    data = fredfmt.load(file)
    meta = data.metadata
    if meta.whitening is not None:
        raise SystemExit(f"{file} contains whitened images, so test images must be whitened in the same way")
    test = fredfmt.open_source(source, split="test").of_classes(meta.classes)
    if meta.normalization is not None:
        test = replace(test, normalization=meta.normalization)

    parameters = start(meta.channels * int(np.prod(meta.spatial_shape)), 128, len(meta.classes))
    losses = []
    for batch in batches(data, 32, epochs):
        loss, parameters = update(parameters, batch)
        losses.append(loss)
    right = logits(parameters, test.normalized[:])[0].argmax(axis=1) == test.labels
    print(f"{len(losses)} updates on {len(data)} decoded images, loss {losses[0]:.2f} -> {losses[-1]:.2f}")
    print(f"tested on {len(test):,} real images of {test.name}: {right.mean():.1%} right")
    print(f"torch was {'' if 'torch' in sys.modules else 'not '}imported")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
