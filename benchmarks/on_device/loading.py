"""An epoch of shuffled batches from `FreDLoader` compared with a TensorDataset whose tensors are on the device.

3x32x32, k = 64, batches of 256; both give images and labels on the device, which are not used. The copy is the least
that feeding from memory can cost: decoded tensors on the device, shuffled and sliced by hand.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

import fredfmt
from on_device.running import Job, Row, Running

BATCH = 256


def rows(run: Running) -> list[Row]:
    """One, of an epoch."""
    count, shape, k = (240, (1, 9, 12), 8) if run.tiny else (20_000, (3, 32, 32), 64)
    pixels = np.random.default_rng(0).random((count, *shape), np.float32)
    data = fredfmt.encode(pixels, np.arange(count) % 10, k=k, step=0.5)
    loader = fredfmt.FreDLoader(data, batch_size=BATCH, shuffle=True, device=run.device)
    images, labels = (part.to(run.device) for part in fredfmt.FreDDataset(data)[:])
    plain = DataLoader(TensorDataset(images, labels), batch_size=BATCH, shuffle=True)

    def pass_through(batches: object) -> None:
        for _images, _labels in batches:  # type: ignore[attr-defined]
            pass

    def by_hand() -> None:
        for rows in torch.randperm(count, device=run.device).split(BATCH):
            images[rows], labels[rows]

    jobs: dict[str, Job] = {
        "fredfmt": lambda: pass_through(loader),
        "plain": lambda: pass_through(plain),
        "copy": by_hand,
    }
    rates = {name: count / spent / 1e3 for name, spent in run.seconds(jobs, turns=2 if run.tiny else 5).items()}
    what = f"epoch of {count:,} {'x'.join(map(str, shape))}"
    return [{"what": what, "unit": "thousand images/s", **rates, "ratio": rates["fredfmt"] / rates["plain"]}]
