"""Training with Lightning: FreDLoader is the train loader, without changes.

    python examples/train_lightning.py FILE SOURCE [epochs]        (pip install lightning)

Lightning uses the length of the loader, its batches and, in checkpoints, its `state_dict`, so a run that was
interrupted in the middle of an epoch continues with the next batch.
"""

import sys
import tempfile
from dataclasses import replace
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from fredfmt import FreDLoader, open_source


class Classifier(lightning.LightningModule):
    def __init__(self, channels: int, classes: int, lr: float = 3e-3) -> None:
        super().__init__()
        self.lr = lr
        self.network = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(1024, classes),
        )

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        images, labels = batch
        return F.cross_entropy(self.network(images), labels, label_smoothing=0.1)

    def test_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        images, labels = batch
        self.log("accuracy", (self.network(images).argmax(1) == labels).float().mean(), batch_size=len(labels))

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), self.lr, weight_decay=0.01)


def main(file: str, source: str, epochs: int = 60) -> None:
    lightning.seed_everything(0, verbose=False)
    loader = FreDLoader(file, batch_size=32, shuffle=True, device="cpu")  # Lightning moves batches to its device
    meta = loader.data.metadata
    if meta.whitening is not None:
        raise SystemExit(
            f"{file} contains whitened images, so test images must be whitened in the same way: use fredfmt evaluate"
        )
    test = open_source(source, split="test").of_classes(loader.classes)
    if meta.normalization is not None:
        test = replace(test, normalization=meta.normalization)
    tests = DataLoader(TensorDataset(torch.from_numpy(test.normalized[:]), torch.from_numpy(test.labels)), 500)
    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            max_epochs=epochs,
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        model = Classifier(meta.channels, len(loader.classes))
        trainer.fit(model, loader)
        (result,) = trainer.test(model, tests, verbose=False)
    print(f"trained on {len(loader.data)} decoded images, {trainer.global_step} steps in {epochs} epochs")
    print(f"tested on {len(test):,} real images of {test.name}: {result['accuracy']:.1%} right")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
