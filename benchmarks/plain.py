"""A plain reimplementation of FreD's official loop, as a reference for benchmarks.

Dense coefficients (instance, channel, height, width) times a dense mask of the same shape; two products with an
un-normalised inverse cosine matrix; class after class through decoding and network, one graph for all classes; the
whole real set on the device; SGD with momentum on the dense tensor. Networks are made of torch's layers with the
parameters of fredfmt's. Nothing is augmented. DM, DC and TM follow FreD's code; feature regression and unrolled
training are the losses of fredfmt, since there are no official ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from fredfmt.data.sources import Source
from fredfmt.distill.networks import training
from fredfmt.distill.run import Run
from fredfmt.distill.runtime.randomness import generator
from fredfmt.transforms import spatial_size

MOMENTUM = 0.5
_RIDGE, _SHARPNESS = 1e-3, 8.0
"""Of fredfmt's feature regression."""
_STEPS = 1000
"""Of the training whose first steps are unrolled."""


def unnormalized(length: int) -> Tensor:
    """The matrix of scipy's DCT-II without normalisation, (frequency, position) float32."""
    return torch.tensor(scipy.fft.dct(np.eye(length), axis=0, norm=None), dtype=torch.float32)


class PlainSynset:
    """Dense coefficients and a dense mask, which start from the images of a run."""

    def __init__(self, run: Run) -> None:
        data, shape = run.state.start, run.source.spatial_shape
        self.down, self.across = (unnormalized(length).to(run.device) for length in shape)
        self.inverse_down, self.inverse_across = torch.linalg.inv(self.down), torch.linalg.inv(self.across)
        images = self.theirs = run.state.synset.images().detach()
        self.coefficients = (self.down @ images @ self.across.T).requires_grad_()
        mask = torch.zeros(images.shape)
        for instance, which in enumerate(data.mask_of):
            mask[instance].view(data.metadata.channels, -1)[:, data.frequencies[which].astype(np.int64)] = 1
        self.mask = mask.to(run.device)
        self.first = self.images(range(len(images))).detach()

    def images(self, rows: range) -> Tensor:
        """(B, C, H, W) images of some instances."""
        rows = slice(rows.start, rows.stop)
        across = F.linear(self.mask[rows] * self.coefficients[rows], self.inverse_across)
        return F.linear(across.transpose(-1, -2), self.inverse_down).transpose(-1, -2)


def plain_network(network: Any) -> tuple[nn.Sequential, nn.Linear]:
    """Features and head as torch's layers, with a network's own parameters."""
    layers = [nn.ReLU(inplace=True) if isinstance(layer, nn.ReLU) else layer for layer in network.features]
    return nn.Sequential(*layers, nn.Flatten()), network.head


class Plain:
    """One step of the plain loop, on the device of a run."""

    def __init__(self, run: Run, real: Source, batch_real: int) -> None:
        self.run, self.device = run, run.device
        self.synset = PlainSynset(run)
        scale = 4 * spatial_size(real.spatial_shape)  # the rates of a normalised transform, for one that is not
        self.optimizer = torch.optim.SGD([self.synset.coefficients], lr=run.config.lr * scale, momentum=MOMENTUM)
        self.images = torch.from_numpy(real.normalized[:]).to(self.device)
        self.classes = len(real.classes)
        self.instances = len(run.state.start) // self.classes
        self.labels = torch.arange(self.classes, device=self.device).repeat_interleave(self.instances)
        self.members = [np.flatnonzero(real.labels == label) for label in range(self.classes)]
        self.batch_real = batch_real
        self.chosen: dict[int, Any] | None = None
        """The real images to take of every class in place of random ones."""
        self.pool: dict[int, torch.optim.Optimizer] = {}

    def rows(self, label: int) -> range:
        """The instances of a class."""
        return range(label * self.instances, (label + 1) * self.instances)

    def real_of(self, label: int) -> Tensor:
        """Real images of a class."""
        if self.chosen is not None:
            return self.images[self.chosen[label]]
        return self.images[np.random.default_rng(0).permutation(self.members[label])[: self.batch_real]]

    def all_images(self) -> Tensor:
        """The images of all instances."""
        return torch.cat([self.synset.images(self.rows(label)) for label in range(self.classes)])

    def all_real(self) -> tuple[Tensor, Tensor]:
        """Real images of all classes, and their labels."""
        real = [self.real_of(label) for label in range(self.classes)]
        labels = [torch.full((len(part),), label, device=self.device) for label, part in enumerate(real)]
        return torch.cat(real), torch.cat(labels)

    def dm(self, network: Any, wanted: list[Tensor] | None = None) -> None:
        """Distribution matching; ``wanted`` are the real images' mean features, if they are known."""
        features, _ = plain_network(network)
        network.requires_grad_(False)
        loss = torch.zeros((), device=self.device)
        for label in range(self.classes):
            theirs = features(self.real_of(label)).detach().mean(0) if wanted is None else wanted[label]
            mine = features(self.synset.images(self.rows(label)))
            loss = loss + ((theirs - mine.mean(0)) ** 2).sum()
        self.update(loss)

    def dc(self, network: Any, wanted: list[list[Tensor]] | None = None) -> None:
        """Gradient matching; ``wanted`` are the gradients by real images, if they are known."""
        features, head = plain_network(network)
        parameters = list(network.parameters())
        loss = torch.zeros((), device=self.device)
        for label in range(self.classes):
            given = self.gradients(network, label) if wanted is None else wanted[label]
            error = F.cross_entropy(head(features(self.synset.images(self.rows(label)))), self.labels_of(label))
            mine = torch.autograd.grad(error, parameters, create_graph=True)
            for left, right in zip(mine, given, strict=True):
                if left.ndim > 1:
                    left, right = left.reshape(len(left), -1), right.reshape(len(right), -1)
                    norms = left.norm(dim=-1) * right.norm(dim=-1) + 1e-6
                    loss = loss + (1 - (left * right).sum(-1) / norms).sum()
        self.update(loss)

    def gradients(self, network: Any, label: int) -> list[Tensor]:
        """The gradients of all parameters by the real images of a class."""
        features, head = plain_network(network)
        images = self.real_of(label)
        error = F.cross_entropy(head(features(images)), torch.full((len(images),), label, device=self.device))
        return [part.detach() for part in torch.autograd.grad(error, list(network.parameters()))]

    def labels_of(self, label: int) -> Tensor:
        """The labels of the instances of a class."""
        return torch.full((self.instances,), label, device=self.device)

    def frepo(self, network: Any) -> None:
        """Feature regression, and one step of the network that gave the features."""
        features, head = plain_network(network)
        network.requires_grad_(False)
        real, answers = self.all_real()
        with torch.no_grad():
            asked = features(real)
        given = features(self.all_images())
        kernel = given @ given.T
        kernel = kernel + _RIDGE * kernel.diagonal().mean() * torch.eye(len(given), device=self.device)
        targets = F.one_hot(self.labels, self.classes).float() - 1 / self.classes
        weights = torch.linalg.solve(kernel, targets)
        self.update(F.cross_entropy(_SHARPNESS * asked @ given.T @ weights, answers))
        rows = torch.from_numpy(np.random.default_rng(0).permutation(len(self.labels))[: training.BATCH]).to(
            self.device
        )
        images = self.synset.images(range(len(self.labels))).detach()[rows]
        network.requires_grad_(True)
        optimizer = self.pool.get(id(network)) or torch.optim.SGD(
            network.parameters(),
            lr=training.LR,
            momentum=training.MOMENTUM,
            weight_decay=training.WEIGHT_DECAY,
            nesterov=True,
        )
        self.pool[id(network)] = optimizer
        optimizer.zero_grad()
        F.cross_entropy(head(features(images)), self.labels[rows]).backward()
        optimizer.step()

    def tm(self, network: Any, start: Tensor, target: Tensor, steps: int, lr: float) -> None:
        """Trajectory matching: the graph of all steps of the student is kept, on all instances in every step."""
        scores = Student(network)
        rate = torch.tensor(lr, device=self.device, requires_grad=True)
        images = self.all_images()
        start, target = start.to(self.device), target.to(self.device)
        student = start.clone().requires_grad_()
        for _ in range(steps):
            student = student - rate * scores.slope(student, images, self.labels)
        self.update((student - target).square().sum() / (start - target).square().sum())

    def unroll(self, network: Any, steps: int) -> None:
        """Unrolled training of a new network: the graph of all its steps is kept. The batches are those of fredfmt."""
        scores = Student(network)
        chance = generator(self.run.config.run.seed, "unrolled", 0)
        instances, wanted = len(self.labels), steps * training.BATCH
        orders = torch.cat([torch.randperm(instances, generator=chance) for _ in range(-(-wanted // instances))])
        images = self.all_images()
        student = torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).requires_grad_()
        velocity = torch.zeros_like(student)
        for step, rows in enumerate(orders[:wanted].to(self.device).split(training.BATCH)):
            slope = scores.slope(student, images[rows], self.labels[rows]) + training.WEIGHT_DECAY * student
            velocity = training.MOMENTUM * velocity + slope
            rate = training.LR * training.share_of_rate(step, _STEPS)
            student = student - rate * (slope + training.MOMENTUM * velocity)
        real, answers = self.all_real()
        self.update(F.cross_entropy(scores(student, real), answers))

    def update(self, loss: Tensor) -> None:
        """One step of the coefficients."""
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


class Student:
    """A network as a function of the vector of its parameters."""

    def __init__(self, network: Any) -> None:
        features, head = plain_network(network)
        self.network = nn.Sequential(*features, head)
        self.shapes = {name: parameter.shape for name, parameter in self.network.named_parameters()}

    def __call__(self, vector: Tensor, images: Tensor) -> Tensor:
        parts = torch.split(vector, [shape.numel() for shape in self.shapes.values()])
        named = {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}
        scores: Tensor = functional_call(self.network, named, (images,))
        return scores

    def slope(self, vector: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """The gradient of the cross-entropy by the vector, differentiable."""
        (slope,) = torch.autograd.grad(F.cross_entropy(self(vector, images), labels), vector, create_graph=True)
        return slope


def apart(plain: Plain, run: Run) -> float:
    """How far the two have learned different things after a step each, relative to what was learned. Zero frequencies,
    which learn slower where the transform is not normalised, do not count."""
    synset = plain.synset
    with torch.no_grad():
        mine = synset.images(range(len(run.state.start))) - synset.first
        spectra = synset.down @ (mine - (run.state.synset.images() - synset.theirs)) @ synset.across.T
    moved = run.state.synset.coefficients.detach() - torch.tensor(run.state.start.coefficients, device=run.device)
    return float(spectra[:, :, 1:, 1:].norm() / (2 * spatial_size(run.source.spatial_shape) ** 0.5) / moved.norm())
