"""A custom objective: match the Gram matrices of features instead of their means.

    python examples/own_objective.py [iterations]

An objective uses images, labels, networks and augmentation, and does not depend on frequencies.
"""

import sys

import torch

from fredfmt import open_source
from fredfmt.distill import DistillConfig, EvaluationConfig, compare, distill


class GramMatching:
    def __init__(self, config):
        self.batch_real = config.batch_real

    def losses(self, iteration):
        embed, augmentation = iteration.network().requires_grad_(False).embed, iteration.augmentation()
        (real, labels), synthetic = iteration.real_batch(self.batch_real), iteration.synthetic
        total = 0
        for label in range(iteration.classes):
            grams = []
            for images in (synthetic.images(synthetic.indices_of(label)), real[labels == label]):
                features = torch.cat([embed(augmentation(images)), images.new_ones(len(images), 1)], 1)
                grams.append(features.T @ features / len(features))
            total = total + (grams[0] - grams[1]).square().sum()
        yield total


if __name__ == "__main__":
    how = {"augmentation": "color_crop_cutout_scale_rotate"}  # digits must not be mirrored
    train, test = open_source("digits"), open_source("digits", split="test")
    iterations = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    config = DistillConfig(objective=GramMatching, k=32, step=0.5, lr=0.2, iterations=iterations, **how)
    for row in compare(distill(train, config), train, test, EvaluationConfig(seeds=2, **how)):
        print(f"{row.name:<13}{row.bytes:>6,} B  {row.evaluation.mean:.1%}")
