"""A small dataset of two channels and odd sizes."""

import numpy as np

from fredfmt import encode


def make(seed=5, **metadata):
    generator = np.random.default_rng(seed)
    images = generator.standard_normal((9, 2, 13, 17)).astype(np.float32)
    return encode(images, np.arange(9) % 3, k=11, step=0.5, **metadata)
