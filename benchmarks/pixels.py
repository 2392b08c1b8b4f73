"""Does the frequency domain help? An objective on kept frequencies and on pixels, with as many stored values.

    python benchmarks/pixels.py dm
    python benchmarks/pixels.py dsa --iterations 200

Fashion-MNIST at the paper's IPC = 1, float32: 16 instances of 49 DCT coefficients per class in masks of explained
variance, against one instance of 784 pixels. Everything else is equal: real batches, networks, augmentation, number of
updates. Both are tested on the test split by the protocol ``steps``. The rates of Adam, one for each arm, were chosen
on a held-out fifth of the train split (``--validate``).
"""

from __future__ import annotations

import argparse
import math
import statistics
import time

from fredfmt.data.sources import open_source
from fredfmt.distill import DistillConfig, EvaluationConfig, distill, evaluate

ARMS = {
    "frequencies": {"transform": "dct", "mask": "evr", "k": 49},
    "pixels": {"transform": "identity", "mask": "low", "k": 784},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("objective")
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3, help="distillations")
    parser.add_argument("--networks", type=int, default=3, help="networks trained on each set")
    parser.add_argument("--lr", type=float, default=0.1, help="of the frequencies")
    parser.add_argument("--lr-pixels", type=float, default=0.1)
    parser.add_argument("--validate", action="store_true", help="test on a fifth of the train split")
    options = parser.parse_args()

    train, test = open_source("fashion-mnist"), open_source("fashion-mnist", split="test")
    if options.validate:
        train, test = train.split_off(0.2, seed=0)
    means: dict[str, list[float]] = {name: [] for name in ARMS}
    for seed in range(options.seeds):
        for name, arm in ARMS.items():
            lr = options.lr if name == "frequencies" else options.lr_pixels
            config = DistillConfig(
                objective=options.objective, iterations=options.iterations, step=None, lr=lr, seed=seed, **arm
            )
            began = time.perf_counter()
            data = distill(train, config)
            seconds = time.perf_counter() - began
            result = evaluate(data, test, EvaluationConfig(seeds=options.networks))
            means[name].append(result.mean)
            print(
                f"seed {seed} {name:<12}{result.mean:7.2%}, standard error over networks {result.standard_error:.2%};"
                f" {len(data) // 10} instances per class, distilled in {seconds:.0f} s",
                flush=True,
            )
    if options.seeds > 1:
        gains = [a - b for a, b in zip(means["frequencies"], means["pixels"], strict=True)]
        for name, values in {**means, "difference": gains}.items():
            error = statistics.stdev(values) / math.sqrt(len(values))
            print(f"over seeds: {name:<12}{statistics.fmean(values):+7.2%}, standard error {error:.2%}")


if __name__ == "__main__":
    main()
