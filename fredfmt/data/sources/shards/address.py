"""``PATH#image=COLUMN#label=COLUMN``: the address of a source in shards, which follows the colon."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from fredfmt.data.sources.request import Request
from fredfmt.errors import ArgumentError

_OPTION = re.compile(r"#(?=[a-z]+=)")


@dataclass(frozen=True)
class Address:
    """The location of shards, and options for facts that the files do not contain."""

    where: str
    """A path, a pattern or a name."""
    options: Mapping[str, str]

    def named(self, prefix: str, where: str) -> str:
        """The name of the source: its prefix, the name of the place without the folders that hold it, and the options,
        without which other images or labels would be read.

        >>> Address("data/pets", {"label": "breed", "test": "data/held.tar"}).named("webdataset", "pets")
        'webdataset:pets#label=breed#test=held.tar'
        """
        values = {key: Path(value).name if key == "test" else value for key, value in self.options.items()}
        return f"{prefix}:{where}" + "".join(f"#{key}={value}" for key, value in sorted(values.items()))

    @classmethod
    def of(cls, request: Request, kind: str, known: Collection[str]) -> Address:
        """The address in a request. Raises `ArgumentError` if it is empty, or an option is unknown or given twice.

        >>> request = Request("parquet", "shards#label=fine_label", "train", None, True, None)
        >>> Address.of(request, "PATH", ["image", "label"])
        Address(where='shards', options={'label': 'fine_label'})
        """
        where, *given = _OPTION.split(request.argument)
        if not where:
            raise ArgumentError(f"a {kind.lower()} is missing", where=request.name, expected=f"{request.name}:{kind}")
        options: dict[str, str] = {}
        for option in given:
            key, _, value = option.partition("=")
            if key not in known or not value or key in options:
                expected = " or ".join(f"#{name}=..." for name in known)
                raise ArgumentError(
                    "unusable option of the source",
                    where=f"{request.name}:{request.argument}",
                    expected=f"{expected}, each once",
                    found=f"#{option}",
                )
            options[key] = value
        return cls(where, options)
