"""A network trained on a file at an address is the network trained on the local file, bit for bit."""

import torch
from torch import nn
from torch.utils.data import DataLoader

from fredfmt import FreDDataset, FreDLoader, digest, encode, save
from fredfmt.data.sources import open_source


def trained(batches):
    """The weights of a small network after two epochs."""
    generator = torch.Generator().manual_seed(7)
    net = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 6 * 6, 10))
    with torch.no_grad():
        for weights in net.parameters():
            weights.copy_(torch.randn(weights.shape, generator=generator) * 0.1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for _ in range(2):
        for images, labels in batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images), labels).backward()
            optimizer.step()
    return torch.cat([weights.detach().flatten() for weights in net.parameters()])


def test_an_address_trains_the_same_network(site, tmp_path):
    source = open_source("digits")
    data = encode(source.normalized, source.labels, k=16, step=0.5, normalization=source.normalization)
    save(data, tmp_path / "digits.fred")
    address = site.put("digits.fred", (tmp_path / "digits.fred").read_bytes(), "ranges")
    expected = digest(data)
    loaders = [
        FreDLoader(file, batch_size=99, shuffle=True, seed=3, expected_digest=expected)
        for file in (tmp_path / "digits.fred", address, address, data)
    ]
    networks = [trained(loader) for loader in loaders]
    assert all(torch.equal(network, networks[0]) for network in networks)
    other = trained(FreDLoader(address, batch_size=99, shuffle=True, seed=4))
    assert not torch.equal(other, networks[0])
    datasets = [FreDDataset(file, expected_digest=expected) for file in (tmp_path / "digits.fred", address)]
    networks = [trained(DataLoader(dataset, batch_size=99)) for dataset in datasets]
    assert torch.equal(*networks)
