"""Distribution matching, start to end: distilled sets compared with their starts and with coded images.

    python benchmarks/dm.py digits
    python benchmarks/dm.py fashion-mnist
    python benchmarks/dm.py digits --validate     # on a held-out fifth of the train split: for choosing settings

Distillation is repeated with several seeds (other starting images, real batches, networks and augmentations), and each
set is evaluated with several networks. "over seeds" is the spread of the seeds' mean accuracies.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from typing import Any

from fredfmt.data.sources import open_source
from fredfmt.distill import DistillConfig, EvaluationConfig, FrequencySynset, Row, compare, distill, evaluate
from fredfmt.distill.evaluation.results import standard_error
from fredfmt.storage.files import packed_size

DIGITS = "color_crop_cutout_scale_rotate"
SETTINGS: dict[str, tuple[DistillConfig, EvaluationConfig]] = {
    "digits": (
        DistillConfig(objective="dm", ipc=1, k=32, step=0.5, lr=0.2, iterations=600, augmentation=DIGITS),
        EvaluationConfig(augmentation=DIGITS),
    ),
    "fashion-mnist": (DistillConfig(objective="dm"), EvaluationConfig()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", choices=SETTINGS)
    parser.add_argument("--seeds", type=int, default=3, help="distillations")
    parser.add_argument("--networks", type=int, default=3, help="networks trained on each set")
    parser.add_argument("--validate", action="store_true", help="test on a fifth of the train split")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="other settings of the distillation")
    options = parser.parse_args()

    config, protocol = SETTINGS[options.source]
    changes: dict[str, Any] = {name: json.loads(value) for name, value in (pair.split("=", 1) for pair in options.set)}
    config = config.replace(**changes)
    protocol = replace(protocol, seeds=options.networks)
    train = open_source(options.source)
    test = open_source(options.source, split="test")
    if options.validate:
        train, test = train.split_off(0.2, seed=0)

    table: dict[str, list[float]] = {}
    for seed in range(options.seeds):
        began = time.perf_counter()
        exact = distill(train, replace(config, seed=seed, step=None))
        settings = replace(config, seed=seed).to_json()
        data = FrequencySynset.from_data(exact).to_data(step=config.step, distillation=settings)
        distilled = time.perf_counter()
        rows = compare(data, train, test, protocol)
        rows += (
            Row("in float32", "", packed_size(exact), rows[0].instances_per_class, evaluate(exact, test, protocol)),
        )
        print(
            f"seed {seed}: distilled in {distilled - began:.0f} s, compared in {time.perf_counter() - distilled:.0f} s"
        )
        for row in rows:
            result = row.evaluation
            print(
                f"  {row.name:<13}{row.bytes:>7,} B  {row.instances_per_class:5.1f} a class"
                f"  {result.mean:7.2%}, standard error over networks {result.standard_error:.2%}",
                flush=True,
            )
            table.setdefault(row.name, []).append(result.mean)
    if options.seeds > 1:
        print("over seeds")
        for name, means in table.items():
            gains = [mine - theirs for mine, theirs in zip(table["file"], means, strict=True)]
            print(
                f"  {name:<13}{statistics.fmean(means):7.2%}, standard error {standard_error(means):.2%};"
                f" file minus this {statistics.fmean(gains):+.2%}, standard error {standard_error(gains):.2%}"
            )


if __name__ == "__main__":
    main()
