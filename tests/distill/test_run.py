import math
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import fredfmt
from fredfmt import ArgumentError, FormatError
from fredfmt.codec.masks import ClassStatistics, choose_frequencies
from fredfmt.distill import (
    DistillationStopped,
    DistillConfig,
    DivergenceError,
    FrequencySynset,
    NetworkConfig,
    distill,
    own_start,
)
from fredfmt.distill.objectives import Iteration, make_objective
from fredfmt.distill.objectives.real import RealImages
from fredfmt.distill.synset.start import initial_data
from fredfmt.errors import AccessError
from fredfmt.model.ordering import coarseness

CONFIG = DistillConfig(
    objective="dm",
    ipc=0.4,
    k=29,
    iterations=9,
    batch_real=6,
    step=None,
    network=NetworkConfig(width=4, depth=2),
)


def mean_loss(source, data, config):
    """Of networks that the distillation has not seen."""
    losses = []
    for number in range(1000, 1020):
        iteration = Iteration(
            number=number,
            seed=config.seed,
            classes=len(source.classes),
            channels=source.channels,
            spatial_shape=source.spatial_shape,
            synthetic=FrequencySynset.from_data(data),
            real=RealImages(source),
            network_config=config.network,
            operations=(),
        )
        losses += [loss.item() for loss in make_objective(config).losses(iteration)]
    return np.mean(losses)


def test_it_makes_the_loss_smaller(patches):
    reports = []
    config = replace(CONFIG, iterations=45, step=0.25, augmentation="none")
    data = distill(patches, config, progress=reports.append)
    assert [(report.done, report.total) for report in reports] == [(done, 45) for done in (10, 20, 30, 40, 45)]
    assert mean_loss(patches, data, config) < 0.7 * mean_loss(patches, own_start(data, patches), config)
    assert data.coefficients.dtype == np.int16
    assert len(data) == 3 * 3


def test_the_result_says_what_was_run(patches, tmp_path):
    data = distill(patches, replace(CONFIG, step=0.25))
    fredfmt.save(data, tmp_path / "x.fred")
    read = fredfmt.load(tmp_path / "x.fred")
    assert read == data
    assert DistillConfig.from_json(read.metadata.distillation) == replace(CONFIG, step=0.25)
    assert read.metadata.classes == patches.classes
    assert read.metadata.normalization == patches.normalization
    assert read.metadata.source["name"] == "patches"
    assert read.metadata.mask["strategy"] == "evr"
    assert read.metadata.mask["scope"] == "class"


def test_masks_are_those_of_the_whole_class_or_of_the_first_images(patches):
    everything = fredfmt.encode(patches.normalized, patches.labels, k=29)
    np.testing.assert_array_equal(initial_data(patches, CONFIG).frequencies, everything.frequencies)
    narrow = replace(CONFIG, mask_scope="start")
    drawn = patches.sample(3, seed=0)
    of_drawn = fredfmt.encode(drawn.normalized, drawn.labels, k=29)
    data = distill(patches, replace(narrow, iterations=1))
    np.testing.assert_array_equal(data.frequencies, of_drawn.frequencies)
    assert data.metadata.mask["scope"] == "start"
    assert not np.array_equal(of_drawn.frequencies, everything.frequencies)


def test_it_starts_from_its_own_start(patches):
    config = replace(CONFIG, seed=4)
    start = initial_data(patches, config)
    np.testing.assert_array_equal(own_start(distill(patches, config), patches).coefficients, start.coefficients)
    barely = distill(patches, replace(config, iterations=1, lr=1e-9))
    np.testing.assert_allclose(barely.coefficients, start.coefficients, atol=1e-6)


def test_equal_settings_give_equal_bits_and_leave_the_global_generator_alone(patches):
    state = torch.get_rng_state()
    first = distill(patches, CONFIG)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert distill(patches, CONFIG) == first
    assert not np.array_equal(distill(patches, replace(CONFIG, seed=1)).coefficients, first.coefficients)


@pytest.mark.parametrize("change", [{}, {"optimizer": "sgd", "lr": 2.0}, {"step": 0.5, "quantize_in_loop": True}])
def test_a_run_that_goes_on_from_a_checkpoint_ends_in_the_same_bits(patches, tmp_path, change):
    config = replace(CONFIG, **change)
    path = tmp_path / "run.checkpoint"
    distill(patches, replace(config, iterations=4), checkpoint=path)
    assert distill(patches, config, checkpoint=path) == distill(patches, config)
    assert distill(patches, config, checkpoint=path) == distill(patches, config)  # there is nothing left to do
    assert distill(patches, config, checkpoint=path, resume=False) == distill(patches, config)


def test_a_complete_run_needs_no_last_checkpoint(patches, tmp_path, monkeypatch, caplog):
    def refuse(path, arrays, document):
        raise AccessError("cannot be written", where=str(path))

    monkeypatch.setattr("fredfmt.distill.run.state.write_checkpoint", refuse)
    assert distill(patches, CONFIG, checkpoint=tmp_path / "x") == distill(patches, CONFIG)
    assert "cannot be written; the run is complete" in caplog.text
    with pytest.raises(AccessError):
        distill(patches, CONFIG, checkpoint=tmp_path / "x", checkpoint_every=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("folder:images", CONFIG), "not a source of real images; expected a Source, found str.*open_source"),
        ((None, {"k": 3}), "not settings; expected a DistillConfig or None, found dict"),
        ((None, CONFIG, {"device": "tpu9"}), "no such device"),
    ],
)
def test_other_arguments_are_refused(patches, arguments, message):
    source, config, *more = arguments
    with pytest.raises(ArgumentError, match=message):
        distill(source or patches, config, **(more[0] if more else {}))


def test_ctrl_c_leaves_a_checkpoint_and_a_usable_set(patches, tmp_path):
    path = tmp_path / "run.checkpoint"
    config = replace(CONFIG, iterations=25)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(DistillationStopped, match=r"stopped after iteration 10 of 25.*run\.checkpoint") as stopped:
        distill(patches, config, checkpoint=path, progress=lambda progress: os.kill(os.getpid(), signal.SIGINT))
    assert signal.getsignal(signal.SIGINT) is handler
    assert stopped.value.data == distill(patches, replace(config, iterations=10))
    assert distill(patches, config, checkpoint=path) == distill(patches, config)


KILLED = """
import os, signal, sys
import torch
from fredfmt import save
from fredfmt.distill import DistillConfig, NetworkConfig, distill
from fredfmt.data.sources import open_source

def killed(progress):
    if progress.done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(1)
config = DistillConfig.from_json(eval(sys.argv[4]))
data = distill(open_source("digits"), config, checkpoint=sys.argv[1], checkpoint_every=7, progress=killed)
save(data, sys.argv[2])
"""


@pytest.mark.slow
def test_a_killed_process_goes_on_to_the_same_bits(digits, tmp_path):
    config = DistillConfig(objective="dm", k=24, iterations=40, batch_real=4, network=NetworkConfig(width=4, depth=2))
    out = tmp_path / "digits.fred"

    def run(kill_at):
        words = [sys.executable, "-c", KILLED, tmp_path / "checkpoint", out, str(kill_at), repr(config.to_json())]
        return subprocess.run(words, check=False, capture_output=True, text=True)

    assert run(30).returncode == -signal.SIGKILL
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint"}
    again = run(-1)
    assert again.returncode == 0, again.stderr
    fredfmt.save(distill(digits, config), tmp_path / "whole.fred")
    assert out.read_bytes() == (tmp_path / "whole.fred").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint", "digits.fred", "whole.fred"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"lr": 0.3}, "optimization.lr"),
        ({"seed": 1}, "run.seed"),
        ({"network": NetworkConfig(width=5, depth=2)}, "network.width"),
        ({"objective": "dsa"}, "objective"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(patches, tmp_path, change, named):
    path = tmp_path / "run.checkpoint"
    distill(patches, replace(CONFIG, iterations=2), checkpoint=path)
    with pytest.raises(ArgumentError, match=f"its {named} differs"):
        distill(patches, replace(CONFIG, **change), checkpoint=path)


def test_a_checkpoint_of_other_images_or_a_longer_run_is_refused(patches, tmp_path):
    path = tmp_path / "run.checkpoint"
    distill(patches, CONFIG, checkpoint=path)
    with pytest.raises(ArgumentError, match="started from other images"):
        distill(replace(patches, images=patches.images * np.float32(0.99)), CONFIG, checkpoint=path)
    with pytest.raises(ArgumentError, match="its count differs"):
        distill(replace(patches, images=patches.images[1:], labels=patches.labels[1:]), CONFIG, checkpoint=path)
    with pytest.raises(ArgumentError, match="at most 5 iterations, found 9"):
        distill(patches, replace(CONFIG, iterations=5), checkpoint=path)


def test_a_file_that_is_no_checkpoint_is_refused(patches, tmp_path):
    path = tmp_path / "run.checkpoint"
    distill(patches, CONFIG, checkpoint=path)
    whole = path.read_bytes()
    for content in (b"", b"not a checkpoint", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(content)
        with pytest.raises(FormatError, match="not a checkpoint"):
            distill(patches, CONFIG, checkpoint=path)
    np.savez(path, document=np.array([{"format": "fredfmt checkpoint 1"}], dtype=object))
    with pytest.raises(FormatError, match="not a checkpoint"):
        distill(patches, CONFIG, checkpoint=path.with_suffix(".checkpoint.npz"))


class TurnsNaN:
    def __init__(self, config):
        pass

    def losses(self, iteration):
        yield iteration.synthetic.images().square().mean() * (math.nan if iteration.number == 16 else 1)


def test_divergence_is_named_and_spares_the_checkpoint(patches, tmp_path):
    path = tmp_path / "run.checkpoint"
    config = replace(CONFIG, objective=TurnsNaN, iterations=30)
    with pytest.raises(DivergenceError, match=r"iteration 17: .* learning rate of 0\.1 .* good checkpoint is .*run"):
        distill(patches, config, checkpoint=path, checkpoint_every=6)
    again = distill(patches, replace(config, iterations=12), checkpoint=path)
    assert again.metadata.distillation["optimization"]["iterations"] == 12


def test_budgets_that_the_source_cannot_fill_are_refused(patches):
    with pytest.raises(ArgumentError, match="too few images"):
        distill(patches, replace(CONFIG, ipc=3))
    with pytest.raises(ArgumentError, match="do not fit"):
        distill(patches, replace(CONFIG, network=NetworkConfig(depth=4)))


def test_the_mask_of_gradients_keeps_what_the_objective_pulls_at(patches):
    config = replace(CONFIG, mask="gradient", k=9, ipc=0.2, augmentation="none", iterations=1)
    data = distill(patches, config)
    assert data.metadata.mask["strategy"] == "gradient"
    assert data.k == 9
    assert np.array_equal(distill(patches, config).frequencies, data.frequencies)
    random = choose_frequencies(ClassStatistics(3, 2, 221), (13, 17), 9, mask="random", seed=1)
    # smooth images: what is to be matched lies at coarse frequencies
    assert coarseness(data.frequencies, (13, 17)).mean() < 0.6 * coarseness(random, (13, 17)).mean()
