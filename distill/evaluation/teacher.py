"""Soft labels: the calibrated predictions of a teacher, a network that is trained on real images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fredfmt.codec.decoding import decode
from fredfmt.codec.quantizer import Step
from fredfmt.codec.views import Images
from fredfmt.data.sources import Source
from fredfmt.distill.config import DistillConfig
from fredfmt.distill.evaluation.coarse import Coarse
from fredfmt.distill.evaluation.held_out import share_held_out, split
from fredfmt.distill.evaluation.protocol import tested_together, train
from fredfmt.distill.evaluation.settings import EvaluationConfig
from fredfmt.distill.networks import NetworkConfig, make_network
from fredfmt.distill.networks.room import Room, room_for
from fredfmt.distill.runtime.progress import Callback, Progress
from fredfmt.distill.runtime.randomness import generator
from fredfmt.distill.settings.groups import TeacherLabels
from fredfmt.distill.synset import FrequencySynset, sixteenths
from fredfmt.errors import ArgumentError
from fredfmt.model.data import FreDData

_BATCH = 128
_COLDEST, _HOTTEST, _TEMPERATURES = 0.05, 5.0, 80
_KEPT: WeakKeyDictionary[Source, tuple[object, Teacher]] = WeakKeyDictionary()
"""The last teacher of each source, as the choice of settings and the run need the same one."""


class Teacher:
    """A network that was trained on real images, and the temperature that calibrates its probabilities.

    Networks that are trained briefly are under- or overconfident. So their logits are divided by the temperature with
    the smallest cross-entropy on held-out images (Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural
    Networks, ICML 2017).
    """

    def __init__(
        self,
        network: nn.Module,
        layers: NetworkConfig,
        held: Source,
        device: torch.device | str,
        labels: TeacherLabels = "both",
    ) -> None:
        self._network, self._device, self._labels = network.eval().requires_grad_(False), device, labels
        self._layers, self._held = layers, held
        scores = self._scores(_batches(held.normalized))
        answers = torch.from_numpy(held.labels)
        self.accuracy = float((scores.argmax(1) == answers).double().mean())
        """Accuracy on the held-out images, 0..1."""
        temperatures = np.geomspace(_COLDEST, _HOTTEST, _TEMPERATURES).tolist()
        self.temperature: float = min(temperatures, key=lambda one: float(F.cross_entropy(scores / one, answers)))

    def labels(self, images: Images) -> NDArray[np.float32]:
        """(N, class) float32 probabilities for (N, C, *spatial) normalised images, read in batches."""
        return self._probabilities(_batches(images))

    def labelled(self, data: FreDData, images: Images, *, coded: FreDData | None = None) -> FreDData:
        """``data`` with labels as multiples of 1/16, as files store them: the teacher's predictions for ``images``,
        from which ``data`` was coded, or the mean of these and of the predictions for ``coded``, the same images after
        coding, by default ``data``. Coding removes detail by which a teacher recognises the original; the mean reflects
        what remains visible.
        """
        both = self._labels == "both"
        return replace(data, labels=sixteenths(self.labels_of(images, coded or data) if both else self.labels(images)))

    def labelled_start(self, start: FreDData, images: Images, step: Step) -> FreDData:
        """`labelled` for the start of a run, whose coefficients are exact; ``coded`` is rounded to ``step``."""
        coded = FrequencySynset.from_data(start).to_data(step=step)
        return self.labelled(start, images, coded=coded)

    def labels_of(self, images: Images, coded: FreDData) -> NDArray[np.float32]:
        """(N, class) float32, the mean of the probabilities for images and for ``coded``, the same images after
        coding."""
        both = self.labels(images), self._probabilities(_decoded(coded))
        mean: NDArray[np.float32] = np.mean(both, axis=0, dtype=np.float32)
        return mean

    def predicted(self, images: Tensor) -> Tensor:
        """(B, class) float32 probabilities for images on the device of the network."""
        with torch.no_grad():
            scores: Tensor = self._network(images)
            return (scores / self.temperature).softmax(1)

    def divergence(self, images: Tensor, originals: Tensor) -> Tensor:
        """The sum over images of the Kullback-Leibler divergence of the predictions for ``images`` from those for
        ``originals``, a scalar in nats, differentiable with respect to ``images``."""
        with torch.no_grad():
            wanted = (self._network(originals) / self.temperature).log_softmax(1)
        found = (self._network(images) / self.temperature).log_softmax(1)
        return F.kl_div(found, wanted, reduction="sum", log_target=True)

    def room(self, device: torch.device) -> Room:
        """The number of images that go through the network at a time."""
        held = self._held
        return room_for(self._layers, None, held.channels, held.spatial_shape, len(held.classes), device)

    def _probabilities(self, batches: Iterable[Tensor]) -> NDArray[np.float32]:
        return (self._scores(batches) / self.temperature).softmax(1).numpy()

    def _scores(self, batches: Iterable[Tensor]) -> Tensor:
        with torch.no_grad():
            return torch.cat([self._network(batch.to(self._device)).cpu() for batch in batches])


def _predicted_together(spatial_shape: Sequence[int]) -> int:
    """The number of images of which a teacher, usually a wide network, predicts labels at a time."""
    return -(-tested_together(spatial_shape) // 2)


def _batches(images: Images) -> Iterator[Tensor]:
    together = _predicted_together(images.shape[2:])
    for first in range(0, images.shape[0], together):
        yield torch.from_numpy(images[first : first + together])


def _decoded(data: FreDData) -> Iterator[Tensor]:
    together = _predicted_together(data.metadata.spatial_shape)
    for rows in np.array_split(np.arange(len(data)), max(1, len(data) // together)):
        yield decode(data, rows)


def protocol_of(config: DistillConfig, source: Source) -> EvaluationConfig:
    """How the teacher of ``config.teacher`` is trained."""
    layers = NetworkConfig().fitting(source.spatial_shape) if config.network.own else config.network
    return EvaluationConfig(
        steps=max(1, config.teacher.teacher_steps),
        batch=_BATCH,
        network=layers.replace(width=config.teacher.teacher_width),
        augmentation=config.run.augmentation,
    )


def train_teacher(
    source: Source, config: DistillConfig, *, device: torch.device | str = "cpu", progress: Callback | None = None
) -> Teacher:
    """The teacher that ``config.teacher`` describes, with the architecture of ``config.network`` (a ConvNet for a
    custom network).

    It is trained on nine tenths of ``source``, with the augmentation of the run, by the protocol ``steps`` of
    `EvaluationConfig`, and calibrated on the rest. If its labels depend on coded images, half of the images of each
    step are coarse ones. Equal arguments give an equal teacher. Raises `ArgumentError` if a class has a single image.

    >>> from fredfmt import open_source
    >>> from fredfmt.distill import DistillConfig
    >>> source = open_source("digits", classes=["3", "5"])
    >>> config = DistillConfig(teacher_steps=4, teacher_width=4, augmentation="none")
    >>> train_teacher(source, config).labels(source.sample(1).normalized).shape
    (2, 2)
    """
    settings = config.teacher
    if not settings.teacher_steps:
        raise ArgumentError("these settings have no teacher", expected="teacher_steps of at least 1", found=0)
    trained = settings.replace(teacher_weight=0), config.network
    transforms = config.frequencies.transform, config.channel_transform(source)
    described = (*trained, config.run.augmentation, config.run.seed, transforms, str(device))
    known = _KEPT.get(source)
    if known is not None and known[0] == described:
        return known[1]

    def report(done: int) -> None:
        if progress is not None:
            progress(Progress("training a teacher", done, settings.teacher_steps))

    report(0)
    rest, held = split(source, share_held_out(source), config.run.seed)
    protocol = protocol_of(config, source)
    network = make_network(
        protocol.network,
        channels=source.channels,
        spatial_shape=source.spatial_shape,
        classes=len(source.classes),
        generator=generator(config.run.seed, "teacher"),
        device=device,
    )
    coarse = None
    if settings.teacher_labels == "both":
        shape, (transform, along) = (source.channels, *source.spatial_shape), transforms
        coarse = Coarse(shape, transform, device, channel_transform=along)
    answers = torch.from_numpy(rest.labels).to(device)
    train(network, rest, answers, protocol, seed=config.run.seed, report=report, coarse=coarse)
    teacher = Teacher(network, protocol.network, held, device, settings.teacher_labels)
    _KEPT[source] = (described, teacher)
    return teacher
