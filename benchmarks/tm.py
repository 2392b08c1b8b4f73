"""Trajectory matching, start to end: experts, distilled sets compared with their own starts, and what it all costs.

    python benchmarks/tm.py digits
    python benchmarks/tm.py fashion-mnist
    python benchmarks/tm.py digits --validate --set lr=0.1    # on a held-out fifth of train: for choosing settings
    python benchmarks/tm.py memory                            # peak memory by steps, of this and of a plain unroll

Experts are trained once (and kept with --experts FOLDER). Distillation is repeated with several seeds, and each set and
its start are evaluated with several networks by the protocol ``steps``, at the protocol's rate.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from machine import peak
from torch import nn
from torch.func import functional_call

from fredfmt.data.sources import open_source
from fredfmt.distill import (
    DistillConfig,
    EvaluationConfig,
    ExpertConfig,
    NetworkConfig,
    Progress,
    compare,
    distill,
    train_experts,
)
from fredfmt.distill.augment import draw_augmentation
from fredfmt.distill.evaluation.results import standard_error
from fredfmt.distill.networks import make_network
from fredfmt.distill.objectives.student import Step, trajectory_distance
from fredfmt.distill.runtime.randomness import generator
from fredfmt.storage.files import packed_size

DIGITS = "color_crop_cutout_scale_rotate"


@dataclass(frozen=True)
class Settings:
    """Of one source."""

    experts: int
    per_class: int | None
    """Real images per class that experts see; None for all."""
    expert: ExpertConfig
    distillation: DistillConfig
    evaluation: EvaluationConfig


SHALLOW = NetworkConfig(depth=2)
"""For 8x8 images, of which a third halving would leave instance norm four values."""
SETTINGS = {
    "digits": Settings(
        experts=5,
        per_class=None,
        expert=ExpertConfig(epochs=12, batch=64, lr=0.05, network=SHALLOW, augmentation=DIGITS),
        distillation=DistillConfig(
            objective="tm",
            k=32,
            step=0.5,
            iterations=100,
            max_start_epoch=10,
            lr_syn=0.02,
            lr_lr=0.02,
            network=SHALLOW,
            augmentation=DIGITS,
        ),
        evaluation=EvaluationConfig(network=SHALLOW, augmentation=DIGITS),
    ),
    "fashion-mnist": Settings(  # a quarter of the images and of the batch: as many steps per epoch as published
        experts=4,
        per_class=1500,
        expert=ExpertConfig(epochs=6, batch=64),
        distillation=DistillConfig(
            objective="tm",
            k=49,
            iterations=100,
            max_start_epoch=5,
            syn_steps=10,
            batch_syn=50,
            lr_syn=0.1,
            lr_lr=0.02,
        ),
        evaluation=EvaluationConfig(),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", choices=[*SETTINGS, "memory"])
    parser.add_argument("--seeds", type=int, default=3, help="distillations")
    parser.add_argument("--networks", type=int, default=2, help="networks trained on each set")
    parser.add_argument("--baselines", nargs="*", default=["own-start"], help="rows to compare with")
    parser.add_argument("--validate", action="store_true", help="learn from and test on parts of the train split")
    parser.add_argument("--experts", type=Path, help="keep the experts in this folder")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="other settings of the distillation")
    parser.add_argument("--unroll", nargs=2, metavar=("HOW", "STEPS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.unroll:
        print(json.dumps(unrolled(options.unroll[0], int(options.unroll[1]))))
    elif options.source == "memory":
        memory()
    else:
        with tempfile.TemporaryDirectory() as temporary:
            run(options, options.experts or Path(temporary))


def run(options: argparse.Namespace, folder: Path) -> None:
    settings = SETTINGS[options.source]
    train, test = (open_source(options.source, split=split) for split in ("train", "test"))
    if options.validate:
        train, test = train.split_off(0.2, seed=0)
    began = time.perf_counter()
    seen = train.sample(settings.per_class) if settings.per_class else train
    experts = train_experts(seen, folder, settings.expert, count=settings.experts, progress=told)
    epochs = settings.experts * settings.expert.epochs
    print(f"\nexperts: {epochs} epochs in {time.perf_counter() - began:.0f} s, {experts.digest[:20]}", flush=True)

    changes: dict[str, Any] = {name: json.loads(value) for name, value in (pair.split("=", 1) for pair in options.set)}
    config = settings.distillation.replace(**changes, experts=str(folder))
    protocol = replace(settings.evaluation, seeds=options.networks)
    table: dict[str, list[float]] = {}
    for seed in range(options.seeds):
        began = time.perf_counter()
        data = distill(train, replace(config, seed=seed), progress=told)
        spent = time.perf_counter() - began
        rate = data.metadata.recipe["lr"]
        print(
            f"\nseed {seed}: {spent:.0f} s, {spent / config.iterations:.2f} s per iteration, peak memory of the process"
            f" {peak() / 2**20:.0f} MiB; learnt rate {rate:.4g}; {packed_size(data):,} B"
        )
        rows = compare(data, train, test, protocol, baselines=options.baselines)
        for row in rows:
            print(f"  {row.name:<13}{row.bytes:>7,} B {row.evaluation.mean:7.2%}", flush=True)
            table.setdefault(row.name, []).append(row.evaluation.mean)
    print(f"over {options.seeds} seeds, {options.networks} networks each, {len(test):,} test images")
    for name, means in table.items():
        gains = [mine - theirs for mine, theirs in zip(table["file"], means, strict=True)]
        print(
            f"  {name:<13}{statistics.fmean(means):7.2%}, standard error {standard_error(means):.2%};"
            f" file minus this {statistics.fmean(gains):+.2%}, standard error {standard_error(gains):.2%}"
        )


def told(progress: Progress) -> None:
    """A line that is written over."""
    print(f"\r{progress.task} {progress.done}/{progress.total} loss {progress.loss:.4f}  ", end="", flush=True)


def memory() -> None:
    """Each case in a separate process, a w32 ConvNet of depth 3 on 40 images of 28x28."""
    for how in ("bounded", "plain"):
        for steps in (1, 10, 50):
            command = [sys.executable, __file__, "memory", "--unroll", how, str(steps)]
            seconds, before, after = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            print(f"{how:<8} {steps:>3} steps: {seconds:6.2f} s, peak {after - before:7.0f} MiB above {before:.0f} MiB")


def unrolled(how: str, count: int) -> tuple[float, float, float]:
    """Seconds, and the peak of memory before and after one gradient through ``count`` steps."""
    torch.set_num_threads(1)
    networks = [
        make_network(
            NetworkConfig(), channels=1, spatial_shape=(28, 28), classes=10, generator=generator(seed, "memory")
        ).requires_grad_(False)
        for seed in range(2)
    ]
    start, target = (nn.utils.parameters_to_vector(network.parameters()) for network in networks)
    chance = torch.Generator().manual_seed(0)
    images = torch.randn(40, 1, 28, 28, generator=chance, requires_grad=True)
    labels, lr = torch.arange(40) % 10, torch.tensor(0.01, requires_grad=True)
    names = ("color", "crop", "scale", "rotate")
    steps = [Step(torch.arange(40), draw_augmentation(names, chance, images=40)) for _ in range(count)]
    before, began = peak() / 2**20, time.perf_counter()
    if how == "bounded":
        distance = trajectory_distance(networks[0], start, target, images, labels, lr, steps)
    else:
        student = {name: value.clone().requires_grad_() for name, value in networks[0].named_parameters()}
        for step in steps:
            loss = F.cross_entropy(functional_call(networks[0], student, (step.augmentation(images),)), labels)
            slopes = torch.autograd.grad(loss, list(student.values()), create_graph=True)
            student = {name: old - lr * slope for (name, old), slope in zip(student.items(), slopes, strict=True)}
        end = torch.cat([value.flatten() for value in student.values()])
        distance = (end - target).square().sum() / (start - target).square().sum()
    torch.autograd.grad(distance, (images, lr))
    return time.perf_counter() - began, before, peak() / 2**20


if __name__ == "__main__":
    main()
