"""Every objective with every transform, mask, kind of network and number of axes: a run makes a valid, finite set."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fredfmt import save, validate
from fredfmt.distill import DistillConfig, ExpertConfig, NetworkConfig, distill, train_experts
from fredfmt.distill.objectives import OBJECTIVES
from fredfmt.masks import MASKS
from fredfmt.metadata import Normalization
from fredfmt.sources import Source
from fredfmt.transforms import TRANSFORMS

NETWORK = NetworkConfig(width=4, depth=1)
CONFIG = DistillConfig(
    k=23, ipc=0.25, iterations=2, batch_real=5, step=0.1, pool=2, outer_loop=2, network=NETWORK, syn_steps=2
)
VIT = NetworkConfig("vit", width=1, depth=1)
COMBINATIONS = [
    *({"transform": name} for name in sorted(TRANSFORMS)),
    *({"mask": name} for name in sorted({*MASKS, "gradient"} - {CONFIG.mask})),
    {"mask_scope": "start"},
    *({"network": replace(NETWORK, norm=norm)} for norm in ("batch", "group", "none")),
    {"network": VIT},
    {"network": VIT, "precision": "bfloat16"},
    {"optimizer": "sgd", "lr": 1.0, "quantize_in_loop": True, "base": True, "rate": 0.1},
]


@pytest.fixture(scope="module")
def experts(tmp_path_factory):
    """A function that gives the folder of experts for a source and a network, trained once."""
    folders = {}

    def of(source, network, augmentation=CONFIG.augmentation):
        key = (source.spatial_shape, network)
        if key not in folders:
            folders[key] = tmp_path_factory.mktemp("experts")
            config = ExpertConfig(epochs=2, batch=16, network=network, augmentation=augmentation)
            train_experts(source, folders[key], config, count=1)
        return {"experts": str(folders[key]), "max_start_epoch": 1, "expert_epochs": 2}

    return of


def check(source, config, path):
    data = distill(source, config)
    assert np.isfinite(data.coefficients.astype(np.float64)).all()
    assert (data.metadata.spatial_shape, data.k) == (source.spatial_shape, config.k)
    save(data, path)
    assert validate(path).valid


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_transforms_masks_networks_and_optimisers(patches, experts, objective, tmp_path):
    for number, change in enumerate(COMBINATIONS):
        config = replace(CONFIG, objective=objective, **change)
        if objective == "tm":
            config = replace(config, **experts(patches, config.network))
        check(patches, config, tmp_path / f"{number}.fred")


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("shape", [(37,), (6, 7, 9)])
def test_signals_and_volumes_are_augmented_too(experts, objective, shape, tmp_path):
    chance, labels = np.random.default_rng(1), np.arange(20) % 2
    source = Source(
        name="noise",
        split="train",
        images=chance.uniform(0, 1, (20, 3, *shape)).astype(np.float32),
        labels=labels,
        classes=("one", "other"),
        normalization=Normalization((0.5,) * 3, (0.3,) * 3),
    )
    augmentation = "_".join(CONFIG.augmentation.split("_")[: 5 if len(shape) == 1 else 6])
    config = replace(CONFIG, objective=objective, ipc=48 / math.prod(shape), augmentation=augmentation)
    if objective == "tm":
        config = replace(config, **experts(source, NETWORK, augmentation))
    check(source, config, tmp_path / "x.fred")
