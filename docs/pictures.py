"""The pictures of how-it-works.md, made by the software itself: python docs/pictures.py [folder]

Fashion-MNIST where it is installed (Debian: dataset-fashion-mnist); nothing is distilled, and nothing is random but the
choice of images, which has a seed.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fredfmt import Source, encode, open_source
from fredfmt.transforms import synthesis_matrix
from fredfmt.view.pictures import pictures, pixels
from fredfmt.view.preview import preview

BACKGROUND, INK = (250, 250, 250), (70, 70, 70)


def basis(side: int = 8, cell: int = 34, gap: int = 4) -> Image.Image:
    """The patterns of the cosine transform: slow ones at the top left, fast ones at the bottom right."""
    matrix = synthesis_matrix("dct", side)
    pitch = cell + gap
    sheet = Image.new("RGB", (side * pitch + gap,) * 2, BACKGROUND)
    for row in range(side):
        for column in range(side):
            pattern = np.outer(matrix[:, row], matrix[:, column])
            grey = np.round(127.5 + 127.5 * pattern / np.abs(pattern).max()).astype(np.uint8)
            tile = Image.fromarray(grey).resize((cell, cell), Image.Resampling.NEAREST)
            sheet.paste(tile, (gap + column * pitch, gap + row * pitch))
    return sheet


def budgets(source: Source, cell: int = 56, gap: int = 4) -> Image.Image:
    """One image of 784 numbers and 16 of 49 numbers each, for a few classes."""
    few = source.sample(16, seed=3)
    kept = encode(few.normalized, few.labels, k=49, step=None, normalization=few.normalization, classes=few.classes)
    classes, left = (0, 1, 7, 9), 2 * cell
    sheet = Image.new("RGB", (left + 16 * (cell + gap), len(classes) * (cell + gap) + 24), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((gap, 6), "784 pixels", INK)
    draw.text((left, 6), "16 times 49 frequencies: as many numbers", INK)
    decoded = pixels(pictures(kept, np.arange(len(kept))))
    for line, label in enumerate(classes):
        rows = np.flatnonzero(few.labels == label)
        original = np.repeat(np.moveaxis(few.images[rows[:1]], 1, -1), 3, axis=-1)[0]
        top = 24 + line * (cell + gap)
        sheet.paste(Image.fromarray(original).resize((cell, cell), Image.Resampling.NEAREST), (gap, top))
        for place, row in enumerate(rows):
            tile = Image.fromarray(decoded[row]).resize((cell, cell), Image.Resampling.NEAREST)
            sheet.paste(tile, (left + place * (cell + gap), top))
    return sheet


def main(folder: Path) -> None:
    train = open_source("fashion-mnist")
    few = train.sample(64, seed=0)
    data = encode(few.normalized, few.labels, k=49, step=1.0, normalization=few.normalization, classes=few.classes)
    made = {
        "basis": basis(),
        "budget": budgets(train),
        "masks": preview(data, kind="masks", size=56),
        "coarse-to-fine": preview(data, kind="k", size=48),
        "energy": preview(data, kind="energy"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in made.items():
        image.convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "pictures")
