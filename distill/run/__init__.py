"""`Run`: the state, the networks and the objective of a distillation, and its iterations."""

from __future__ import annotations

import logging
import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from fredfmt.codec.devices import usable_device
from fredfmt.data.sources import Source
from fredfmt.distill.augment import operations
from fredfmt.distill.config import DistillConfig
from fredfmt.distill.evaluation.held_out import held_out
from fredfmt.distill.evaluation.protocol import evaluate
from fredfmt.distill.evaluation.settings import EvaluationConfig
from fredfmt.distill.networks import NetworkFactory, embedding, make_network, seeded
from fredfmt.distill.networks.prepared import explaining_derivatives
from fredfmt.distill.objectives import Iteration, StatefulObjective, make_objective
from fredfmt.distill.objectives.real import RealImages
from fredfmt.distill.run.recognition import Recognition, taught
from fredfmt.distill.run.state import State
from fredfmt.distill.runtime.checkpoint import read_checkpoint
from fredfmt.distill.runtime.distributed import Ranks
from fredfmt.distill.runtime.memory import keep_freed_memory, return_freed_memory
from fredfmt.distill.runtime.progress import Callback, Progress
from fredfmt.distill.runtime.randomness import generator
from fredfmt.distill.synset import FrequencySynset
from fredfmt.distill.synset.gradient_mask import gradient_mask, with_all_frequencies
from fredfmt.distill.synset.start import initial_data, warn_of_small_classes
from fredfmt.errors import FredError
from fredfmt.model.data import FreDData
from fredfmt.transforms import spatial_size

_log = logging.getLogger(__name__)
_LARGEST = 1e4
"""The root mean square of the values of an image, in normalised units, above which the run counts as diverged."""
_TRIAL = {"steps": 600, "seeds": 3}
"""Settings of the comparison of result and start."""


class DivergenceError(FredError):
    """The loss or a coefficient became NaN or infinite, or coefficients became larger than those of any image."""


class Run:
    """A run: the source, the networks and the objective, which change the state in each iteration."""

    def __init__(
        self,
        source: Source,
        config: DistillConfig,
        device: torch.device | str,
        network: NetworkFactory | None = None,
        *,
        ranks: Ranks | None = None,
    ) -> None:
        keep_freed_memory()
        self.config = config
        self.network = network
        self.device = usable_device(device)
        self.ranks = ranks or Ranks.current()
        self.objective = make_objective(config)
        self.operations = operations(config.run.augmentation, len(source.spatial_shape))
        self.source = source
        train, self.held = held_out(source, config)
        self.train = train
        self.real = RealImages(train, device)
        self._check_network()
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.run.precision == "float16")
        self.recognition: Recognition | None = None
        frequencies = self._gradient_mask() if config.frequencies.mask == "gradient" else None
        start = self.ranks.from_first(lambda: initial_data(train, config, frequencies))
        classes = start.labels
        if config.teacher.teacher_steps:
            start, self.recognition = taught(start, train, config, self.ranks, self.device)
        return_freed_memory()
        self.state = State(
            *(start, config, self.objective, self.scaler, self.device, classes),
            source=train.provenance(),
            recognition=self.recognition,
        )
        self.saved: tuple[Path, int] | None = None
        """The last checkpoint of this run, and its iteration."""
        self._losses: list[Tensor] = []

    def announce(self, device: torch.device | str) -> None:
        """Log a description of the run, and a warning if some classes have fewer images than instances."""
        warn_of_small_classes(self.train, self.config)
        count, _, k = self.state.start.coefficients.shape
        _log.info(
            "%s: %s on %d images of %d classes, %d instances of %d frequencies, iterations %d to %d, %s on %s, "
            "process %d of %d",
            *(self.source.name, self.config.objective, len(self.source), len(self.source.classes), count, k),
            *(self.state.done + 1, self.config.optimization.iterations, self.config.network.name, device),
            *(self.ranks.rank + 1, self.ranks.count),
        )

    def _check_network(self) -> None:
        """Raise `ArgumentError` if the network does not fit images or objective, before any image is read."""
        made = make_network(
            self.config.network,
            channels=self.source.channels,
            spatial_shape=self.source.spatial_shape,
            classes=len(self.source.classes),
            generator=generator(self.config.run.seed, "fitting network"),
            factory=self.network,
        )
        if getattr(self.objective, "matches_features", False):
            embedding(made)

    def step(self) -> None:
        """One iteration. It does not synchronise with the device, except for the loss scale of float16."""
        with explaining_derivatives(), self._seeded(self.state.done):
            losses = self._updates(self.iteration(self.state.done, self.state.synset))
        self._losses.append(torch.stack(losses).mean())
        self.state.count()

    def _updates(self, iteration: Iteration) -> list[Tensor]:
        """The losses of an iteration, with an update of the coefficients after each."""
        losses = []
        state, learned = self.state, self.state.learned
        for loss in self.objective.losses(iteration):
            self.scaler.scale(loss).backward(inputs=learned)  # type: ignore[no-untyped-call]
            loss = loss.detach()
            gradients = [part.grad for part in learned if part.grad is not None]
            self.ranks.combine([loss, *gradients], shared=iteration.shared)
            scale = self.scaler.get_scale() if self.scaler.is_enabled() else 1.0
            state.rate.add_gradient(state.synset.coefficients, scale)
            if self.recognition is not None:
                self.recognition.add_gradient(state.synset.coefficients, iteration, scale)
            self.scaler.step(state.optimizer)
            self.scaler.update()
            state.optimizer.zero_grad()
            losses.append(loss)
        return losses

    def iteration(self, number: int, synset: FrequencySynset) -> Iteration:
        """The `Iteration` with which the objective computes its losses for ``synset``."""
        return Iteration(
            number=number,
            seed=self.config.run.seed,
            classes=len(self.source.classes),
            channels=self.source.channels,
            spatial_shape=self.source.spatial_shape,
            synthetic=synset,
            real=self.real,
            network_config=self.config.network,
            operations=self.operations,
            network_factory=self.network,
            ranks=self.ranks,
            scale=self.scaler.scale(torch.ones((), device=synset.labels.device)) if self.scaler.is_enabled() else None,
            precision=self.config.run.precision,
            compile=self.config.run.compile,
            teacher=None if self.recognition is None else self.recognition.teacher.predicted,
        )

    def _seeded(self, number: int) -> AbstractContextManager[None]:
        """A context that seeds the random draws of a custom network in its forward pass, for example for dropout."""
        if self.network is None:
            return nullcontext()
        return seeded(generator(self.config.run.seed, "own network", number), self.device)

    def _gradient_mask(self) -> NDArray[Any]:
        """(class, frequency) flat indices, chosen by gradients of networks that the run does not use otherwise."""
        objective = make_objective(self.config)
        if isinstance(objective, StatefulObjective):
            objective.learned(self.device)

        def gradient(synset: FrequencySynset, draw: int) -> Tensor:
            number = self.config.optimization.iterations + draw
            iteration = self.iteration(number, synset)
            with explaining_derivatives(), self._seeded(number):
                loss = next(objective.losses(iteration))
                (found,) = torch.autograd.grad(self.scaler.scale(loss), synset.coefficients)
            self.ranks.combine([found], shared=iteration.shared)
            return found

        everything = self.ranks.from_first(
            lambda: initial_data(self.train, with_all_frequencies(self.config, self.train))
        )
        return gradient_mask(everything, self.config.frequencies.k, gradient, self.device)

    def mean_loss(self) -> float:
        """The mean loss of the iterations since the last call.

        Raises `DivergenceError` for NaN or infinity anywhere, and for coefficients larger than in any image.
        """
        losses = torch.stack(self._losses).cpu()
        self._losses = []
        finite = losses.isfinite()
        if not (finite.all() and all(bool(value.isfinite().all()) for value in self.state.learned)):
            first = (
                self.state.done - len(losses) + int(finite.to(torch.int8).argmin()) + 1
                if not finite.all()
                else self.state.done
            )
            raise self._diverged("the loss is no longer finite", first)
        limit = _LARGEST * math.sqrt(spatial_size(self.source.spatial_shape))
        largest = float(self.state.synset.coefficients.detach().abs().max())
        if largest > limit:
            raise self._diverged(
                "the coefficients are no longer those of images",
                self.state.done,
                expected=f"magnitudes up to {limit:.3g}",
                found=f"{largest:.3g}",
            )
        return float(losses.mean())

    def _diverged(self, what: str, iteration: int, **more: str) -> DivergenceError:
        kept = "; the last good checkpoint is {}, of iteration {}".format(*self.saved) if self.saved else ""
        hint = f"A learning rate of {self.config.optimization.lr:g} is likely too large{kept}"
        return DivergenceError(what, where=f"iteration {iteration}", hint=hint, **more)

    def best(self, progress: Callback | None) -> FreDData:
        """The result or the initial images, whichever networks learn more from, measured on the held-out images; the
        result if no images are held out."""
        learned, held = self.state.data(), self.held
        if held is None or not self.state.done:
            return learned
        unlearned = self.state.unlearned()

        def accuracy(data: FreDData) -> float:
            protocol = EvaluationConfig.for_data(data, network=self.config.network, **_TRIAL)
            how: dict[str, Any] = {"network": self.network, "device": self.device, "whitening": held.whitening}
            return evaluate(data, held, protocol, **how).mean

        if progress is not None and self.ranks.first:
            progress(Progress("comparing with the start", self.state.done, self.state.done))
        gain = self.ranks.from_first(lambda: accuracy(learned) - accuracy(unlearned))
        _log.info("%+.1f points of accuracy on held-out images against the start", 100 * gain)
        return learned if gain >= 0 else unlearned

    def save(self, path: Path) -> None:
        """Write the checkpoint, on the first of several processes. Call `mean_loss` before, which refuses NaN."""
        self.saved = path, self.state.done
        if self.ranks.first:
            self.state.save(path, self.source.provenance())

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint, if it exists. Raises `ArgumentError` if it is from a different run."""
        found = self.ranks.from_first(lambda: read_checkpoint(path) if path.exists() else None)
        if found is not None:
            self.state.restore(*found, path, self.source.provenance())
            self.saved = path, self.state.done
