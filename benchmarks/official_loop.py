"""fredfmt's loop compared with a plain one that has the structure of FreD's official code, in one process, in turn.

    python benchmarks/official_loop.py [--json] [--threads 1] [--repeats 7] [--width 32] [--batch-real 64]

The plain loop is that of plain.py; its mask: the covariance of a class's spectra, and a product with a unit matrix for
every frequency. Both sides are given the same networks and real images, without augmentation, and the benchmark first
checks that they learn the same. The same on a GPU, with two more objectives: gpu.py.

"synthetic" is decoding, forward and backward pass and update; "whole" is that and the real side (real images read,
their features or gradients). Times are the medians of repeats taken in turn, ratios the medians of the pairs' ratios.
On one thread it is the processor's time that counts, so that other work on the machine disturbs less; on more, the
clock's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's threads wait busily, which counts as processor time
import numpy as np
import torch
import torch.nn.functional as F
from plain import MOMENTUM, Plain, apart, unnormalized
from torch import Tensor

from fredfmt.codec.masks import ClassStatistics, choose_frequencies
from fredfmt.data.sources import open_source
from fredfmt.distill import DistillConfig, NetworkConfig
from fredfmt.distill.run import Run
from fredfmt.transforms import analyse

CLASSES, INSTANCES, K = 10, 16, 49


class GivenReal:
    """An iteration whose real side has been computed: what is left is the synthetic side."""

    def __init__(self, run: Run, objective: str, network: Any) -> None:
        self.run, self.objective, self.network = run, objective, network

    def step(self, given: list[Any]) -> None:
        from fredfmt.distill.networks.convolving import matching_gradients
        from fredfmt.distill.objectives.dc import gradient_distance
        from fredfmt.distill.objectives.dm import class_means
        from fredfmt.distill.objectives.parts import groups, rows_of, summed

        run, network = self.run, self.network
        iteration = run.iteration(0, run.state.synset)
        images, targets = iteration.synthetic_batch(range(CLASSES))
        counts = [INSTANCES] * CLASSES
        if self.objective == "dm":
            network.requires_grad_(False)
            together = groups(counts, images.device)

            def distance(mine: Tensor, number: int) -> Tensor:
                group = together[number]
                labels = torch.repeat_interleave(torch.tensor(counts[group]))
                wanted = torch.stack(given[group])
                return (wanted - class_means(network.embed(mine), labels, len(counts[group]))).square().sum()
        else:
            together = [slice(label, label + 1) for label in range(CLASSES)]
            weights = [weight for weight in network.parameters() if weight.ndim > 1]

            def distance(mine: Tensor, number: int) -> Tensor:
                with matching_gradients():
                    error = F.cross_entropy(network(mine), targets[number * INSTANCES : (number + 1) * INSTANCES])
                return gradient_distance(torch.autograd.grad(error, weights, create_graph=True), given[number])

        loss = summed(images, [rows_of(counts, group) for group in together], distance)
        run.state.optimizer.zero_grad()
        loss.backward(inputs=list(run.state.synset.parameters()))
        run.state.optimizer.step()


def covariance_mask(images: np.ndarray[Any, Any], k: int) -> Tensor:
    """The explained variance of each frequency of one class, by its covariance matrix and unit vectors."""
    side = images.shape[-1]
    matrix = unnormalized(side)
    spectra = (matrix @ torch.from_numpy(images) @ matrix.T).mean(1).reshape(len(images), -1)
    centred = spectra - spectra.mean(0)
    covariance = centred.T @ centred / (len(centred) - 1)
    total, explained = covariance.trace(), []
    for index in range(len(covariance)):
        unit = torch.eye(len(covariance))[index : index + 1]
        explained.append((unit @ covariance @ unit.T).item() / total)
    chosen = torch.stack(explained).flatten().topk(k).indices
    mask = torch.zeros(side, side)
    for index in chosen:
        mask[index // side, index % side] = 1
    return mask


def variance_masks(images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], k: int) -> np.ndarray[Any, Any]:
    """fredfmt's masks, all classes."""
    statistics_ = ClassStatistics(int(labels.max()) + 1, images.shape[1], images.shape[2] * images.shape[3])
    statistics_.update(analyse(images, "dct", 2).reshape(*images.shape[:2], -1), labels)
    return choose_frequencies(statistics_, images.shape[2:], k)


def in_turn(jobs: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each job, one round after the other; the first round does not count."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for repeat in range(repeats + 1):
        for name, job in jobs.items():
            began = clock()
            job()
            if repeat:
                seconds[name].append(clock() - began)
    return seconds


def row(name: str, seconds: dict[str, list[float]], target: float) -> dict[str, Any]:
    ratios = [plain / ours for plain, ours in zip(seconds["plain"], seconds["fredfmt"], strict=True)]
    medians = {side: statistics.median(spent) for side, spent in seconds.items()}
    return {"what": name, **medians, "ratio": statistics.median(ratios), "least": min(ratios), "target": target}


def time_masks(repeats: int) -> tuple[list[dict[str, Any]], float]:
    drawn = open_source("fashion-mnist").sample(INSTANCES, seed=0)
    images, labels = drawn.normalized[:], drawn.labels
    jobs: dict[str, Callable[[], object]] = {
        "plain": lambda: [covariance_mask(images[labels == label], K) for label in range(CLASSES)],
        "fredfmt": lambda: variance_masks(images, labels, K),
    }
    large = np.random.default_rng(0).normal(size=(2 * INSTANCES, 3, 256, 256)).astype(np.float32)
    began = time.perf_counter()
    variance_masks(large, np.arange(len(large)) % 2, 2048)
    return [row("EVR masks of ten classes, 28x28", in_turn(jobs, min(repeats, 3)), 100)], time.perf_counter() - began


def time_steps(objective: str, width: int, batch_real: int, repeats: int) -> list[dict[str, Any]]:
    real = open_source("fashion-mnist").sample(600, seed=1)
    config = DistillConfig(
        objective=objective, ipc=1, k=K, optimizer="sgd", lr=1.0, momentum=MOMENTUM, average=0, batch_real=batch_real,
        augmentation="none", network=NetworkConfig(width=width),
    )  # fmt: skip
    rows = []
    ours = Run(real, config, "cpu")
    plain = Plain(ours, real, batch_real)
    iteration = ours.iteration(0, ours.state.synset)
    images, labels = iteration.real_batch(batch_real)
    plain.images = images
    plain.chosen = {label: torch.nonzero(labels == label).flatten() for label in range(CLASSES)}
    networks = {side: iteration.network() for side in ("plain", "fredfmt")}
    weights = [weight.ndim > 1 for weight in networks["plain"].parameters()]
    if objective == "dm":
        given: list[Any] = [
            networks["plain"].embed(images[members]).detach().mean(0) for members in plain.chosen.values()
        ]
        by_plain = given
    else:
        by_plain = [plain.gradients(networks["plain"], label) for label in range(CLASSES)]
        given = [[part for part, heavy in zip(parts, weights, strict=True) if heavy] for parts in by_plain]
    step = getattr(plain, objective)
    synthetic = GivenReal(ours, objective, networks["fredfmt"])
    jobs: dict[str, Callable[[], object]] = {
        "plain": lambda: step(networks["plain"], by_plain),
        "fredfmt": lambda: synthetic.step(given),
    }
    for job in jobs.values():
        job()
    error = apart(plain, ours)
    assert error < 1e-3, f"the two loops learn different things: {error}"
    rows.append(row(f"{objective}: synthetic side of a step", in_turn(jobs, repeats), 2))

    whole = Run(real, replace(config, seed=1), "cpu")
    whole_plain = Plain(whole, real, batch_real)
    step_plain = getattr(whole_plain, objective)

    def plain_step() -> None:
        step_plain(whole.iteration(whole.state.done, whole.state.synset).network())

    rows.append(row(f"{objective}: whole step", in_turn({"plain": plain_step, "fredfmt": whole.step}, repeats), 1))
    return rows


def memory() -> dict[str, Any]:
    """Bytes of the parameter, its gradient, its momentum and its mask."""
    real = open_source("fashion-mnist").sample(50, seed=1)
    run = Run(
        real,
        DistillConfig(objective="dm", ipc=1, k=K, optimizer="sgd", network=NetworkConfig(width=4), batch_real=2),
        "cpu",
    )
    plain = Plain(run, real, 2)
    network = run.iteration(0, run.state.synset).network()
    plain.dm(network)
    run.step()

    def bytes_of(tensors: list[Tensor]) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    sides = {}
    for name, parameter, optimizer in (
        ("plain", plain.synset.coefficients, plain.optimizer),
        ("fredfmt", run.state.synset.coefficients, run.state.optimizer),
    ):
        (state,) = optimizer.state.values()
        assert parameter.grad is not None
        sides[name] = bytes_of([parameter, parameter.grad, state["momentum_buffer"]])
    masks = run.state.start.frequencies.nbytes + 8 * len(run.state.start)
    sides["plain"] += bytes_of([plain.synset.mask])
    sides["fredfmt"] += masks
    averaged = sides["fredfmt"] + bytes_of(list(run.state.averages.values()))
    ratio = sides["plain"] / sides["fredfmt"]
    return {"what": "bytes of parameter, gradient, momentum, mask", **sides, "ratio": ratio, "least": ratio,
            "target": 3, "fredfmt with the running mean": averaged}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch-real", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows, large = time_masks(options.repeats)
    for objective in ("dm", "dc"):
        rows += time_steps(objective, options.width, options.batch_real, options.repeats)
    rows.append(memory())
    report = {"threads": options.threads, "width": options.width, "batch_real": options.batch_real, "rows": rows}
    report["seconds of two classes' EVR masks at 3x256x256, k=2048"] = large
    if options.json:
        print(json.dumps(report, indent=2))
        return
    print(f"{'':<46}{'plain':>12}{'fredfmt':>12}{'ratio':>8}{'least':>8}{'target':>8}")
    for entry in rows:
        plain, ours = (
            f"{entry[side]:,} B" if isinstance(entry[side], int) else f"{entry[side] * 1e3:,.2f} ms"
            for side in ("plain", "fredfmt")
        )
        print(
            f"{entry['what']:<46}{plain:>12}{ours:>12}{entry['ratio']:>8.2f}{entry['least']:>8.2f}{entry['target']:>8}"
        )
    print(
        f"EVR masks of two classes at 3x256x256, k=2048: {large:.2f} s (the plain way would need 16 GiB for one matrix)"
    )


if __name__ == "__main__":
    main()
