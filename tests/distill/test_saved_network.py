"""The network that `evaluate` keeps is the one it judged, and takes images as they are: in 0..1."""

import json
import pickle

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from fredfmt import ArgumentError, FormatError, encode, save
from fredfmt.cli.app import app
from fredfmt.data.sources import open_source
from fredfmt.distill import NetworkConfig, load_network
from fredfmt.distill.networks import make_network
from fredfmt.distill.networks.saved import save_network


@pytest.fixture
def data():
    source = open_source("digits").sample(5)
    return encode(source.normalized, source.labels, k=40, normalization=source.normalization, classes=source.classes)


def test_the_network_that_was_judged_is_kept(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(data, "x.fred")
    words = (
        "evaluate x.fred --on digits --steps 30 --seeds 2 --width 8 --baselines own-start --save-network net.pt --json"
    )
    result = CliRunner().invoke(app, words.split())
    assert result.exit_code == 0, result.output
    network, test = load_network("net.pt"), open_source("digits", split="test")
    assert network.classes == data.metadata.classes
    unit = torch.from_numpy(np.asarray(test.images[:], np.float32))  # the digits are stored in 0..1
    assert 0 <= unit.min() < unit.max() <= 1
    right = network(unit).argmax(1) == torch.from_numpy(test.labels)
    accuracies = json.loads(result.stdout)[0]["result"]["accuracies"]
    assert right.float().mean().item() == pytest.approx(accuracies[0])
    assert not network.training
    again = CliRunner().invoke(app, words.split())
    assert isinstance(again.exception, ArgumentError)
    assert "exists already" in str(again.exception)


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_another_file_is_refused_and_nothing_in_it_runs(data, tmp_path, capsys):
    (tmp_path / "evil.pt").write_bytes(pickle.dumps({"kind": Evil()}))
    torch.save({"kind": Evil()}, tmp_path / "zip.pt")
    torch.save({"state": torch.ones(3)}, tmp_path / "other.pt")
    for name in ("evil.pt", "zip.pt", "other.pt"):
        with pytest.raises(FormatError, match=name):
            load_network(tmp_path / name)
    torch.save({"kind": "fredfmt network 1", "network": {"name": "convnet"}}, tmp_path / "part.pt")
    with pytest.raises(FormatError, match=r"part\.pt.*found no channels.*--save-network"):
        load_network(tmp_path / "part.pt")
    assert "executed" not in capsys.readouterr().out
    with pytest.raises(FileNotFoundError):
        load_network(tmp_path / "none.pt")


def linear(channels, spatial_shape, classes):
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(channels * spatial_shape[0] * spatial_shape[1], classes)
    )


def test_a_network_of_ones_own_is_named_and_not_imported(data, tmp_path):
    config = NetworkConfig(f"{__name__}:linear")
    made = make_network(
        config, channels=1, spatial_shape=(8, 8), classes=10, generator=torch.Generator().manual_seed(1), factory=linear
    )
    with open(tmp_path / "own.pt", "wb") as stream:
        save_network(stream, made, config, data.metadata)
    with pytest.raises(ArgumentError, match="factory"):
        load_network(tmp_path / "own.pt")
    with pytest.raises(FormatError, match="not those of this network"):
        load_network(
            tmp_path / "own.pt",
            network=lambda *shape: torch.nn.Sequential(linear(*shape), torch.nn.Identity(), torch.nn.Linear(10, 10)),
        )
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    meta = data.metadata.normalization
    expected = made((images - meta.mean[0]) / meta.std[0])
    torch.testing.assert_close(load_network(tmp_path / "own.pt", network=linear)(images), expected)
