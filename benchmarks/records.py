"""Accuracy against bytes: files of ``fredfmt distill --bytes N``, compared with real images in the same bytes.

    python benchmarks/records.py digits --per-class 150 500
    python benchmarks/records.py folder:cifar10 --per-class 500 1500 5000 --results benchmarks/results/records.jsonl
    python benchmarks/records.py --results benchmarks/results/records.jsonl --table --pictures docs/pictures

For each number of bytes per class and each seed: one distillation with only its bytes and seed given, and networks
trained on the result, on the images that it started from, on random real images coded in the same bytes, and on such
images with the soft labels of a teacher. All networks are trained by the protocol ``steps`` and tested on the test
split, which is not used for choices. Every finished row is a line of the results, and an interrupted run resumes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from pathlib import Path

from lines import append, read, spread

from fredfmt import open_source, save
from fredfmt.distill import EvaluationConfig, choose, compare, distill
from fredfmt.model.distillation import by_name
from fredfmt.storage.files import packed_size
from fredfmt.view.anchors import anchors_of
from fredfmt.view.curve import Point, draw

ROWS = ("file", "own start", "coded images", "coded, soft labels")
ROUNDING = "nearest"
"""How coefficients are rounded. Results of another rounding are not shown beside those of this one, and made again."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", help="source, as for fredfmt distill")
    parser.add_argument("--per-class", type=float, nargs="+", default=[500, 1500, 5000], help="bytes per class")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds of the distillations")
    parser.add_argument("--effort", default="default")
    parser.add_argument("--width", type=int, default=32, help="width of the networks that are trained on each set")
    parser.add_argument("--networks", type=int, default=1, help="networks per set, averaged")
    parser.add_argument("--steps", type=int, default=1000, help="optimizer steps of these networks")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--results", type=Path, default=Path("records.jsonl"))
    parser.add_argument("--files", type=Path, help="folder for the distilled files")
    parser.add_argument("--table", action="store_true", help="print the results and stop")
    parser.add_argument("--pictures", type=Path, help="folder for the curve of each source")
    options = parser.parse_args()
    if not options.table:
        measure(options)
    records = read(options.results)
    print(table(records))
    if options.pictures is not None:
        drawn = [record for record in records if record["effort"] == options.effort]
        for source in sorted({record["source"] for record in drawn}):
            rows = [record for record in drawn if record["source"] == source]
            draw(points(rows), anchors_of([_name(source)])).save(options.pictures / f"records-{_name(source)}.png")


def measure(options: argparse.Namespace) -> None:
    train, test = (open_source(options.source, split=split) for split in ("train", "test"))
    done = {
        (row["source"], row["bytes"], row["seed"], row["effort"]) for row in read(options.results) if up_to_date(row)
    }
    for per_class in options.per_class:
        max_bytes = round(per_class * len(train.classes))
        for seed in options.seeds:
            if (train.name, max_bytes, seed, options.effort) in done:
                continue
            began = time.process_time()
            chosen = choose(train, max_bytes, effort=options.effort, device=options.device, seed=seed)
            data = distill(train, chosen.config, device=options.device)
            seconds = time.process_time() - began
            if options.files is not None:
                options.files.mkdir(parents=True, exist_ok=True)
                save(data, options.files / f"{_name(train.name)}-{max_bytes}-{seed}.fred")
            first = seed * options.networks
            protocol = EvaluationConfig.for_data(
                data, steps=options.steps, seeds=options.networks, first_seed=first, width=options.width
            )
            baselines = ["own-start", "coded", "coded-soft", *(["whole"] if seed == options.seeds[0] else [])]
            rows = compare(data, train, test, protocol, baselines=baselines, device=options.device)
            record = {
                **{"source": train.name, "bytes": max_bytes, "seed": seed, "effort": options.effort},
                **{"classes": len(train.classes), "seconds": round(seconds), "file_bytes": packed_size(data)},
                **{"instances": len(data), "k": data.k, "soft": data.soft, "rounding": ROUNDING},
                **{"networks": [*protocol.networks]},
                "reasons": chosen.reasons,
                "distilled": bool(by_name(data.metadata.distillation)["iterations"]),
                "protocol": protocol.words(),
                "accuracy": {row.name: row.evaluation.mean for row in rows},
                "images_per_class": {row.name: row.instances_per_class for row in rows},
            }
            append(options.results, record)
            print(record, flush=True)


def up_to_date(row: dict) -> bool:
    """Whether a row was made with `ROUNDING`, and its networks have other seeds than those of other distillations."""
    return row["rounding"] == ROUNDING and (row["seed"] == 0 or "networks" in row)


def current(records: list[dict]) -> list[dict]:
    """Those of `ROUNDING`, and where there are none, those of an earlier one."""
    made = {(row["source"], row["bytes"], row["effort"]) for row in records if row["rounding"] == ROUNDING}
    return [
        row
        for row in records
        if row["rounding"] == ROUNDING or (row["source"], row["bytes"], row["effort"]) not in made
    ]


def table(records: list[dict]) -> str:
    """Mean accuracy and standard error over distillations, in percent, for each source and number of bytes; rows with a
    star are of an earlier rounding, those with a dagger had the same networks in each distillation."""
    groups = defaultdict(list)
    for record in current(records):
        groups[record["source"], record["bytes"], record["effort"]].append(record)
    lines = [
        f"| source | bytes per class | effort | {' | '.join(ROWS)} | file - best | whole | s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (source, size, effort), rows in sorted(groups.items()):
        cells = [spread([row["accuracy"][name] for row in rows]) for name in ROWS]
        gains = [row["accuracy"]["file"] - max(row["accuracy"][name] for name in ROWS[1:]) for row in rows]
        whole = sorted({row["accuracy"]["whole set"] for row in rows if "whole set" in row["accuracy"]})
        seconds = statistics.fmean(row["seconds"] for row in rows if "seconds" in row)
        star = " *" if rows[0]["rounding"] != ROUNDING else "" if all(map(up_to_date, rows)) else " †"
        per_class = f"{size / rows[0]['classes']:,.0f}"
        lines.append(
            f"| {source}{star} | {per_class} | {effort} | {' | '.join(cells)} | {spread(gains, '+')} | "
            f"{spread(whole) if whole else ''} | {seconds:,.0f} |"
        )
    return "\n".join(lines)


def points(records: list[dict]) -> list[Point]:
    """The accuracies of one source for each row of the table and number of bytes: mean and standard deviation over
    distillations."""
    groups = defaultdict(list)
    for record in current(records):
        for name in ROWS:
            groups[name, record["bytes"]].append(record)
    made = []
    for (name, size), rows in groups.items():
        accuracies = [row["accuracy"][name] for row in rows]
        made.append(
            Point(
                file=name,
                bytes=size,
                bits_per_class=8 * size / rows[0]["classes"],
                accuracy=statistics.fmean(accuracies),
                std=statistics.stdev(accuracies) if len(accuracies) > 1 else None,
                networks=None,
                test=f"{_name(rows[0]['source'])} test",
                protocol=rows[0]["protocol"].partition(",")[0],
                network="",
                made_by=name,
                k=rows[0]["k"],
                stored_as="",
            )
        )
    return made


def _name(source: str) -> str:
    """The name of a source in the names of files."""
    return source.rpartition(":")[2].replace("/", "-")


if __name__ == "__main__":
    main()
