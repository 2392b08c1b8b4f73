"""Drive implementations of the format over the test vectors; see README.md beside this file.

python spec/conformance/run.py [--validator COMMAND | --reader COMMAND] [--vectors DIRECTORY]
"""

from __future__ import annotations

import argparse
import base64
import json
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors" / "1.0"
OURS = [
    ("fredfmt", [sys.executable, str(HERE / "fredfmt_.py")], True),
    ("reference reader", [sys.executable, str(HERE / "reference.py")], False),
]
RULES = json.loads((HERE.parent / "rules-1.0.json").read_text())


def cases(vectors: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every vector: its directory and its case.json."""
    for path in sorted(vectors.glob("*/*/case.json")):
        yield path.parent, json.loads(path.read_text())


def drive(command: list[str], vectors: Path, *, validator: bool) -> Iterator[tuple[str, str, str]]:
    """(vector, level, complaint) of every vector that the implementation supports; an empty complaint is a pass."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for folder, case in cases(vectors):
            process.stdin.write(f"{folder / case['file']}\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                yield folder.name, "structure", "the implementation died"
                return
            found = json.loads(line)
            if found.get("supported", True):
                yield from judge(f"{folder.parent.name}/{folder.name}", case, found, validator)
        process.stdin.close()


def judge(name: str, case: dict[str, Any], found: dict[str, Any], validator: bool) -> Iterator[tuple[str, str, str]]:
    """The verdicts on one answer."""
    expected, named = set(case["findings"]), set(found.get("findings", []))
    errors = {rule for rule in expected if RULES[rule]["severity"] == "error"}
    level = RULES[min(errors or case["rules"])]["level"]
    complaint = ""
    if found["valid"] != case["valid"]:
        complaint = f"valid is {found['valid']}, findings {sorted(named)}"
    elif named != expected if validator else not named <= expected:
        complaint = f"findings {sorted(named)}, expected {sorted(expected)}"
    yield name, level, complaint
    if case["valid"] and found["valid"]:
        yield name, "values", compare(case, found)


def compare(case: dict[str, Any], found: dict[str, Any]) -> str:
    """What differs in digest, labels and decoded values."""
    wanted, given = case["decoded"], found["decoded"]
    if found["digest"] != case["digest"]:
        return f"digest {found['digest']}"
    if not np.allclose(given["labels"], wanted["labels"], atol=1e-6):
        return "labels differ"
    if list(given["shape"]) != wanted["shape"]:
        return f"shape {given['shape']}"
    values, expected = (np.frombuffer(base64.b64decode(part["values"]), "<f8") for part in (given, wanted))
    error = float(np.abs(values - expected).max())
    return "" if error <= wanted["tolerance"] else f"decoded values differ by {error:g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validator", help="command of an implementation that reports every broken rule")
    parser.add_argument("--reader", help="command of an implementation that stops at the first")
    parser.add_argument("--vectors", type=Path, default=VECTORS)
    options = parser.parse_args()
    implementations = [
        (command, shlex.split(command), validator)
        for command, validator in ((options.validator, True), (options.reader, False))
        if command
    ]
    failed = False
    for name, command, validator in implementations or OURS:
        verdicts = list(drive(command, options.vectors, validator=validator))
        for vector, level, complaint in verdicts:
            if complaint:
                print(f"{name}: {vector} ({level}): {complaint}")
        passed, total = Counter(level for _, level, bad in verdicts if not bad), Counter(v[1] for v in verdicts)
        print(f"{name}: " + ", ".join(f"{level} {passed[level]}/{total[level]}" for level in sorted(total)))
        failed |= passed != total or not total
    sys.exit(failed)


if __name__ == "__main__":
    main()
