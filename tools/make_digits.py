"""Make the two .fred files of the source `digits` from scikit-learn's copy of the data; the same bytes every time.

python tools/make_digits.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import fredfmt

FOLDER = Path(fredfmt.__file__).parent / "data" / "sources" / "data"
TEST_IMAGES = 50
CITATION = "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, 1998."


def main() -> None:
    digits = load_digits()
    images = (digits.images[:, None] / 16).astype(np.float32)
    from_the_end = np.array([np.count_nonzero(digits.target[i:] == label) for i, label in enumerate(digits.target)])
    test = from_the_end <= TEST_IMAGES
    for split, chosen, words in (("train", ~test, "all but the last"), ("test", test, "the last")):
        data = fredfmt.encode(
            images[chosen],
            digits.target[chosen],
            k=64,
            transform="identity",
            mask="low",
            step=1 / 16,
            classes=[str(name) for name in digits.target_names],
            source={
                "name": "optdigits",
                "split": "test",
                "count": int(chosen.sum()),
                "selection": f"{words} {TEST_IMAGES} images a class of the original test set",
                "url": "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
            },
            license="CC-BY-4.0",
            citation=CITATION,
        )
        assert data.metadata.quantization.error_max == 0
        FOLDER.mkdir(exist_ok=True)
        fredfmt.save(data, FOLDER / f"digits-{split}.fred")


if __name__ == "__main__":
    main()
