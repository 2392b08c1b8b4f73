"""Measures how fast a dataset decodes on this machine, compared with a dense decoder and a plain copy."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from fredfmt.codec.decoder import Decoder
from fredfmt.codec.devices import wait_for
from fredfmt.codec.synthesis import synthesise
from fredfmt.model.arguments import integer_of
from fredfmt.model.data import FreDData
from fredfmt.storage.files import load
from fredfmt.transforms import synthesis_matrix


@dataclass(frozen=True)
class Rates:
    """Images per second in batches that mix classes; medians of interleaved repeats."""

    batch_size: int
    device: str
    way: str
    """The decoder in use: a kernel of the compiled loops, or ``torch``."""
    reason: str
    """Why it was chosen."""
    decode: float
    dense: float
    """Decoding a dense array of all frequencies by one full matrix product per axis, as FreD's official code does."""
    copy: float
    """Copying decoded images, an upper bound for any decoder."""

    def to_json(self) -> dict[str, Any]:
        """The rates as JSON values, with the two ratios."""
        return asdict(self) | {"times_dense": self.decode / self.dense, "share_of_copy": self.decode / self.copy}


def timed_load(file: str | os.PathLike[str]) -> tuple[FreDData, float]:
    """The dataset of a file, and the seconds that loading and verifying it took.

    >>> import numpy as np, fredfmt
    >>> fredfmt.save(fredfmt.encode(np.zeros((2, 1, 4, 6), "f4"), [0, 1], k=3, mask="low"), "black.fred")
    >>> data, seconds = timed_load("black.fred")
    >>> len(data), seconds < 60
    (2, True)
    """
    start = time.perf_counter()
    data = load(file)
    return data, time.perf_counter() - start


def measure(data: FreDData, *, batch_size: int = 256, device: str = "cpu", repeats: int = 20) -> Rates:
    """Time the decoding of random batches of ``data``. Only ratios within one run are meaningful.

    Raises `ArgumentError` for a ``batch_size`` or ``repeats`` that is not an integer of at least 1.
    """
    batch_size, repeats = integer_of("batch_size", batch_size, least=1), integer_of("repeats", repeats, least=1)
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randint(len(data), (batch_size,), generator=generator)
    coefficients = torch.from_numpy(data.coefficients[chosen.numpy()]).to(device)
    masks = torch.from_numpy(data.mask_of[chosen.numpy()].astype("int64"))
    decoder = Decoder.of(data, device=device)
    images = decoder(coefficients, masks)
    spectra = _dense_spectra(data, coefficients, masks.to(device))
    matrices = [
        torch.from_numpy(synthesis_matrix(data.metadata.transform, length).astype("float32")).to(device)
        for length in data.metadata.spatial_shape
    ]
    target = torch.empty_like(images)
    jobs: dict[str, Callable[[], Any]] = {
        "decode": lambda: decoder(coefficients, masks),
        "dense": lambda: synthesise(spectra, matrices),
        "copy": lambda: target.copy_(images),
    }
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for repeat in range(repeats + 2):
        for name, job in jobs.items():
            wait_for(device)
            start = time.perf_counter()
            job()
            wait_for(device)
            if repeat >= 2:
                seconds[name].append(time.perf_counter() - start)
    rates = {name: batch_size / statistics.median(spent) for name, spent in seconds.items()}
    return Rates(batch_size, device, decoder.choice.name, decoder.choice.reason, **rates)


def _dense_spectra(data: FreDData, coefficients: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    meta = data.metadata
    spectra = torch.zeros(len(coefficients), meta.channels, int(torch.Size(meta.spatial_shape).numel()))
    frequencies = torch.from_numpy(data.frequencies.astype("int64")).to(masks.device)[masks]
    index = frequencies[:, None].expand(-1, meta.channels, -1)
    spectra = spectra.to(masks.device).scatter(2, index, coefficients.float() * data.step)
    return spectra.reshape(len(coefficients), meta.channels, *meta.spatial_shape)
