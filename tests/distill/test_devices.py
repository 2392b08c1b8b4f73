"""Everything runs on the device that the caller names, and waits for it only to report.

Tensors on the device ``meta`` have no values: an operation that mixes devices or asks for a number fails. Under
`FakeTensorMode` the same holds for ``cuda`` on a machine without one (as far as the forward pass).
"""

import warnings
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from fredfmt.distill import DistillConfig, FrequencySynset, NetworkConfig
from fredfmt.distill.augment import OPERATIONS, Augmentation
from fredfmt.distill.networks.convnet import ConvNet
from fredfmt.distill.networks.prepared import prepared
from fredfmt.distill.objectives.dm import class_means
from fredfmt.distill.run import Run
from fredfmt.distill.runtime.randomness import generator
from fredfmt.distill.synset.start import initial_data

CONFIG = DistillConfig(objective="dm", ipc=0.4, k=29, batch_real=5, step=0.5, network=NetworkConfig(width=4, depth=2))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"optimizer": "sgd", "quantize_in_loop": True},
        {"objective": "dc", "outer_loop": 2},
        {"objective": "dsa", "network": NetworkConfig(width=4, depth=2, norm="batch")},
        {"objective": "frepo", "pool": 2, "pool_age": 2, "learn_labels": True, "rate": 0.1},
        {"objective": "unroll", "pool": 2, "pool_age": 4, "syn_steps": 2, "learn_labels": True, "rate": 0.1},
    ],
)
def test_an_iteration_stays_on_the_device_and_asks_for_no_number(patches, change):
    run = Run(patches, replace(CONFIG, **change), "meta")
    for _ in range(4):
        run.step()
    moments = run.state.optimizer.state[run.state.synset.coefficients]
    assert {value.device.type for value in moments.values() if value is not None and value.ndim} == {"meta"}
    assert run.state.averages["coefficients"].device.type == "meta"
    with pytest.raises((NotImplementedError, RuntimeError)):
        run.mean_loss()


@pytest.mark.needs("fake GPUs")
@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_cuda_is_where_everything_is_computed(patches, operation):
    start = initial_data(patches, CONFIG)
    with FakeTensorMode(allow_non_fake_inputs=True):
        synset = FrequencySynset.from_data(start, loop_step=0.5, device="cuda:0")
        network = ConvNet(2, (13, 17), 3, width=4, depth=2, generator=generator(0, "x"), device="cuda:0")
        images = Augmentation(operation, torch.rand(1, 4))(synset([0, 4, 2]))
        features = network.embed(images)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "CUDA is not available", UserWarning)  # autocast does nothing then
            half = prepared(network, "bfloat16")(images)
        assert (half.device.type, half.dtype) == ("cuda", torch.float32)
        means = class_means(features, synset.labels[:3], 3)
        loss = means.square().sum() + F.cross_entropy(network(images), synset.labels[:3])
        for tensor in (images, features, means, loss):
            assert tensor.device.type == "cuda"


def test_a_synset_moves_to_another_device(patches):
    synset = FrequencySynset.from_data(initial_data(patches, CONFIG))
    moved = synset.to("meta")
    assert moved().device.type == "meta"
    assert moved.labels.device.type == "meta"
