"""What the quick objective (``frepo``) reaches on two cores with two budgets, compared with real images.

    python benchmarks/fast.py ipc                   # 16 instances of 49 float32 per class: the paper's IPC = 1
    python benchmarks/fast.py ipc --soft            # the same with learned soft labels, which are extra
    python benchmarks/fast.py bytes --soft          # 25,088 bits per class of the file itself, everything in it counted
    python benchmarks/fast.py bytes

Fashion-MNIST; one distillation per seed, each tested on the test split by networks of width 64, protocol ``steps``.
Beside it, for each seed: random real images in the file's own layout, and random real images coded as well as we can
into the bytes of the file. All settings were chosen on a fifth held out of the train split (``--validate``).
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

from fredfmt.data.sources import open_source
from fredfmt.distill import DistillConfig, EvaluationConfig, NetworkConfig, coded_images, distill, evaluate, own_start
from fredfmt.distill.evaluation.results import standard_error
from fredfmt.storage.files import packed_size

QUICK = DistillConfig(objective="frepo", batch_real=50, pool_age=300)
BUDGETS = {
    "ipc": (replace(QUICK, k=49, ipc=1, step=None, iterations=600), 300),
    "bytes": (
        replace(QUICK, k=196, ipc=12, batch_syn=320, lr=0.03, step=1.0, max_bytes=31_360, iterations=1000),
        600,
    ),
}
"""Settings, and steps of training in evaluation."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("budget", choices=sorted(BUDGETS))
    parser.add_argument("--soft", action="store_true", help="learn soft labels, too")
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--seeds", type=int, default=3, help="distillations")
    parser.add_argument("--networks", type=int, default=2, help="networks trained on each file")
    parser.add_argument("--width", type=int, default=64, help="of the networks that are trained on it")
    parser.add_argument("--without-baselines", action="store_true")
    parser.add_argument("--validate", action="store_true", help="test on a fifth of the train split")
    options = parser.parse_args()

    train, test = open_source("fashion-mnist"), open_source("fashion-mnist", split="test")
    if options.validate:
        train, test = train.split_off(0.2, seed=0)
    config, steps = BUDGETS[options.budget]
    config = replace(config, learn_labels=options.soft, iterations=options.iterations or config.iterations)
    protocol = EvaluationConfig(seeds=options.networks, steps=steps, network=NetworkConfig(width=options.width))
    means: dict[str, list[float]] = {}
    for seed in range(options.seeds):
        began = time.perf_counter()
        data = distill(train, replace(config, seed=seed))
        seconds = time.perf_counter() - began
        sets = {"file": (data, options.networks)}
        if not options.without_baselines:
            sets["own start"] = own_start(data, train), 1
            sets["coded images"] = coded_images(train, packed_size(data), seed=seed), 1
        for name, (made, networks) in sets.items():
            result = evaluate(made, test, replace(protocol, seeds=networks))
            means.setdefault(name, []).append(result.mean)
            took = f", distilled in {seconds:.0f} s" if made is data else ""
            print(
                f"seed {seed} {name:<13}{result.mean:7.2%}  {len(made) // 10:>4} a class, {packed_size(made):>7,} bytes"
                f" of file{took}",
                flush=True,
            )
    for name, values in means.items():
        if len(values) > 1:
            gains = [mine - other for mine, other in zip(means["file"], values, strict=True)]
            print(
                f"over seeds: {name:<13}{statistics.fmean(values):7.2%} ± {standard_error(values):.2%}"
                " (standard error);"
                f" the file is {statistics.fmean(gains):+.2%} ± {standard_error(gains):.2%} from it"
            )


if __name__ == "__main__":
    main()
