"""Options of a run: precision, compilation, TensorBoard, the log, and what a checkpoint may hold."""

import logging
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import fredfmt
from fredfmt import ArgumentError
from fredfmt.cli.app import app
from fredfmt.distill import DistillConfig, DivergenceError, NetworkConfig, distill
from fredfmt.distill.networks import make_network
from fredfmt.distill.networks.prepared import prepared
from fredfmt.distill.objectives.parts import summed
from fredfmt.distill.run import Run
from fredfmt.distill.runtime.checkpoint import read_checkpoint
from fredfmt.distill.runtime.randomness import generator
from fredfmt.distill.runtime.tensorboard import TensorBoard

CONFIG = DistillConfig(
    objective="dm",
    ipc=0.4,
    k=29,
    iterations=5,
    batch_real=6,
    step=None,
    optimizer="sgd",
    lr=1.0,
    network=NetworkConfig(width=4, depth=2),
)


def moments_of(run):
    """The state of the optimizer of the coefficients."""
    return run.state.optimizer.state[run.state.synset.coefficients]


@pytest.mark.parametrize(("objective", "precision"), [("dm", "bfloat16"), ("dsa", "bfloat16"), ("dm", "float16")])
def test_half_precision_is_near_and_everything_kept_is_float32(patches, objective, precision, tmp_path):
    config = replace(CONFIG, objective=objective)
    half, whole = (Run(patches, each, "cpu") for each in (replace(config, precision=precision), config))
    for run in (half, whole):
        run.step()
    gradients = [moments_of(run)["momentum_buffer"] for run in (half, whole)]  # those of the only step
    assert half.state.synset.coefficients.dtype == gradients[0].dtype == torch.float32
    assert half.mean_loss() == pytest.approx(whole.mean_loss(), rel=0.05)
    assert not torch.equal(*gradients)
    cosine = torch.nn.functional.cosine_similarity(*(gradient.flatten() for gradient in gradients), dim=0)
    assert cosine > 0.95
    if precision == "float16":
        return
    path = tmp_path / "run.checkpoint"
    short = replace(config, precision=precision)
    distill(patches, replace(short, iterations=2), checkpoint=path)
    assert distill(patches, short, checkpoint=path) == distill(patches, short)


def test_a_loss_scale_that_overflows_is_lowered(patches):
    run = Run(patches, replace(CONFIG, objective="dsa", precision="float16"), "cpu")
    start = run.state.synset.coefficients.detach().clone()
    for _ in range(12):
        run.step()
    assert run.scaler.get_scale() < 65536
    assert run.state.synset.coefficients.isfinite().all()
    assert (run.state.synset.coefficients - start).norm() > 0


def test_a_loss_scale_is_kept_in_checkpoints(patches, tmp_path):
    path = tmp_path / "run.checkpoint"
    config = replace(CONFIG, precision="float16", iterations=6)
    distill(patches, replace(config, iterations=3), checkpoint=path)
    assert read_checkpoint(path)[1]["scaler"]["scale"] > 1
    assert distill(patches, config, checkpoint=path) == distill(patches, config)


def test_a_scale_leaves_the_gradient_as_it_is():
    images = torch.randn(5, 2, 3, 3, generator=generator(0, "x")).requires_grad_()
    parts = [slice(0, 2), slice(2, 5)]
    loss = lambda part, number: (part.cos() * (number + 1)).sum()  # noqa: E731
    plain = loss(images[:2], 0) + loss(images[2:], 1)
    (exact,) = torch.autograd.grad(plain, images)
    for scale in (None, torch.tensor(1024.0)):
        value = summed(images, parts, loss, scale)
        (gradient,) = torch.autograd.grad(value if scale is None else value * scale, images)
        torch.testing.assert_close(value, plain)
        torch.testing.assert_close(gradient, exact * (1 if scale is None else scale))


def test_networks_unchanged_unless_asked_otherwise():
    network = make_network(
        NetworkConfig(width=4, depth=2), channels=1, spatial_shape=(8, 8), classes=3, generator=generator(0, "x")
    )
    assert prepared(network) is network
    half = prepared(network, "bfloat16")
    assert [weight.shape for weight in half.parameters()] == [weight.shape for weight in network.parameters()]
    assert half(torch.randn(2, 1, 8, 8)).dtype == half.embed(torch.randn(2, 1, 8, 8)).dtype == torch.float32


def test_gradients_of_gradients_and_compilation(patches, monkeypatch):
    """The message, not the compiler, which takes half a minute."""

    def refuse(*given):
        raise RuntimeError("torch.compile with aot_autograd does not currently support double backward")

    monkeypatch.setattr("fredfmt.distill.networks.prepared.compiled", lambda kind, method: refuse)
    with pytest.raises(ArgumentError, match="Run without compile"):
        distill(patches, replace(CONFIG, objective="dc", compile=True))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_learns_the_same(patches):
    compiled = distill(patches, replace(CONFIG, compile=True))
    np.testing.assert_allclose(compiled.coefficients, distill(patches, CONFIG).coefficients, rtol=1e-3, atol=1e-3)


def test_tensorboard_gets_loss_rate_and_images(patches, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with TensorBoard(tmp_path, images_every=10) as board:
        distill(patches, replace(CONFIG, iterations=25), progress=board)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Scalars("loss")] == [10, 20, 25]
    assert [event.step for event in events.Scalars("iterations per second")] == [20, 25]
    assert [event.step for event in events.Images("images")] == [10, 20, 25]


def test_without_tensorboard_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ArgumentError, match="pip install tensorboard"):
        TensorBoard(tmp_path)


def test_the_log_says_what_is_run_and_where_it_is_kept(patches, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "fredfmt"):
        distill(patches, CONFIG, checkpoint=tmp_path / "run.checkpoint", checkpoint_every=3)
    start, *kept = [record.getMessage() for record in caplog.records]
    assert "patches: dm on 41 images of 3 classes, 9 instances of 29 frequencies, iterations 1 to 5" in start
    assert [line.partition(":")[0] for line in kept] == ["iteration 3 of 5", "iteration 5 of 5"]


def test_the_command_takes_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["distill", "digits", "x.fred", "--k", "24", "--iterations", "2", "--batch-real", "4", "--width", "4"]
    words += ["--precision", "bfloat16", "--log", "run.log", "--tensorboard", "board", "--depth", "2"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, (result.output, result.exception)
    assert "digits: frepo on" in (tmp_path / "run.log").read_text()
    assert list((tmp_path / "board").iterdir())
    assert fredfmt.load("x.fred").metadata.distillation["run"]["precision"] == "bfloat16"


class Overflowing:
    """Coefficients grow fivefold an update; the loss is the last to overflow."""

    def __init__(self, config):
        pass

    def losses(self, iteration):
        images = iteration.synthetic.images()
        yield -(images.square().sum() * 2).clamp(max=1e38) * (math.nan if iteration.number == 8 else 1)


@pytest.mark.parametrize("every", [1, 3, 100])
def test_no_checkpoint_holds_a_state_that_has_diverged(patches, tmp_path, every):
    path = tmp_path / "run.checkpoint"
    config = replace(CONFIG, iterations=40)
    with pytest.raises(DivergenceError) as caught:
        distill(patches, config, objective=Overflowing, checkpoint=path, checkpoint_every=every)
    if every == 100:
        assert not path.exists()
        assert "checkpoint" not in str(caught.value)
        return
    arrays, document = read_checkpoint(path)
    assert f"{path}, of iteration {document['iteration']}" in str(caught.value)
    assert all(np.isfinite(value).all() for value in arrays.values())
    found = int(str(caught.value).split("iteration ")[1].split(":")[0])
    assert document["iteration"] < found <= document["iteration"] + every


def test_a_checkpoint_of_an_earlier_run_is_not_called_good(patches, tmp_path):
    path = tmp_path / "run.checkpoint"
    distill(patches, CONFIG, checkpoint=path)
    with pytest.raises(DivergenceError) as caught:
        distill(patches, replace(CONFIG, iterations=40), objective=Overflowing, checkpoint=path, resume=False)
    assert "good checkpoint" not in str(caught.value)
