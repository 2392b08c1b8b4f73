"""An objective of your own: match the Gram matrices of features instead of their means.

    python examples/own_objective.py [iterations]

An objective sees images, labels, networks and augmentation; that images are made of frequencies is not its business.
"""

import sys
from collections.abc import Iterator

import torch
from torch import Tensor

from fredfmt.distill import DistillConfig, EvaluationConfig, compare, distill
from fredfmt.distill.objectives import Iteration
from fredfmt.sources import open_source

AUGMENTATION = "color_crop_cutout_scale_rotate"  # digits must not be mirrored


class GramMatching:
    def __init__(self, config: DistillConfig) -> None:
        self.batch_real = config.batch_real

    def losses(self, iteration: Iteration) -> Iterator[Tensor]:
        network = iteration.network().requires_grad_(False)
        augmentation = iteration.augmentation()
        real, labels = iteration.real_batch(self.batch_real)
        synthetic, targets = iteration.synthetic.images(), iteration.synthetic.labels
        loss = synthetic.new_zeros(())
        for label in range(iteration.classes):
            grams = []
            for images in (synthetic[targets == label], real[labels == label]):
                features = torch.cat([network.embed(augmentation(images)), images.new_ones(len(images), 1)], 1)
                grams.append(features.T @ features / len(features))
            loss = loss + (grams[0] - grams[1]).square().sum()
        yield loss


if __name__ == "__main__":
    train, test = open_source("digits"), open_source("digits", split="test")
    iterations = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    config = DistillConfig(
        objective="gram matching", ipc=1, k=32, step=0.5, lr=0.2, iterations=iterations, augmentation=AUGMENTATION
    )
    data = distill(train, config, objective=GramMatching)
    for row in compare(data, train, test, EvaluationConfig(augmentation=AUGMENTATION, seeds=2)):
        print(f"{row.name:<13}{row.bytes:>6,} B  {row.evaluation.mean:.1%}")
