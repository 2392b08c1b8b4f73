"""The directory of the test vectors, with one folder per vector: a file and its case.json."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import fred_reference
import numpy as np
from made import Entries


class Vectors:
    """A directory of vectors that is being built."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self, kind: str, name: str, content: bytes | Entries, note: str, *, suffix: str = ".fred", **case: Any
    ) -> None:
        """One vector: its file (for a directory, its entries) and its case.json."""
        folder = self.root / kind / name
        folder.mkdir(parents=True)
        file = folder / f"data{suffix}"
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            for key, value in content.items():
                (file / key).parent.mkdir(parents=True, exist_ok=True)
                (file / key).write_bytes(value)
        document = {"file": file.name, "note": note, "valid": kind != "invalid", **case}
        (folder / "case.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")

    def valid(
        self,
        name: str,
        rules: str,
        note: str,
        content: bytes,
        spelled: bytes | Entries | None = None,
        *,
        suffix: str = ".fred",
        findings: tuple[str, ...] = (),
    ) -> None:
        """A valid `.fred` file, or the same data spelled in another container; values by the reference reader."""
        meta, arrays = fred_reference.read(content)
        images = (
            np.round(fred_reference.decode(meta, arrays), 9) + 0.0
        )  # the same bits whatever the processor's cosines
        values = np.abs(fred_reference.numbers(meta, arrays["coefficients"])).sum(2).max()
        if "base" in arrays:
            values += np.abs(fred_reference.numbers(meta, arrays["base"])).sum(2).max()
        decoded = {
            "shape": list(images.shape),
            "values": base64.b64encode(images.astype("<f8").tobytes()).decode(),
            "tolerance": float(f"{1e-5 * values + 1e-6:.3g}"),
            "labels": arrays["labels"].tolist(),
        }
        named = [f"FRED-{number}" for number in rules.split()]
        self.add(
            "warning" if findings else "valid",
            name,
            content if spelled is None else spelled,
            note,
            suffix=suffix,
            rules=named,
            findings=list(findings),
            digest=fred_reference.content_digest(meta, arrays),
            decoded=decoded,
        )

    def invalid(self, name: str, content: bytes | Entries, note: str, *, suffix: str = ".fred", also: str = "") -> None:
        """A file that breaks the rule at the head of its name, and that of ``also``."""
        findings = [rule for rule in (name[:8], also) if rule]
        self.add("invalid", name, content, note, suffix=suffix, rules=findings, findings=findings)
