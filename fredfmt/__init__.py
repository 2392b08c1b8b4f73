"""fredfmt: a compressed format, toolkit and loader for distilled datasets, in the frequency domain.

The format layer is numpy and answers at once; what makes images out of coefficients is torch and is imported when it
is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fredfmt.codec.encoder import encode
from fredfmt.errors import (
    ArgumentError,
    FormatError,
    FredError,
    IntegrityError,
    LimitError,
    SourceError,
    VersionError,
)
from fredfmt.model.data import FreDData
from fredfmt.model.limits import Limits
from fredfmt.model.metadata import Metadata, Normalization, Quantization, Whitening
from fredfmt.model.version import __version__
from fredfmt.storage.files import convert, digest, load, save
from fredfmt.storage.ledger import Ledger, ledger
from fredfmt.storage.validation import Report, validate

if TYPE_CHECKING:
    from fredfmt.codec.decoder import Decoder, decode
    from fredfmt.data.dataset import FreDDataset
    from fredfmt.data.loader import FreDLoader

__all__ = [
    "ArgumentError",
    "Decoder",
    "FormatError",
    "FreDData",
    "FreDDataset",
    "FreDLoader",
    "FredError",
    "IntegrityError",
    "Ledger",
    "LimitError",
    "Limits",
    "Metadata",
    "Normalization",
    "Quantization",
    "Report",
    "SourceError",
    "VersionError",
    "Whitening",
    "__version__",
    "convert",
    "decode",
    "digest",
    "encode",
    "ledger",
    "load",
    "save",
    "validate",
]

_NEEDS_TORCH = {
    "Decoder": "fredfmt.codec.decoder",
    "FreDDataset": "fredfmt.data.dataset",
    "FreDLoader": "fredfmt.data.loader",
    "decode": "fredfmt.codec.decoder",
}


def __getattr__(name: str) -> Any:
    if name in _NEEDS_TORCH:
        value = getattr(import_module(_NEEDS_TORCH[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'fredfmt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_NEEDS_TORCH})
