"""Opens a dataset with Hugging Face `datasets`: its splits by name, in the library's cache or as a stream."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fredfmt.data.sources.request import Request
from fredfmt.data.sources.shards.address import Address
from fredfmt.data.sources.shards.arrow_file import read_arrow
from fredfmt.data.sources.shards.columns import Columns
from fredfmt.data.sources.shards.spool import spool
from fredfmt.data.sources.shards.stored import Stored
from fredfmt.errors import ArgumentError, FredError, SourceError

if TYPE_CHECKING:
    from pyarrow import Schema


@dataclass(frozen=True)
class Split:
    """One split of a dataset of the library."""

    data: Any
    """A ``Dataset``, or an ``IterableDataset`` whose first ``first`` rows are read."""
    roots: tuple[Path, ...]
    """Folders that may hold the image files of the dataset."""
    first: int | None

    @property
    def schema(self) -> Schema:
        """The columns and their features. Raises `SourceError` if a stream does not declare them."""
        if self.data.features is None:
            raise SourceError("columns are unknown before the whole dataset is read", hint="Omit #first")
        return self.data.features.arrow_schema

    def count(self) -> int:
        """The number of images that the library knows of; 0 if unknown."""
        if self.first is None:
            return len(self.data)
        info = (self.data.info.splits or {}).get(str(self.data.split))
        return info.num_examples if info else 0

    def stored(self, columns: Columns, left_out: Mapping[str, int]) -> Stored:
        """Its images and labels."""
        if self.first is not None:
            with library_errors("streaming"):
                return spool(self.data, self.first, columns, self.roots, left_out)
        files = tuple(Path(file["filename"]) for file in self.data.cache_files)
        return read_arrow(files, columns, self.roots, left_out)


def load_splits(request: Request, address: Address) -> dict[str, Split]:
    """The splits of a dataset by name. It is downloaded if needed and allowed. Raises `SourceError` with the message
    of `datasets`, or if that is not installed.
    """
    first = _first(address)
    with library_errors(address.where):
        import datasets
        import huggingface_hub.constants

        place = os.path.expanduser(address.where)
        if any(os.path.isfile(os.path.join(place, name)) for name in ("dataset_dict.json", "state.json")):
            if first is not None:
                raise ArgumentError("streaming needs a download", where=place, hint="Omit #first")
            loaded = datasets.load_from_disk(place)
        else:
            loaded = datasets.load_dataset(
                place,
                address.options.get("config"),
                revision=address.options.get("revision"),
                cache_dir=None if request.data_root is None else str(request.data_root),
                download_config=datasets.DownloadConfig(local_files_only=not request.download),
                streaming=first is not None,
            )
        splits = loaded if isinstance(loaded, dict) else {"train": loaded}
        caches = (datasets.config.HF_DATASETS_CACHE, huggingface_hub.constants.HF_HUB_CACHE, request.data_root)
        roots = tuple(Path(os.path.realpath(root)) for root in (place, *caches) if root)
        return {name: Split(data, roots, first) for name, data in splits.items()}


def _first(address: Address) -> int | None:
    first = address.options.get("first")
    if first is not None and not (first.isdecimal() and int(first)):
        raise ArgumentError("unusable #first", where=address.where, expected="an integer of at least 1", found=first)
    return None if first is None else int(first)


@contextmanager
def library_errors(name: str) -> Iterator[None]:
    """Silence the library's output, and turn its exceptions into one error that says what to do."""
    try:
        import datasets
    except ImportError as error:
        hint = "pip install datasets"
        raise SourceError("reading from Hugging Face needs datasets", found=str(error), hint=hint) from None
    bars = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    except FredError:
        raise
    except Exception as error:  # the library does not document what it raises
        message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        hint = "Say which: #config=NAME after the name" if "onfig name is missing" in message else "Check the name"
        raise SourceError("unavailable", where=name, found=message, hint=hint) from None
    finally:
        if bars:
            datasets.enable_progress_bars()
