"""Images per second of the decoder, a dense one, torch-dct and a copy, and the share of the memory's bandwidth.

Batches mix ten classes, each with a mask of its own: the largest of random spectra that fall with the frequency as
those of photographs do. The dense decoder does what FreD's own code does for a batch (dense coefficients times dense
masks, two full products); torch-dct gets its input ready. The bandwidth counts each stored coefficient read once and
each image written once, against a large copy's bytes, read and written, in the same run. Small batches stay in the
cache. ``torch`` is the decoder without a kernel of its own (``FREDFMT_KERNEL=torch``); a note names the way that
``fredfmt`` takes.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from unittest.mock import patch

import numpy as np
import torch

from fredfmt import Decoder
from fredfmt.codec.masks import best_frequencies
from fredfmt.transforms import synthesis_matrix
from on_device.running import Job, Row, Running

CLASSES = 10
SHAPES = ((1, 28, 49), (3, 32, 64), (3, 128, 1024), (3, 256, 2048))
BATCHES = (256, 2_048, 8_192, 65_536)
TINY = ((2, 12, 9),), (16, 40)


def masks_of(side: int, k: int) -> np.ndarray:
    """(class, frequency) flat indices."""
    row, column = np.mgrid[:side, :side]
    falling = (1.0 + row + column) ** -2
    noise = np.random.default_rng(0).exponential(size=(CLASSES, side, side))
    return best_frequencies((falling * noise).reshape(CLASSES, -1), (side, side), k)


def bandwidth(run: Running) -> float:
    """Bytes read and written per second by a large copy."""
    source = torch.ones(_copied(run), dtype=torch.uint8, device=run.device)
    target = torch.empty_like(source)
    return 2 * source.numel() / run.seconds({"copy": lambda: target.copy_(source)}, turns=5)["copy"]


def _copied(run: Running) -> int:
    """Bytes."""
    return 1 << (20 if run.tiny else 29)


def jobs(run: Running, channels: int, side: int, k: int, batch: int) -> tuple[dict[str, Job], str]:
    """What is timed, by column, and the way that fredfmt decodes."""
    frequencies = masks_of(side, k)
    generator = torch.Generator().manual_seed(0)
    coefficients = torch.randint(-20, 20, (batch, channels, k), generator=generator, dtype=torch.int16).to(run.device)
    masks = torch.randint(CLASSES, (batch,), generator=generator).to(run.device)
    decoder, by_torch = (Decoder(frequencies, (side, side), "dct", step=0.5, device=run.device) for _ in range(2))
    with patch.dict(os.environ, FREDFMT_KERNEL="torch"):
        assert by_torch.choice.name == "torch"
    inverse = torch.tensor(synthesis_matrix("dct", side), dtype=torch.float32, device=run.device)
    places = torch.from_numpy(frequencies.astype(np.int64)).to(run.device)

    def scattered(values: torch.Tensor, rows: slice) -> torch.Tensor:
        where = places[masks[rows]][:, None].expand(-1, channels, -1)
        flat = torch.zeros(where.shape[0], channels, side * side, device=run.device)
        return flat.scatter(2, where, values.expand(where.shape)).view(-1, channels, side, side)

    def products(spectra: torch.Tensor) -> torch.Tensor:
        return inverse @ spectra @ inverse.T

    few = slice(0, 16)
    spectra = scattered(coefficients[few].float() * 0.5, few)
    for one in (decoder, by_torch):
        torch.testing.assert_close(one(coefficients[few], masks[few]), products(spectra), rtol=0, atol=2e-3)
    ready: dict[str, torch.Tensor] = {}

    def kept(name: str, make: Job) -> torch.Tensor:  # made by the first turn, which may run out of memory
        if name not in ready:
            ready[name] = make()  # type: ignore[assignment]
        return ready[name]

    everything = slice(0, batch)

    def dense() -> object:
        mask = kept("mask", lambda: scattered(torch.ones((), device=run.device), everything))
        return products(mask * kept("spectra", lambda: scattered(coefficients.float() * 0.5, everything)))

    named: dict[str, Job] = {"fredfmt": lambda: decoder(coefficients, masks)}
    if graph := run.captured(named["fredfmt"]):
        named["graph"] = graph
    named["torch"] = lambda: by_torch(coefficients, masks)
    named["copy"] = lambda: kept("images", lambda: decoder(coefficients, masks)).clone()
    named["plain"] = dense
    if find_spec("torch_dct"):
        from torch_dct import idct_2d

        named["torch-dct"] = lambda: idct_2d(
            kept("spectra", lambda: scattered(coefficients.float() * 0.5, everything)), norm="ortho"
        )
    return named, decoder.choice.name


def rows(run: Running) -> list[Row]:
    """One per shape and batch."""
    peak = bandwidth(run)
    made: list[Row] = [{"what": f"copy of {_copied(run) >> 20} MiB", "unit": "GB/s", "copy": peak / 1e9}]
    shapes, batches = TINY if run.tiny else (SHAPES, BATCHES)
    for channels, side, k in shapes:
        for batch in batches:
            what = f"decode {channels}x{side}x{side} k={k}, {batch:,}"
            if run.omits(what, made):
                continue
            named, way = jobs(run, channels, side, k, batch)
            seconds = run.seconds(named, turns=3 if run.tiny else 7)
            named.clear()  # the tensors that they keep
            rates = {name: batch / spent / 1e3 for name, spent in seconds.items()}
            row: Row = {
                "what": what,
                "unit": "thousand images/s",
                **rates,
                "note": way,
            }
            if "plain" in rates and "fredfmt" in rates:
                row["ratio"] = rates["fredfmt"] / rates["plain"]
            if "fredfmt" in rates:
                moved = batch * channels * (2 * k + 4 * side * side)
                row["bandwidth"] = moved / min(seconds["fredfmt"], seconds.get("graph", np.inf)) / peak
            if short := [name for name in ("fredfmt", "copy", "plain") if name not in rates]:
                row["note"] += f"; out of memory: {', '.join(short)}"
            made.append(row)
            if run.device.type == "cuda":
                torch.cuda.empty_cache()
    return made
