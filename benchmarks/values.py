"""What the paper's budget holds: 16 instances per class of a sixteenth of the frequencies in float32 (IPC = 1).

    python benchmarks/values.py fashion-mnist
    python benchmarks/values.py fashion-mnist --validate --set '{"iterations": 300}'   # other settings, held-out images

One distillation per seed by ``frepo`` with soft labels, which the budget of the paper does not count, and networks
trained on its result, on the images that it started from, and on real images coded in the bytes of the file, by the
protocol ``steps``. Settings were chosen on a fifth that is held out of the train split.
"""

from __future__ import annotations

import argparse
import json
import math
import time

from lines import spread

from fredfmt.data.sources import open_source
from fredfmt.distill import DistillConfig, EvaluationConfig, compare, distill
from fredfmt.distill.augment import augmentation_for
from fredfmt.storage.files import packed_size

SETTINGS = {"objective": "frepo", "ipc": 1, "step": None, "batch_real": 50, "pool_age": 300, "learn_labels": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="source, as for fredfmt distill")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds of the distillations")
    parser.add_argument("--networks", type=int, default=2, help="networks per set")
    parser.add_argument("--width", type=int, default=64, help="width of these networks")
    parser.add_argument(
        "--steps", type=int, nargs="+", default=[300, 1000], help="their optimizer steps, each measured"
    )
    parser.add_argument("--set", type=json.loads, default={}, metavar="JSON", help="other settings")
    parser.add_argument("--validate", action="store_true", help="test on a fifth of the train split")
    parser.add_argument("--without-baselines", action="store_true")
    options = parser.parse_args()

    train, test = (open_source(options.source, split=split) for split in ("train", "test"))
    if options.validate:
        train, test = train.split_off(0.2, seed=0)
    k = math.prod(train.spatial_shape) // 16
    named = {"augmentation": augmentation_for(train.name), "iterations": 600}
    config = DistillConfig(**{"k": k, **named, **SETTINGS, **options.set})
    means: dict[str, list[float]] = {}
    for seed in options.seeds:
        began = time.process_time()
        data = distill(train, config.replace(seed=seed))
        seconds = time.process_time() - began
        print(f"seed {seed}: {len(data)} instances, {packed_size(data):,} bytes, {seconds:.0f} s", flush=True)
        baselines = [] if options.without_baselines else ["own-start", "coded", "coded-soft"]
        for steps in options.steps:
            first = seed * options.networks
            protocol = EvaluationConfig.for_data(
                data, steps=steps, seeds=options.networks, first_seed=first, width=options.width
            )
            for row in compare(data, train, test, protocol, baselines=baselines):
                means.setdefault(f"{row.name}, {steps:,} steps", []).append(row.evaluation.mean)
        print("; ".join(f"{name}: {spread(values)}" for name, values in means.items()), flush=True)


if __name__ == "__main__":
    main()
