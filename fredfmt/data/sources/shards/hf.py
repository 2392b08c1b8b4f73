"""``hf:NAME``: datasets of the Hugging Face Hub, and local ones that `datasets` can read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fredfmt.data.sources.layout import listed, split_of
from fredfmt.data.sources.request import Request
from fredfmt.data.sources.shards.address import Address
from fredfmt.data.sources.shards.columns import COLUMNS, choose_columns
from fredfmt.data.sources.shards.library import load_splits
from fredfmt.data.sources.shards.stored import open_stored
from fredfmt.data.sources.source import Source
from fredfmt.errors import ArgumentError, SourceError, located

_OPTIONS = (*COLUMNS, "config", "revision", "train", "test", "first")


def open_hf(request: Request) -> Source:
    """``NAME`` is ``OWNER/NAME`` on the Hub, or a folder that `datasets` can load or has saved.

    The library downloads it if needed and keeps it as Arrow files in its cache (or the data root), from which images
    are read one at a time. With ``#first=N`` only the first N images of a split are streamed, and nothing else is
    downloaded. ``#config=`` and ``#revision=`` select a configuration and a revision on the Hub. ``#train=`` and
    ``#test=`` name splits that do not have usual names, ``#image=`` and ``#label=`` columns that
    `fredfmt.data.sources.shards.columns.choose_columns` cannot find.
    """
    address = Address.of(request, "NAME", _OPTIONS)
    local = os.path.exists(os.path.expanduser(address.where))
    name = address.named("hf", Path(address.where).resolve().name if local else address.where)
    splits = load_splits(request, address)
    first = splits[next(iter(splits))].first
    with located(name):
        train, test = _splits(splits, address.options)
        columns = {split: choose_columns(splits[split].schema, address.options) for split in (train, test) if split}
        left_out = {
            f"images of the split {split}": data.count() for split, data in splits.items() if split not in (train, test)
        }
        stored = splits[train].stored(columns[train], left_out)
    return open_stored(
        request,
        name,
        stored,
        None if test is None else lambda: splits[test].stored(columns[test], left_out),
        selection=None if first is None else f"the first {first:,} images",
        license=splits[train].data.info.license or None,
        citation=splits[train].data.info.citation or None,
        url=None if local else f"https://huggingface.co/datasets/{address.where}",
    )


def _splits(names: Mapping[str, object], options: Mapping[str, str]) -> tuple[str, str | None]:
    """The train split, and the test split if there is one: those that the options name, or those with usual names. A
    test split is preferred to a validation split. A single split is the train split."""
    for option in ("train", "test"):
        if options.get(option, next(iter(names))) not in names:
            raise ArgumentError("no such split", where=f"#{option}", expected=listed([*names]), found=options[option])
    train = options.get("train") or _named(names, "train") or (next(iter(names)) if len(names) == 1 else None)
    if train is None:
        raise SourceError("no train split", found=listed([*names]), hint="Say which: #train=NAME after the name")
    test = options.get("test") or _named(names, "test") or _named(names, "validation")
    return train, None if test == train else test


def _named(names: Mapping[str, object], split: str) -> str | None:
    """The name that equals that of the split, or else the first name that means it."""
    if split in names:
        return split
    return next((name for name in names if split_of(name, whole=False) == split), None)
