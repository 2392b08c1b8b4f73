"""``parquet:PATH``: a table of images and labels in one or more files, as `datasets` and others write it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fredfmt.data.sources.request import Request
from fredfmt.data.sources.shards.address import Address
from fredfmt.data.sources.shards.columns import COLUMNS, Columns, choose_columns
from fredfmt.data.sources.shards.label_values import LabelValues
from fredfmt.data.sources.shards.parquet_file import check_claims, open_parquet, parquet_errors, read_labels
from fredfmt.data.sources.shards.row_groups import Group, RowGroups
from fredfmt.data.sources.shards.stored import Stored, open_shards
from fredfmt.data.sources.source import Source
from fredfmt.errors import SourceError, located


def open_parquet_shards(request: Request) -> Source:
    """``PATH`` is a file, a folder or a pattern; see `fredfmt.data.sources.shards.paths.find_shards` for the splits.

    ``#image=`` and ``#label=`` name columns that `fredfmt.data.sources.shards.columns.choose_columns` cannot find,
    ``#test=`` the shards of the test split. Images are coded (JPEG, PNG ...), as bytes or structs of bytes and a path.
    Labels are integers or text. The names of classes come from the metadata of `datasets` or the text; otherwise they
    are the numbers.
    """
    address = Address.of(request, "PATH", (*COLUMNS, "test"))
    try:
        import pyarrow  # noqa: F401 (needed below)
    except ImportError:
        raise SourceError("reading Parquet needs pyarrow", hint="pip install pyarrow") from None
    return open_shards(request, address, "parquet", ".parquet", read_parquet)


def read_parquet(paths: tuple[Path, ...], options: Mapping[str, str], left_out: Mapping[str, int]) -> Stored:
    """One split; only its labels are read."""
    first: Columns | None = None
    groups: list[Group] = []
    labels = LabelValues()
    for index, path in enumerate(paths):
        with parquet_errors(path), open_parquet(path) as file:
            with located(path):
                columns = choose_columns(file.schema_arrow, options)
            first = first or columns
            if columns != first:
                raise SourceError(
                    "a shard differs in its columns or classes", where=str(path), expected=first, found=columns
                )
            claimed = check_claims(file, path, columns.image)
            groups += [Group(index, number, rows, size) for number, (rows, size) in enumerate(claimed)]
            with located(path):
                read_labels(path, file.schema_arrow, columns.label, sum(rows for rows, _ in claimed), labels)
    assert first is not None  # there are paths
    coded = RowGroups(paths, groups, first.image)
    return Stored(coded, labels.values, labels.words, dict(enumerate(first.names)), left_out)
