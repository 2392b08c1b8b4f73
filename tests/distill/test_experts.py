"""Experts: what is trained, what is kept, and what is refused."""

import pickle
import signal

import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from typer.testing import CliRunner

from fredfmt import ArgumentError, FormatError
from fredfmt.cli.app import app
from fredfmt.distill import DistillConfig, ExpertConfig, Experts, ExpertsStopped, NetworkConfig, train_experts
from fredfmt.distill.experts.training import ExpertError
from fredfmt.distill.networks import make_network
from fredfmt.distill.objectives import make_objective
from fredfmt.distill.runtime.randomness import generator
from fredfmt.errors import FredFileNotFoundError, IntegrityError

NETWORK = NetworkConfig(width=4, depth=2)
CONFIG = ExpertConfig(epochs=3, batch=16, lr=0.05, momentum=0.5, network=NETWORK)


@pytest.fixture(scope="module")
def folder(patches, tmp_path_factory):
    """Three experts."""
    path = tmp_path_factory.mktemp("experts")
    train_experts(patches, path, CONFIG, count=3)
    return path


@pytest.fixture
def copy(folder, tmp_path):
    """The same, to be damaged."""
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def contents(path):
    return {entry.name: entry.read_bytes() for entry in path.iterdir()}


def mlp(channels, spatial_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(channels * 13 * 17, classes))


def test_an_expert_is_what_plain_sgd_makes_of_its_network(patches, tmp_path):
    config = ExpertConfig(epochs=2, batch=16, lr=0.05, momentum=0.5, network=NETWORK, augmentation="none", seed=7)
    experts = train_experts(patches, tmp_path, config, count=2)
    network = make_network(
        NETWORK, channels=2, spatial_shape=(13, 17), classes=3, generator=generator(7, "expert network", 1)
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.5)
    images, labels = torch.from_numpy(patches.batch(range(41))), torch.from_numpy(patches.labels)
    for epoch in range(3):
        flat = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
        np.testing.assert_allclose(experts.parameters(1, epoch), flat, atol=1e-6)
        order = torch.randperm(41, generator=generator(7, "expert order", 1, epoch))
        for rows in (order[:16], order[16:32], order[32:]):
            optimizer.zero_grad()
            F.cross_entropy(network(images[rows]), labels[rows]).backward()
            optimizer.step()
    assert not np.array_equal(experts.parameters(0, 1), experts.parameters(1, 1))


def test_going_on_gives_the_same_bytes(patches, folder, tmp_path):
    """After one expert, and after a stop in the middle of another."""
    train_experts(patches, tmp_path, CONFIG, count=1)
    seen = []

    def interrupt(progress):
        seen.append((progress.done, progress.total))
        if progress.done == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(ExpertsStopped, match="2 experts are missing"):
        train_experts(patches, tmp_path, CONFIG, count=3, progress=interrupt)
    assert seen == [(1, 6), (2, 6)]
    assert sorted(contents(tmp_path)) == ["expert-0000.h5", "experts.json"]
    train_experts(patches, tmp_path, CONFIG, count=3)
    assert contents(tmp_path) == contents(folder)
    assert Experts(tmp_path).digest == Experts(folder).digest


def test_no_time_is_noted(folder):
    """In the headers of the root group and of two datasets, see test_no_time_is_noted_in_hdf5."""
    headers = (folder / "expert-0000.h5").read_bytes().split(b"OHDR\x02")[1:]
    assert len(headers) == 3
    assert not any(header[0] & 1 << 5 for header in headers)


@pytest.mark.slow
def test_processes_give_the_same_bytes(patches, folder, tmp_path):
    reports = []
    train_experts(patches, tmp_path, CONFIG, count=3, workers=2, progress=reports.append)
    assert contents(tmp_path) == contents(folder)
    assert [report.done for report in reports] == list(range(1, 10))


def test_parameters_that_are_not_finite_are_an_error(patches, tmp_path):
    with pytest.raises(ExpertError, match="expert 0, epoch 1: the parameters are no longer finite") as caught:
        train_experts(patches, tmp_path, ExpertConfig(epochs=1, batch=16, lr=1e30, network=NETWORK), count=2)
    with pytest.raises(ExpertError, match=r"epoch 1: the network does not learn.*rate of 1e\+08"):
        train_experts(patches, tmp_path, ExpertConfig(epochs=1, batch=16, lr=1e8, network=NETWORK), count=1)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # as it comes from a process
    assert sorted(contents(tmp_path)) == ["experts.json"]


def test_the_digest_is_of_the_parameters(patches, folder, tmp_path):
    experts = Experts(folder)
    assert experts.numbers == (0, 1, 2)
    assert experts.settings.source["name"] == "patches"
    train_experts(patches, tmp_path, CONFIG, count=2)
    assert Experts(tmp_path).digest != experts.digest


def test_a_network_of_ones_own_draws_by_the_seed(patches, tmp_path):
    for name in ("a", "b"):
        train_experts(patches, tmp_path / name, CONFIG, count=2, network=mlp)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    with pytest.raises(ArgumentError, match="expected 1 worker, found 2"):
        train_experts(patches, tmp_path / "a", CONFIG, count=3, workers=2, network=mlp)


def test_other_settings_are_refused(patches, digits, copy):
    before = contents(copy)
    with pytest.raises(ArgumentError, match=r"their config\.lr differs; expected 0\.1, found 0\.05"):
        train_experts(patches, copy, ExpertConfig(epochs=3, batch=16, lr=0.1, momentum=0.5, network=NETWORK))
    with pytest.raises(ArgumentError, match="experts with other settings"):
        train_experts(digits, copy, CONFIG)
    assert contents(copy) == before


def test_damaged_parameters_are_refused(copy):
    path = copy / "expert-0001.h5"
    row = Experts(copy).parameters(1, 2)
    content = bytearray(path.read_bytes())
    at = content.index(row.tobytes())
    content[at + 5] ^= 1
    path.write_bytes(content)
    experts = Experts(copy)
    experts.parameters(1, 1)
    with pytest.raises(IntegrityError, match=r"expert-0001\.h5: the parameters after epoch 2 do not match"):
        experts.parameters(1, 2)


@pytest.mark.parametrize("keep", [0, 100, 3000])
def test_a_file_cut_short_is_refused(copy, keep):
    path = copy / "expert-0002.h5"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FormatError, match=r"expert-0002\.h5.*damaged"):
        Experts(copy)


def test_files_that_are_something_else_are_refused(patches, copy, tmp_path_factory):
    with pytest.raises(ArgumentError, match="found expert 3 after 0"):
        Experts(copy).parameters(3, 0)
    with pytest.raises(ArgumentError, match="found expert 1 after 4"):
        Experts(copy).parameters(1, 4)
    other = tmp_path_factory.mktemp("others")
    train_experts(patches, other, ExpertConfig(epochs=3, network=NETWORK), count=1)
    (copy / "expert-0003.h5").write_bytes((other / "expert-0000.h5").read_bytes())
    with pytest.raises(FormatError, match=r"expert-0003\.h5: not an expert of this folder: its number differs"):
        Experts(copy)
    (copy / "expert-0000.h5").write_bytes((other / "expert-0000.h5").read_bytes())
    with pytest.raises(FormatError, match=r"expert-0000\.h5: not an expert of this folder: its settings differs"):
        Experts(copy)
    (copy / "experts.json").write_text("{}")
    with pytest.raises(FormatError, match=r"experts\.json: not experts of this version"):
        Experts(copy)


def test_links_and_other_shapes_are_refused(folder, copy):
    path = copy / "expert-0000.h5"
    with h5py.File(path, "a") as file:
        del file["parameters"]
        file["parameters"] = h5py.ExternalLink(str(folder / "expert-0000.h5"), "parameters")
    with pytest.raises(FormatError, match="no usable parameters"):
        Experts(copy).parameters(0, 0)
    with h5py.File(path, "a") as file:
        del file["parameters"]
        file["parameters"] = np.zeros((4, 7), np.float32)
    with pytest.raises(FormatError, match="no usable parameters"):
        Experts(copy).parameters(0, 0)


def test_nothing_there(tmp_path):
    with pytest.raises(FredFileNotFoundError, match=r"no experts.*Train some"):
        Experts(tmp_path / "nowhere")


def test_experts_that_do_not_fit_a_distillation_are_refused(folder):
    def config(**changes):
        given = {"objective": "tm", "experts": str(folder), "network": NETWORK, "max_start_epoch": 2, **changes}
        return DistillConfig(**given)

    make_objective(config())
    for changes, message in (
        ({"experts": ""}, "needs experts"),
        ({"experts_digest": "sha256:1"}, "their digest differs"),
        ({"network": NetworkConfig(width=5, depth=2)}, "their network differs"),
        ({"zca": True}, "their whitening differs"),
        ({"max_start_epoch": 3}, "number of epochs differs; expected at least 4, found 3"),
        ({"compile": True}, "second derivatives"),
    ):
        with pytest.raises(ArgumentError, match=message):
            make_objective(config(**changes))


def test_the_command(tmp_path):
    out = tmp_path / "experts"
    words = ["experts", "digits", str(out), "--classes", "0,1", "--count", "2", "--epochs", "1", "--width", "3"]
    for count in (2, 1):  # the second time nothing is left to do
        result = CliRunner().invoke(app, [*words, "--count", str(count)])
        assert result.exit_code == 0, result.output
        assert "2 experts of 1 epochs" in result.stderr
    assert Experts(out).settings.classes == ("0", "1")
