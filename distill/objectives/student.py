"""Students: training on synthetic images as a differentiable function of these images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from fredfmt.distill.augment import Augmentation, draw_augmentation
from fredfmt.distill.networks.own import seeded
from fredfmt.distill.networks.room import EVERYTHING, Room
from fredfmt.distill.objectives.iteration import Iteration

GRAPHS = 4
"""The memory of a gradient of gradients, in units of a forward pass."""


@dataclass(frozen=True)
class Step:
    """The batch and the random draws of one step of a student."""

    rows: Tensor
    """(B,) int64 on the CPU."""
    augmentation: Augmentation
    seed: int | None = None
    """Seeds the draws of the network in its forward pass, if it has any."""

    def part(self, part: slice) -> Step:
        """The step for a part of its images."""
        whole = len(range(len(self.rows))[part]) == len(self.rows)
        seed = self.seed if whole or self.seed is None else self.seed + part.start
        return Step(self.rows[part], self.augmentation.of(part), seed)

    def drawing(self, device: torch.device) -> AbstractContextManager[None]:
        """A context in which the network makes the same random draws each time the step is computed."""
        if self.seed is None:
            return nullcontext()
        return seeded(torch.Generator("cpu").manual_seed(self.seed), device)


def step_of(rows: Tensor, iteration: Iteration, chance: torch.Generator) -> Step:
    """The step of an iteration for the instances ``rows``, with random draws by ``chance``."""
    augmentation = draw_augmentation(iteration.operations, chance, images=len(rows))
    own = int(torch.randint(2**62, (), generator=chance, device="cpu")) if iteration.network_factory else None
    return Step(rows, augmentation, own)


Decode: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From (B, ...) values and (B,) int64 rows to (B, C, *spatial) images."""


def _unchanged(values: Tensor, rows: Tensor) -> Tensor:
    return values


def trained(
    network: nn.Module,
    start: Moving,
    images: Tensor,
    labels: Tensor,
    rates: Tensor,
    steps: Sequence[Step],
    *,
    momentum: float = 0.0,
    decay: float = 0.0,
    decode: Decode | None = None,
    room: Room = EVERYTHING,
    scale: Tensor | None = None,
) -> Moving:
    """The parameters and the velocity of a student after ``steps`` of SGD from ``start``.

    ``rates`` (step,) are the learning rates; ``momentum`` is Nesterov's, ``decay`` the weight decay. Differentiable
    with respect to images, learning rates and labels that are probabilities. If there is ``room`` for the images of all
    steps, their graph is kept. Otherwise memory holds the graph of a single step, or of a part of it, and a copy of the
    parameters for each step: the backward pass computes each step again. With ``decode``, ``images`` may be any values,
    from whose rows ``decode`` makes images. ``scale`` is the factor of losses while the gradients of the student are
    computed, to prevent underflow in half precision.
    """
    student = _Student(network, decode or _unchanged, room, scale, momentum, decay)
    learned = torch.is_grad_enabled() and any(given.requires_grad for given in (images, labels, rates))
    if learned and sum(len(step.rows) for step in steps) <= room.kept:
        return _trained_with_graph(images, labels, rates, student, start, steps)
    apply: Any = _Trained.apply
    vector, velocity = apply(images, labels, rates, student, start, steps)
    return Moving(vector, velocity)


def trajectory_distance(
    network: nn.Module,
    start: Tensor,
    target: Tensor,
    images: Tensor,
    labels: Tensor,
    lr: Tensor,
    steps: Sequence[Step],
    **options: Any,
) -> Tensor:
    """``|student - target|² / |start - target|²``, where the student is trained by SGD from ``start``.

    ``start`` and ``target`` are vectors of all parameters of ``network``; ``lr`` is the learning rate of every step.
    The ``options`` are those of `trained`.
    """
    moving = Moving(start, torch.zeros_like(start))
    end = trained(network, moving, images, labels, lr.expand(len(steps)), steps, **options).vector
    return (end - target).square().sum() / (start - target).square().sum()


class Moving(NamedTuple):
    """A vector of all parameters of a network, and its velocity: the running sum of gradients of SGD with momentum."""

    vector: Tensor
    velocity: Tensor


class Parameters:
    """A network as a function of a vector of its parameters."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._shapes = {name: parameter.shape for name, parameter in network.named_parameters()}

    def __call__(self, vector: Tensor, images: Tensor) -> Tensor:
        parts = torch.split(vector, [shape.numel() for shape in self._shapes.values()])
        named = {name: part.view(shape) for (name, shape), part in zip(self._shapes.items(), parts, strict=True)}
        scores: Tensor = functional_call(self._network, named, (images,))
        return scores


class _Student:
    """How a student is trained."""

    def __init__(
        self, network: nn.Module, decode: Decode, room: Room, scale: Tensor | None, momentum: float, decay: float
    ) -> None:
        self._network, self._decode, self._room = Parameters(network), decode, room
        self._scale, self.momentum, self.decay = scale, momentum, decay

    def parts(self, step: Step) -> list[Step]:
        """The parts of a step, if its graph would be too large."""
        return [step.part(part) for part in self._room.parts(len(step.rows))]

    def gradient(
        self, vector: Tensor, values: Tensor, labels: Tensor, step: Step, share: float, *, graph: bool
    ) -> Tensor:
        """The gradient of the loss of ``values`` and ``labels`` of some rows, a ``share`` of the batch, with respect to
        the parameters; with ``graph``, differentiable with respect to all of them."""
        batch = step.augmentation(self._decode(values, step.rows))
        with step.drawing(values.device), sdpa_kernel(SDPBackend.MATH):  # other attention is differentiable only once
            loss = F.cross_entropy(self._network(vector, batch), labels) * share
        loss = loss if self._scale is None else loss * self._scale
        (gradient,) = torch.autograd.grad(loss, vector, create_graph=graph)
        return gradient if self._scale is None else gradient / self._scale

    def moved(self, at: Moving, gradient: Tensor, rate: Tensor) -> Moving:
        """The next parameters and velocity, as `torch.optim.SGD` computes them."""
        if self.decay:
            gradient = gradient + self.decay * at.vector
        if not self.momentum:
            return Moving(at.vector - rate * gradient, at.velocity)
        velocity = self.momentum * at.velocity + gradient
        return Moving(at.vector - rate * (gradient + self.momentum * velocity), velocity)


def _trained_with_graph(
    images: Tensor, labels: Tensor, rates: Tensor, student: _Student, start: Moving, steps: Sequence[Step]
) -> Moving:
    """`_Trained` in a single graph of all steps, which takes no step twice."""
    at = Moving(start.vector.detach().requires_grad_(), start.velocity.detach())
    for step, rate in zip(steps, rates, strict=True):
        rows = step.rows.to(images.device, non_blocking=True)
        inputs = images.index_select(0, rows), labels.index_select(0, rows)
        at = student.moved(at, student.gradient(at.vector, *inputs, step, 1.0, graph=True), rate)
    return at


class _Trained(torch.autograd.Function):
    """The forward pass computes the student's parameters after each step, the backward pass the steps in reverse, one
    graph at a time."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, labels: Tensor, rates: Tensor, student: _Student, start: Moving, steps: Sequence[Step]
    ) -> tuple[Tensor, Tensor]:
        path = [Moving(start.vector.detach(), start.velocity.detach())]
        for step, rate in zip(steps, rates.detach(), strict=True):
            gradient = torch.zeros_like(start.vector)
            for part in student.parts(step):
                rows = part.rows.to(images.device, non_blocking=True)
                inputs = images.detach().index_select(0, rows), labels.detach().index_select(0, rows)
                with torch.enable_grad():
                    vector = path[-1].vector.detach().requires_grad_()
                    found = student.gradient(vector, *inputs, part, len(rows) / len(step.rows), graph=False)
                gradient = gradient + found.detach()
            path.append(student.moved(path[-1], gradient, rate))
        ctx.save_for_backward(images, labels, rates, *(one.vector for one in path))
        ctx.student, ctx.steps = student, steps
        return path[-1].vector.clone(), path[-1].velocity.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_vector: Tensor, of_velocity: Tensor) -> tuple[Tensor | None, ...]:
        images, labels, rates, *path = ctx.saved_tensors
        student: _Student = ctx.student
        wanted = [place for place in range(2) if ctx.needs_input_grad[place]]
        totals = {place: torch.zeros_like((images, labels)[place]) for place in wanted}
        of_rates = torch.zeros_like(rates)
        for number, step in reversed(list(enumerate(ctx.steps))):
            rate, vector = rates[number], path[number]
            if ctx.needs_input_grad[2]:
                of_rates[number] = torch.dot(path[number + 1] - vector, of_vector) / rate
            of_gradient = -rate * of_vector
            if student.momentum:
                of_velocity = of_velocity + student.momentum * of_gradient
                of_gradient = of_gradient + of_velocity
                of_velocity = student.momentum * of_velocity
            before = of_vector + student.decay * of_gradient
            for part in student.parts(step):
                rows = part.rows.to(images.device, non_blocking=True)
                inputs = images.index_select(0, rows).detach(), labels.index_select(0, rows).detach()
                leaves = [leaf.requires_grad_() for place, leaf in enumerate(inputs) if place in wanted]
                with torch.enable_grad():
                    leaf = vector.detach().requires_grad_()
                    found = student.gradient(leaf, *inputs, part, len(rows) / len(step.rows), graph=True)
                of_leaf, *others = torch.autograd.grad(found, [leaf, *leaves], of_gradient)
                del found  # and its graph, before the next one
                before = before + of_leaf
                for place, other in zip(wanted, others, strict=True):
                    totals[place].index_add_(0, rows, other)
            of_vector = before
        return (totals.get(0), totals.get(1), of_rates if ctx.needs_input_grad[2] else None, None, None, None)
