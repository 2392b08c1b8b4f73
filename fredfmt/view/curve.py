"""Accuracy against bits: the recorded results of files as points, CSV and a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

from fredfmt.model.data import FreDData
from fredfmt.model.distillation import LENGTHS, objective_of
from fredfmt.storage.ledger import ledger, without_results
from fredfmt.view.anchors import Anchor
from fredfmt.view.drawing import INK, LINE, QUIET, SERIES, Axes, Colour, Scale, Sheet

if TYPE_CHECKING:
    from PIL.Image import Image

_WIDTH, _PLOT, _ROW = 820, 400, 20


@dataclass(frozen=True)
class Point:
    """One result of one file."""

    file: str
    bytes: int
    """Bytes of the file without its recorded results, so that recording a result does not change them."""
    bits_per_class: float
    """8 times these bytes, divided by the number of classes."""
    accuracy: float
    """Share of correct predictions, 0..1."""
    std: float | None
    """Standard deviation over networks."""
    networks: int | None
    test: str
    protocol: str
    network: str
    made_by: str
    """The objective of the distillation, or ``real images``."""
    k: int
    stored_as: str
    """The quantisation step, or the floating point type."""

    @property
    def series(self) -> tuple[str, str, str, str]:
        """The key of the series of a point; points of one series may be joined by a line."""
        return self.test, self.made_by, self.network, self.protocol


def points_of(data: FreDData, file: str) -> list[Point]:
    """A point for each recorded result that has an accuracy, in order.

    >>> import numpy as np
    >>> from fredfmt import encode
    >>> from fredfmt.view.curve import points_of
    >>> images, labels = np.eye(8, dtype=np.float32).reshape(2, 1, 4, 8), np.arange(2)
    >>> data = encode(images, labels, k=4, mask="low", results=({"accuracy": 0.75, "test": "digits test"},))
    >>> [(point.accuracy, point.made_by, point.k) for point in points_of(data, "x.fred")]
    [(0.75, 'real images', 4)]
    """
    meta, account = data.metadata, ledger(without_results(data))
    objective = objective_of(meta.distillation)
    quantization = meta.quantization
    found = []
    for result in meta.results:
        accuracy, std, accuracies = (result.get(name) for name in ("accuracy", "std", "accuracies"))
        if not isinstance(accuracy, int | float):
            continue
        found.append(
            Point(
                file=file,
                bytes=account.total,
                bits_per_class=account.bits_per_class,
                accuracy=float(accuracy),
                std=float(std) if isinstance(std, int | float) else None,
                networks=len(accuracies) if isinstance(accuracies, tuple) else None,
                test=str(result.get("test", "")),
                protocol=_protocol(result),
                network=_network(result.get("network")),
                made_by=str(objective) if objective else "real images",
                k=data.k,
                stored_as=quantization.mode if quantization.step is None else f"step {quantization.step:g}",
            )
        )
    return found


def to_csv(points: Sequence[Point], anchors: Sequence[Anchor] = ()) -> str:
    """One line per point, followed by published figures, whose source is in the last column."""
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    names = [entry.name for entry in fields(Point)]
    write([*names, "published_elsewhere"])
    for point in points:
        write([*("" if value is None else value for value in astuple(point)), ""])
    for anchor in anchors:
        known = {
            "bits_per_class": anchor.bits_per_class,
            "accuracy": anchor.accuracy,
            "test": anchor.data,
            "made_by": anchor.method,
        }
        write([*(known.get(name, "") for name in names), anchor.source])
    return out.getvalue()


def draw(points: Sequence[Point], anchors: Sequence[Anchor] = ()) -> Image:
    """Draw accuracy against bits per class on a logarithmic scale, with error bars of one standard deviation over
    networks.

    Points of the same test set, method, network and protocol are joined. Published figures are rings and are not joined
    with these points, because their bits are nominal (32 per stored number) and their protocols differ.
    """
    series = list(dict.fromkeys(point.series for point in points))
    methods = list(dict.fromkeys(anchor.method for anchor in anchors))
    legend = _ROW * (len(series) + (len(methods) + 1) // 2 + (2 if methods else 0)) + 30
    sheet = Sheet(_WIDTH, 90 + _PLOT + 50 + legend)
    tests = list(dict.fromkeys(point.test for point in points))
    sheet.words((60, 20), f"Accuracy against size: {', '.join(tests)}", size=16)
    bits = [point.bits_per_class for point in points] + [anchor.bits_per_class for anchor in anchors]
    shares = [100 * (p.accuracy + side * (p.std or 0)) for p in points for side in (-1, 1)]
    shares += [100 * anchor.accuracy for anchor in anchors]
    room = max(1.0, 0.08 * (max(shares) - min(shares)))
    y = Scale(max(0.0, min(shares) - room), min(100.0, max(shares) + room))
    axes = Axes(
        sheet,
        (60, 84, _WIDTH - 30, 84 + _PLOT),
        Scale(min(bits) / 1.4, max(bits) * (2.2 if anchors else 1.4), log=True),
        y,
    )
    axes.draw(x_name="bits per class, of the file", y_name="test accuracy, %")
    top = 84 + _PLOT + 50
    rings: dict[str, Colour] = {method: _pale(SERIES[i % len(SERIES)]) for i, method in enumerate(methods)}
    _draw_anchors(axes, anchors, rings)
    for number, key in enumerate(series):
        own = sorted((p for p in points if p.series == key), key=lambda p: p.bits_per_class)
        colour = SERIES[number % len(SERIES)]
        if len(own) > 1:
            axes.curve([p.bits_per_class for p in own], [100 * p.accuracy for p in own], colour, 2)
        for point in own:
            _whisker(axes, point, colour)
            sheet.dot(axes.place(point.bits_per_class, 100 * point.accuracy), colour)
        sheet.dot((66, top + _ROW * number), colour)
        test, made_by, network, protocol = key
        text = ", ".join(filter(None, (made_by, network, protocol, test if len(tests) > 1 else "")))
        sheet.words((80, top + _ROW * number), text, anchor="lm", colour=INK)
    if methods:
        top += _ROW * len(series) + 8
        sheet.line([(60, top), (_WIDTH - 30, top)], LINE, 1)
        text = "Rings: published figures with other protocols; bits are nominal, 32 per stored number, not file sizes"
        sheet.words((60, top + 16), text, anchor="lm", colour=QUIET)
        for number, method in enumerate(methods):
            at = (66 + 380 * (number % 2), top + 38 + _ROW * (number // 2))
            sheet.dot(at, rings[method], hollow=True)
            source = next(anchor.source for anchor in anchors if anchor.method == method)
            sheet.words((at[0] + 14, at[1]), f"{method} ({source})", anchor="lm", colour=QUIET, size=11)
    return sheet.picture()


def _draw_anchors(axes: Axes, anchors: Sequence[Anchor], rings: dict[str, Colour]) -> None:
    """Draw a ring for each figure with the name of its method beside it; names are moved so that they do not
    overlap."""
    last: dict[float, float] = {}
    for anchor in sorted(anchors, key=lambda anchor: -anchor.accuracy):
        x, y = axes.place(anchor.bits_per_class, 100 * anchor.accuracy)
        axes.sheet.dot((x, y), rings[anchor.method], hollow=True)
        at = last[x] = max(y, last.get(x, 0) + 11)
        axes.sheet.words((x + 8, at), anchor.method, size=10, colour=QUIET, anchor="lm")


def _whisker(axes: Axes, point: Point, colour: Colour) -> None:
    if point.std:
        ends = [axes.place(point.bits_per_class, 100 * (point.accuracy + side * point.std)) for side in (-1, 1)]
        axes.sheet.line(ends, colour, 1.25)
        for x, y in ends:
            axes.sheet.line([(x - 4, y), (x + 4, y)], colour, 1.25)


def _pale(colour: Colour) -> Colour:
    red, green, blue = ((part + 190) // 2 for part in colour)
    return red, green, blue


def _protocol(result: Any) -> str:
    protocol = str(result.get("protocol", ""))
    unit = LENGTHS.get(protocol, "")
    length = result.get(unit)
    return f"{protocol} {length}{'' if unit == protocol else f' {unit}'}" if length else protocol


def _network(value: Any) -> str:
    if not hasattr(value, "items"):
        return "" if value is None else str(value)
    rest = [f"{key} {part}" for key, part in value.items() if key in ("depth", "width")]
    return " ".join([str(value.get("name", "")), *rest]).strip()


def sources_of(points: Iterable[Point]) -> list[str]:
    """The names of the real datasets on which points were tested, without the split."""
    return list(dict.fromkeys(point.test.partition(" ")[0] for point in points))
