"""Finds the columns of images and labels in a table, and the names of the classes, from its Arrow schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from fredfmt.data.sources.layout import listed
from fredfmt.errors import ArgumentError, SourceError, quoted

if TYPE_CHECKING:
    from pyarrow import DataType, Schema

COLUMNS = ("image", "label")
"""Options that name a column, and the column names that are preferred if several columns are possible."""


class Columns(NamedTuple):
    """The columns of a table of images and labels."""

    image: str
    """The column of the bytes, such as ``image.bytes``."""
    label: str
    names: tuple[str, ...]
    """The names of the classes in order; empty if the schema does not hold them."""


def choose_columns(schema: Schema, options: Mapping[str, str]) -> Columns:
    """The image and label columns that ``options`` name, or else those that the schema shows. If it has metadata of
    Hugging Face `datasets`, these are the columns of type ``Image`` and ``ClassLabel``. Otherwise images are binary, or
    structs with binary ``bytes``, and labels are integers or text. If several columns are possible, the one called
    ``image`` or ``label`` is taken. Raises `SourceError` if none or several remain, and `ArgumentError` if an option
    names a column of another kind.
    """
    features = _features(schema)
    image = _choose(schema, "image", options, _is_image, features, "Image")
    label = _choose(schema, "label", options, _is_label, features, "ClassLabel")
    named = schema.field(image).type
    path = image if _is_binary(named) else f"{image}.bytes"
    return Columns(path, label, _class_names(features.get(label, {}), label))


def _choose(
    schema: Schema,
    what: str,
    options: Mapping[str, str],
    fits: Callable[[DataType], bool],
    features: Mapping[str, Mapping[str, Any]],
    kind: str,
) -> str:
    usual = f"{kind}, or {'binary' if what == 'image' else 'integers or text'}"
    fitting: list[str] = [field.name for field in schema if fits(field.type) and not field.name.startswith("__")]
    if what in options:
        if fitting.count(options[what]) != 1:
            raise ArgumentError(
                f"no such {what} column",
                where=f"#{what}",
                expected=listed(fitting) or usual,
                found=listed([*_typed(schema, options[what])] or [options[what]]),
            )
        return options[what]
    declared = [name for name in fitting if features.get(name, {}).get("_type") == kind]
    candidates = declared or fitting
    if what in candidates:
        candidates = [name for name in candidates if name == what]
    if len(candidates) != 1:
        raise SourceError(
            f"several columns could be the {what}" if candidates else f"no {what} column",
            expected="one" if candidates else usual,
            found=listed(candidates or [*_typed(schema)]),
            hint=f"Say which: #{what}=NAME after the path" if candidates else "",
        )
    return candidates[0]


def _typed(schema: Schema, name: str | None = None) -> Iterator[str]:
    """Columns with their types: all, or those of this name."""
    return (f"{field.name} ({field.type})" for field in schema if name in (None, field.name))


def _features(schema: Schema) -> dict[str, Mapping[str, Any]]:
    """The features of each column in the metadata of `datasets`; empty if there are none."""
    text = (schema.metadata or {}).get(b"huggingface")
    if text is None:
        return {}
    try:
        features = json.loads(text)["info"]["features"]
        return {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise SourceError("the schema's metadata huggingface cannot be read", found=quoted(error)) from None


def _class_names(feature: Mapping[str, Any], label: str) -> tuple[str, ...]:
    names = feature.get("names")
    if names is None or feature.get("_type") != "ClassLabel":
        return ()
    if not isinstance(names, list) or not names or len({name for name in names if isinstance(name, str)}) < len(names):
        raise SourceError("unusable class names", where=label, expected="unique strings", found=quoted(names))
    return tuple(names)


def _is_image(kind: DataType) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        inner = kind.get_field_index("bytes")
        return inner >= 0 and _is_binary(kind.field(inner).type)
    return _is_binary(kind)


def _is_binary(kind: DataType) -> bool:
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_label(kind: DataType) -> bool:
    from pyarrow import types

    inner = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_integer(inner) or types.is_string(inner) or types.is_large_string(inner))
