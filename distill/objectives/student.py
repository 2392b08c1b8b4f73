"""The student of trajectory matching: training on synthetic images as a differentiable function of these images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from fredfmt.distill.augment import Augmentation
from fredfmt.distill.networks.own import seeded
from fredfmt.distill.networks.room import EVERYTHING, Room


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


Decode: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From (B, ...) values and (B,) int64 rows to (B, C, *spatial) images."""


def _unchanged(values: Tensor, rows: Tensor) -> Tensor:
    return values


def trajectory_distance(
    network: nn.Module,
    start: Tensor,
    target: Tensor,
    images: Tensor,
    labels: Tensor,
    lr: Tensor,
    steps: Sequence[Step],
    *,
    decode: Decode | None = None,
    room: Room = EVERYTHING,
    scale: Tensor | None = None,
) -> Tensor:
    """``|student - target|² / |start - target|²``, where the student is trained by SGD from ``start``.

    ``start`` and ``target`` are vectors of all parameters of ``network``. Differentiable with respect to images,
    learning rate and labels that are probabilities. If there is ``room`` for the images of all steps, their graph is
    kept. Otherwise memory holds the graph of a single step, or of a part of it, and a copy of the parameters for each
    step: the backward pass computes each step again. With ``decode``, ``images`` may be any values, from whose rows
    ``decode`` makes images. ``scale`` is the factor of losses while the gradients of the student are computed, to
    prevent underflow in half precision.
    """
    student = _Student(network, decode or _unchanged, room, scale)
    learned = torch.is_grad_enabled() and any(given.requires_grad for given in (images, labels, lr))
    if learned and sum(len(step.rows) for step in steps) <= room.kept:
        return _distance_with_graph(images, labels, lr, student, start, target, steps)
    apply: Any = _Distance.apply
    distance: Tensor = apply(images, labels, lr, student, start, target, steps)
    return distance


class _Student:
    """A network as a function of a vector of its parameters."""

    def __init__(self, network: nn.Module, decode: Decode, room: Room, scale: Tensor | None) -> None:
        self._network, self._decode, self._room = network, decode, room
        self._shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
        self._scale = scale

    def __call__(self, vector: Tensor, images: Tensor) -> Tensor:
        parts = torch.split(vector, [shape.numel() for shape in self._shapes.values()])
        named = {name: part.view(shape) for (name, shape), part in zip(self._shapes.items(), parts, strict=True)}
        scores: Tensor = functional_call(self._network, named, (images,))
        return scores

    def parts(self, step: Step) -> list[Step]:
        """The parts of a step, if its graph would be too large."""
        return [step.part(part) for part in self._room.parts(len(step.rows))]

    def moved(
        self, vector: Tensor, values: Tensor, labels: Tensor, lr: Tensor, step: Step, share: float, *, graph: bool
    ) -> Tensor:
        """The change of the parameters by SGD for ``values`` and ``labels`` of some rows, a ``share`` of the batch;
        with ``graph``, differentiable with respect to all of them."""
        batch = step.augmentation(self._decode(values, step.rows))
        with step.drawing(values.device), sdpa_kernel(SDPBackend.MATH):  # other attention is differentiable only once
            loss = F.cross_entropy(self(vector, batch), labels) * share
        loss = loss if self._scale is None else loss * self._scale
        (gradient,) = torch.autograd.grad(loss, vector, create_graph=graph)
        return -lr * (gradient if self._scale is None else gradient / self._scale)


def _distance_with_graph(
    images: Tensor, labels: Tensor, lr: Tensor, student: _Student, start: Tensor, target: Tensor, steps: Sequence[Step]
) -> Tensor:
    """`_Distance` in a single graph of all steps, which takes no step twice."""
    vector = start.detach().requires_grad_()
    for step in steps:
        rows = step.rows.to(images.device, non_blocking=True)
        inputs = (images.index_select(0, rows), labels.index_select(0, rows), lr)
        vector = vector + student.moved(vector, *inputs, step, 1.0, graph=True)
    return _relative(vector, start, target)


def _relative(end: Tensor, start: Tensor, target: Tensor) -> Tensor:
    return (end - target).square().sum() / (start - target).square().sum()


class _Distance(torch.autograd.Function):
    """The forward pass computes the student's parameters after each step, the backward pass the steps in reverse, one
    graph at a time."""

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        labels: Tensor,
        lr: Tensor,
        student: _Student,
        start: Tensor,
        target: Tensor,
        steps: Sequence[Step],
    ) -> Tensor:
        path = [start]
        for step in steps:
            after = path[-1]
            for part in student.parts(step):
                rows = part.rows.to(images.device, non_blocking=True)
                inputs = (images.detach().index_select(0, rows), labels.detach().index_select(0, rows), lr.detach())
                with torch.enable_grad():
                    vector = path[-1].detach().requires_grad_()
                    moved = student.moved(vector, *inputs, part, len(rows) / len(step.rows), graph=False)
                after = after + moved.detach()
            path.append(after)
        ctx.save_for_backward(images, labels, lr, target, *path)
        ctx.student, ctx.steps = student, steps
        return _relative(path[-1], start, target)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        images, labels, lr, target, *path = ctx.saved_tensors
        wanted = [place for place in range(3) if ctx.needs_input_grad[place]]
        totals = {place: torch.zeros_like((images, labels, lr)[place]) for place in wanted}
        slope = upstream * 2 * (path[-1] - target) / (path[0] - target).square().sum()
        for vector, step in zip(reversed(path[:-1]), reversed(ctx.steps), strict=True):
            before = slope
            for part in ctx.student.parts(step):
                rows = part.rows.to(images.device, non_blocking=True)
                leaves = [images.index_select(0, rows), labels.index_select(0, rows), lr]
                leaves = [leaf.detach().requires_grad_(place in wanted) for place, leaf in enumerate(leaves)]
                with torch.enable_grad():
                    vector = vector.detach().requires_grad_()
                    moved = ctx.student.moved(vector, *leaves, part, len(rows) / len(step.rows), graph=True)
                of_vector, *others = torch.autograd.grad(moved, [vector, *(leaves[place] for place in wanted)], slope)
                del moved  # and its graph, before the next one
                before = before + of_vector
                for place, other in zip(wanted, others, strict=True):
                    if place == 2:
                        totals[place] += other
                    else:
                        totals[place].index_add_(0, rows, other)
            slope = before
        return (*(totals.get(place) for place in range(3)), None, None, None, None)
