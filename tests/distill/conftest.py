"""Small sources for distillation: coloured, not square, classes of different sizes."""

import numpy as np
import pytest

from fredfmt.data.sources import Source, open_source
from fredfmt.model.parts import Normalization


@pytest.fixture(scope="session")
def patches():
    """41 smooth images of 2x13x17 in three classes of 20, 14 and 7, each class with its own pattern."""
    generator = np.random.default_rng(5)
    labels = np.repeat([0, 1, 2], [20, 14, 7])[generator.permutation(41)]
    y, x = np.mgrid[:13, :17]
    waves = np.stack([np.sin(x / 2), np.cos(y / 3), np.sin((x + y) / 4)])[labels]
    images = (
        0.5
        + 0.2 * waves[:, None] * generator.uniform(0.5, 1.5, (41, 2, 1, 1))
        + generator.normal(0, 0.05, (41, 2, 13, 17))
    )
    return Source(
        name="patches",
        split="train",
        images=images.clip(0, 1).astype(np.float32),
        labels=labels,
        classes=("across", "down", "slant"),
        normalization=Normalization((0.5, 0.48), (0.15, 0.16)),
    )


@pytest.fixture(scope="session")
def digits():
    return open_source("digits")


@pytest.fixture(scope="session")
def digits_test():
    return open_source("digits", split="test")
