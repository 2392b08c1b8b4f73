"""fredfmt: a compressed format, toolkit and loader for distilled datasets, in the frequency domain.

The format layer needs NumPy only. What decodes images needs torch, and what reads real images takes a moment to import:
both are imported when they are first used.
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
from fredfmt.model.metadata import Metadata
from fredfmt.model.parts import Normalization, Quantization, Whitening
from fredfmt.model.version import __version__
from fredfmt.storage.files import convert, digest, load, save
from fredfmt.storage.ledger import Ledger, ledger
from fredfmt.storage.validation import Report, validate

if TYPE_CHECKING:
    from fredfmt.codec.decoder import Decoder
    from fredfmt.codec.decoding import decode
    from fredfmt.codec.whitening import ZCA
    from fredfmt.data.dataset import FreDDataset
    from fredfmt.data.loader import FreDLoader
    from fredfmt.data.sources import Source, open_source

__all__ = [
    "ZCA",
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
    "Source",
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
    "open_source",
    "save",
    "validate",
]

_WHEN_USED = {
    "Decoder": "fredfmt.codec.decoder",
    "FreDDataset": "fredfmt.data.dataset",
    "FreDLoader": "fredfmt.data.loader",
    "Source": "fredfmt.data.sources",
    "ZCA": "fredfmt.codec.whitening",
    "decode": "fredfmt.codec.decoding",
    "open_source": "fredfmt.data.sources",
}
"""Names that are imported when they are first used, each with its module."""


def __getattr__(name: str) -> Any:
    if name in _WHEN_USED:
        value = getattr(import_module(_WHEN_USED[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'fredfmt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHEN_USED})
