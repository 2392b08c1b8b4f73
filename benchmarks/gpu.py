"""Everything that needs a GPU, in one command: tests, decoding, steps, feeding, and real data distilled.

    python benchmarks/gpu.py                        # on CUDA, 8 minutes at most; the report goes to gpu.json
    python benchmarks/gpu.py --device cpu --tiny    # the same code at sizes for a CPU, in half a minute
    python benchmarks/gpu.py --wheels               # what to carry to a machine without a package index, and how

One table is printed, and the report written after every section, so that nothing is lost where time runs out. It runs
from a checkout that is not installed, too, without compiled loops. Sections: `on_device/`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from on_device.checkout import NEEDED, OPTIONAL, again_with_packages, is_importable, missing, wheels

SECTIONS = {"suite": 0.25, "decoding": 0.35, "steps": 0.4, "loading": 0.2, "learning": 1.0}
"""The sections in their order, and the share of the time that is left which each may take."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small enough for a CPU; says nothing about speed")
    parser.add_argument("--minutes", type=float, default=8, help="for everything")
    parser.add_argument("--sections", nargs="*", choices=[*SECTIONS], default=[*SECTIONS])
    parser.add_argument(
        "--learn",
        nargs="*",
        default=["fashion-mnist,3136", "cifar10,12288"],
        metavar="SOURCE[,BYTES[,SETTINGS]]",
        help="what to distil, in how many bytes per class, with which TOML file of settings (default: chosen here)",
    )
    parser.add_argument("--data-root", help="where the named sources lie")
    parser.add_argument("--files", type=Path, metavar="FOLDER", help="save the distilled files there")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), metavar="FILE", help="the report")
    parser.add_argument("--wheels", action="store_true", help="print how to carry what such a machine lacks")
    parser.add_argument("--no-links", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.wheels:
        print(wheels())
        return 0
    if lacking := missing(NEEDED):
        print(f"missing: {' '.join(lacking)}\n{wheels()}", file=sys.stderr)
        return 2
    if not options.no_links and not is_importable():
        return again_with_packages(sys.argv[1:])
    return measured(options)


def measured(options: argparse.Namespace) -> int:
    """Run the sections; 1 if one of them or a test fails."""
    import torch
    from machine import processor
    from on_device.running import Running

    from fredfmt.errors import FredError

    began = time.monotonic()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("no CUDA device here: use --device cpu --tiny", file=sys.stderr)
        return 2
    device = torch.device(options.device)
    if options.tiny:
        torch.set_num_threads(1)
    run = Running(device, options.tiny, began + 60 * options.minutes, options.learn, options.data_root, options.files)
    cuda = device.type == "cuda"
    report: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if cuda else processor(),
        "torch": torch.__version__,
        "python": sys.version.partition(" ")[0],
        "tiny": options.tiny,
        "missing": missing(OPTIONAL),
        "sections": {},
        "seconds": {},
        "notes": run.notes,
    }
    failed = False
    for name in options.sections:
        start = time.monotonic()
        run.begin(SECTIONS[name])
        try:
            rows = import_module(f"on_device.{name}").rows(run)
        except (FredError, RuntimeError, AssertionError, OSError) as error:  # the other sections are worth having
            traceback.print_exc()
            rows, failed = [{"what": name, "note": f"failed: {str(error).partition(chr(10))[0]}"}], True
        failed |= any(row.get("failed") for row in rows)
        report["sections"][name] = rows
        report["seconds"][name] = round(time.monotonic() - start, 1)
        options.out.write_text(json.dumps(report, indent=2))
        print(f"{name}: {report['seconds'][name]} s", file=sys.stderr, flush=True)
    print(table(report))
    return int(failed)


def table(report: dict[str, Any]) -> str:
    """All rows in one."""
    from on_device.running import COLUMNS

    rows = [row for section in report["sections"].values() for row in section]
    columns = [column for column in COLUMNS if any(column in row for row in rows)]
    lines = [f"{report['device']}, torch {report['torch']}"]
    lines += [f"| {' | '.join(columns)} | |", f"|{'---|' * len(columns)}---|"]
    for row in rows:
        cells = [_spelled(row.get(column, "")) for column in columns]
        lines.append(f"| {' | '.join(cells)} | {row.get('note', '')} |")
    if report["missing"]:
        lines.append(f"missing: {' '.join(report['missing'])}")
    return "\n".join([*lines, *report["notes"]])


def _spelled(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
