"""Measures the accuracy of new networks that are trained on a dataset.

Test images are only used to count correct predictions: no step, network or setting is selected with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from fredfmt.codec.devices import usable_device
from fredfmt.codec.views import Images
from fredfmt.data.sources import ZCA, Source, expect_source
from fredfmt.distill.augment import draw_augmentation, operations
from fredfmt.distill.evaluation.coarse import Coarse
from fredfmt.distill.evaluation.corruptions import Corrupted, check_images, corruption_names
from fredfmt.distill.evaluation.results import CorruptedAccuracy, Evaluation, Robustness
from fredfmt.distill.evaluation.schedule import schedule, steps_of
from fredfmt.distill.evaluation.settings import CorruptionConfig, EvaluationConfig
from fredfmt.distill.networks import NetworkFactory, make_network, name_of, seeded
from fredfmt.distill.networks.room import room_for
from fredfmt.distill.networks.training import MOMENTUM, WEIGHT_DECAY, add_gradients, reader
from fredfmt.distill.runtime.memory import keep_freed_memory, return_freed_memory
from fredfmt.distill.runtime.progress import Callback, Progress
from fredfmt.distill.runtime.randomness import generator
from fredfmt.errors import ArgumentError
from fredfmt.model.data import FreDData, expect_data
from fredfmt.model.metadata import Metadata
from fredfmt.model.parts import Normalization

_TESTED, _PIXELS = 500, 1 << 19
"""The most images that a network tests at a time, and the most of their pixels."""
_REPORT_EVERY = 10
"""Steps."""

__all__ = ["Evaluation", "evaluate", "evaluate_sets", "train"]


def evaluate(
    data: FreDData | Source,
    test: Source,
    config: EvaluationConfig | None = None,
    *,
    corruptions: CorruptionConfig | None = None,
    network: NetworkFactory | None = None,
    whitening: ZCA | None = None,
    device: torch.device | str = "cpu",
    progress: Callback | None = None,
) -> Evaluation:
    """Train networks only on ``data``, and test them on the real images of ``test``.

    Networks differ by their seed: initial parameters, order and augmentation. The data are the same, so the spread does
    not include that of other distillations. Test images are normalised like the data.

    Parameters
    ----------
    data
        A distilled or encoded dataset; or a `Source` of real images, which is read batch by batch.
    config
        The protocol. None: `EvaluationConfig.for_data`, as for ``fredfmt evaluate`` without options.
    corruptions
        Also test the networks on corrupted test images, which are computed batch by batch.
    network
        A callable ``(channels, spatial_shape, classes) -> nn.Module`` that replaces the network of ``config``; the
        result records its name, ``module:name``. Torch's global generators are seeded for the call and restored.
    whitening
        The whitening of ``data``, to apply to the test images; required if the data are whitened.

    Raises
    ------
    ArgumentError
        If the classes or shapes of data and test images differ, the network does not fit them, or the whitening is not
        that of the data.

    >>> from fredfmt import open_source
    >>> train, test = open_source("digits"), open_source("digits", split="test")
    >>> config = EvaluationConfig(steps=5, seeds=2, network={"width": 4}, augmentation="none")
    >>> result = evaluate(train.sample(1), test, config)
    >>> len(result.accuracies), 0 <= result.mean <= 1
    (2, True)
    """
    if not isinstance(data, Source):
        expect_data(data)
    config = config or EvaluationConfig.for_data(data)

    def report(what: str, done: int, total: int) -> None:
        if progress is not None:
            progress(Progress(what, done, total))

    return evaluate_sets(
        lambda seed: data,
        test,
        config,
        corruptions=corruptions,
        network=network,
        whitening=whitening,
        device=device,
        report=report,
    )


def evaluate_sets(
    make: Callable[[int], FreDData | Source],
    test: Source,
    config: EvaluationConfig,
    *,
    corruptions: CorruptionConfig | None = None,
    network: NetworkFactory | None = None,
    whitening: ZCA | None = None,
    device: torch.device | str = "cpu",
    report: Callable[[str, int, int], None],
    keep: Callable[[nn.Module], None] | None = None,
) -> Evaluation:
    """`evaluate` with a dataset for each seed: the network of a seed is trained on ``make(seed)``.

    All datasets have the same normalisation and whitening. ``report`` is called with the task, the steps done and
    their number; ``keep`` is called with the first network after its training.
    """
    expect_source(test)
    return_freed_memory()
    device = usable_device(device)
    names = corruption_names(corruptions) if corruptions is not None else ()
    if names:
        check_images(test.images.shape)
    if network is not None:
        config = config.replace(network=name_of(network))
    networks: list[nn.Module] = []
    normalization: Normalization | None = None
    for number, seed in enumerate(config.networks):
        data = make(seed)
        check_compatible(data, test)
        _check_whitening(data, whitening)
        normalization = data.normalization if isinstance(data, Source) else data.metadata.normalization
        steps = steps_of(config, len(data))
        reached = partial(_steps_done, report, number * steps, config.seeds * steps)
        networks.append(_trained(data, config, network, seed, device, reached))
        if keep is not None and number == 0:
            keep(networks[0])

    prepared = in_space(test, normalization, whitening)

    def accuracies(images: Images) -> tuple[float, ...]:
        return shares_correct(networks, replace(prepared, images=images), device)

    clean = accuracies(test.images)
    robustness = None
    if corruptions is not None:
        each = []
        pairs = [(name, severity) for name in names for severity in corruptions.severities]
        for done, (name, severity) in enumerate(pairs):
            report(f"testing {name}", done, len(pairs))
            corrupted = Corrupted(test.images, name, severity, seed=corruptions.seed)
            each.append(CorruptedAccuracy(name, severity, accuracies(corrupted)))
        robustness = Robustness(corruptions, tuple(each), clean)
    parameters = sum(parameter.numel() for parameter in networks[0].parameters())
    return Evaluation(config, f"{test.name} {test.split}", len(test), clean, robustness, parameters)


def in_space(real: Source, normalization: Normalization | None, whitening: ZCA | None = None) -> Source:
    """The same images in another space: normalised (None: in 0..1), and whitened if there is a whitening."""
    unit = Normalization((0.0,) * real.channels, (1.0,) * real.channels)
    return replace(real, normalization=normalization or unit, whitening=whitening)


def check_compatible(data: FreDData | Source, real: Source) -> None:
    """Raise `ArgumentError` unless ``real`` has the classes, channels and spatial shape of the data."""
    mine = data if isinstance(data, Source) else data.metadata
    for what, left, right in (
        ("classes", mine.classes, real.classes),
        ("channels", mine.channels, real.channels),
        ("spatial shape", mine.spatial_shape, real.spatial_shape),
    ):
        if left != right:
            where = f"{real.name} {real.split}"
            hint = "Use the source that the data name (fredfmt inspect), and --size or --classes if they had them"
            raise ArgumentError(
                f"real images and data differ in their {what}", where=where, expected=left, found=right, hint=hint
            )


def _check_whitening(data: FreDData | Source, whitening: ZCA | None) -> None:
    recorded = data.metadata.whitening if isinstance(data, FreDData) else data.whitening
    if recorded is not None and whitening is None:
        raise ArgumentError(
            "the data are whitened, so test images must be whitened in the same way",
            hint="Pass whitening=fredfmt.ZCA.of(data.metadata, train), with the real train split",
        )
    if isinstance(data, Source):
        same = whitening is data.whitening
    else:
        same = whitening is None or whitening.fits(data.metadata)
    if not same:
        found = whitening.record if whitening is not None else None
        raise ArgumentError("the whitening is not that of the data", expected=recorded or "none", found=found)


def _trained(
    data: FreDData | Source,
    config: EvaluationConfig,
    factory: NetworkFactory | None,
    seed: int,
    device: torch.device | str,
    report: Callable[[int], None],
) -> nn.Module:
    """Train a new network on ``data``."""
    network = new_network(data if isinstance(data, Source) else data.metadata, config, seed, device, factory)
    soft = isinstance(data, FreDData) and data.soft
    labels = torch.tensor(data.labels, dtype=torch.float32 if soft else torch.int64, device=device)
    drawing: AbstractContextManager[None] = nullcontext()
    if factory is not None:  # it may draw random numbers in its forward pass, for example for dropout
        drawing = seeded(generator(seed, "evaluation own network"), device)
    with drawing:
        train(network, data, labels, config, seed=seed, factory=factory, report=report)
    return network


def _steps_done(report: Callable[[str, int, int], None], before: int, total: int, done: int) -> None:
    report("evaluating", before + done, total)


def new_network(
    meta: Metadata | Source,
    config: EvaluationConfig,
    seed: int,
    device: torch.device | str,
    factory: NetworkFactory | None = None,
) -> nn.Module:
    """The untrained network of ``config`` for the data that ``meta`` describes; parameters are drawn by ``seed``."""
    network: nn.Module = make_network(
        config.network,
        channels=meta.channels,
        spatial_shape=meta.spatial_shape,
        classes=len(meta.classes),
        generator=generator(seed, "evaluation network"),
        device=device,
        factory=factory,
    )
    return network


def train(
    network: nn.Module,
    images: Tensor | Source | FreDData,
    labels: Tensor,
    config: EvaluationConfig,
    *,
    seed: int,
    factory: NetworkFactory | None = None,
    report: Callable[[int], None] | None = None,
    coarse: Coarse | None = None,
) -> None:
    """Train ``network``, which ``factory`` has made if it is a custom one, in place by the protocol of ``config``.

    Images are a tensor (N, C, *spatial), a source that is read batch by batch, or a dataset; labels are (N,) int64 or
    (N, class) float32. Tensors are on the device of the network. If the graph of a batch would take too much memory,
    its gradient is the sum of those of its parts. ``report`` is called every ten steps with the number of those done.
    ``coarse`` changes half of the images.
    """
    keep_freed_memory()
    paper, device = config.protocol == "paper", labels.device
    optimizer = torch.optim.SGD(
        network.parameters(), lr=config.lr, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=not paper
    )
    count, channels, *spatial_shape = _shape(images)
    names = operations(config.augmentation, len(spatial_shape))
    classes = labels.shape[1] if labels.dim() > 1 else int(labels.max()) + 1
    room = room_for(config.network, factory, channels, tuple(spatial_shape), classes, device)
    read = reader(images, device)
    network.train()
    for step, (rows, factor) in enumerate(schedule(count, config, seed)):
        if report is not None and step % _REPORT_EVERY == 0:
            report(step)
        augmentation = draw_augmentation(names, generator(seed, "evaluation augmentation", step), images=len(rows))
        wanted = labels.index_select(0, rows.to(device, non_blocking=True))
        optimizer.zero_grad()
        seen = read if coarse is None else coarse.reader(read, step)
        add_gradients(network, seen, rows, wanted, augmentation, room)
        for group in optimizer.param_groups:
            group["lr"] = config.lr * factor
        optimizer.step()


def _shape(images: Tensor | Source | FreDData) -> tuple[int, ...]:
    """(N, C, *spatial)."""
    if isinstance(images, Tensor):
        return tuple(images.shape)
    facts = images if isinstance(images, Source) else images.metadata
    return (len(images), facts.channels, *facts.spatial_shape)


def tested_together(spatial_shape: Sequence[int]) -> int:
    """The number of images of a shape that a network tests at a time, so that the memory is bounded.

    >>> tested_together((32, 32)), tested_together((256, 256))
    (500, 8)
    """
    return max(1, min(_TESTED, _PIXELS // math.prod(spatial_shape)))


def shares_correct(networks: Sequence[nn.Module], test: Source, device: torch.device | str) -> tuple[float, ...]:
    """The accuracy of each network; every test image is read, normalised and copied to the device once."""
    labels = torch.from_numpy(test.labels)
    correct = torch.zeros(len(networks), dtype=torch.int64, device=device)
    for network in networks:
        network.eval()
    with torch.no_grad():
        together = tested_together(test.spatial_shape)
        for first in range(0, len(test), together):
            rows = slice(first, min(first + together, len(test)))
            images = torch.from_numpy(test.normalized[rows]).to(device)
            wanted = labels[rows].to(device)
            correct += torch.stack([network(images).argmax(1).eq(wanted).sum() for network in networks])
    return tuple(count / len(test) for count in correct.tolist())
