"""Valid files, including those that do not follow a recommendation."""

from __future__ import annotations

from typing import Any

import fred_reference
import numpy as np
from made import VOLUME, data, entries, file_of, fred, hdf5_of, parts, plain_hdf5
from vectors import Vectors

from fredfmt.model.parts import Whitening


def build_valid(to: Vectors) -> None:
    plain = fred(data())
    to.valid(
        "FRED-401-smallest",
        "401 404 203 205 206",
        "one pixel",
        fred(data((1, 1), channels=1, count=1, classes=1, k=1, step=None, transform="identity")),
    )
    every = "101 110 111 112 113 116 117 201 204 207 210 211 301 302 400 402 403 405 501 502 503 504 505 701 702 703"
    to.valid("FRED-301-plain", every, "two channels of 3x5, three classes, DCT, step 1/4", plain)
    to.valid("FRED-119-float32", "119 203", "exact coefficients", fred(data(step=None)))
    to.valid("FRED-119-float16", "119 203", "half precision", fred(data(step="float16")))
    to.valid("FRED-203-int32", "203", "coefficients beyond 16 bits", fred(data(step=1e-5)))
    for transform in ("dct", "hartley", "haar", "db2", "identity", "downsample"):
        name = f"FRED-118-{transform}"
        kept = 8 if transform == "downsample" else 28
        to.valid(name, "118 301", "every frequency kept", fred(data((4, 7), k=kept, step=None, transform=transform)))
    to.valid("FRED-115-one-axis", "115", "signals of 11 samples", fred(data((11,))))
    to.valid("FRED-115-three-axes", "115 301", "volumes of 2x3x5", fred(data((2, 3, 5), k=9, mask=VOLUME)))
    to.valid("FRED-206-ties", "206", "6x4: many frequencies equally coarse", fred(data((6, 4), k=24)))
    to.valid("FRED-202-base", "202 203", "a spectrum for each mask", fred(data(base=True)))
    normalization = ([0.25, 0.5], [0.125, 0.75])
    to.valid("FRED-120-normalization", "120", "mean and std", fred(data(normalization=normalization)))
    white = Whitening("zca", 0.1, images="sha256:" + "5a" * 32, source={"name": "made up", "split": "train"})
    to.valid("FRED-121-whitening", "121 304", "whitened, and by which images", fred(data(whitening=white)))
    to.valid("FRED-121-recipe-only", "121", "whitened, by unknown images", fred(data(whitening=Whitening("zca", 1))))
    to.valid("FRED-123-channels", "123 301", "the DCT along two channels", fred(data(channel_transform="dct")))
    volume = data((2, 3, 5), channels=3, k=9, mask=VOLUME, base=True, channel_transform="dct")
    to.valid(
        "FRED-123-base", "123 301 202", "along three channels of volumes, with a spectrum for each mask", fred(volume)
    )
    soft = np.array([[5, 2, 1], [1, 6, 1], [0, 0, 8], [2, 3, 3], [8, 0, 0], [1, 1, 6]], np.float32) / 8
    document, arrays = parts(data())
    masked = {**arrays, "mask_of": arrays["labels"][::-1].copy()}
    for name, rules, note, changed in (
        ("FRED-209-mask-of", "209 210", "masks that are not the labels", masked),
        ("FRED-208-soft-labels", "208 210", "probabilities in float32", {**masked, "labels": soft}),
        ("FRED-208-half", "208", "probabilities in float16", {**masked, "labels": soft.astype(np.float16)}),
    ):
        document["integrity"]["content"] = fred_reference.content_digest(document, changed)
        to.valid(name, rules, note, file_of(document, changed))
    tricky = {"€": 1e21, "\U0001f600": -1e-7, "ﬁ": [0.1, 1e-6, 1.2345678901234568e20, -0.5], 'a\n"\\': "é\u0007"}
    to.valid("FRED-101-spelling", "101", "numbers and names that are hard to spell", fred(data(), ext=tricky))
    deep: Any = []
    for _ in range(13):
        deep = [deep]
    to.valid("FRED-303-depth-16", "303", "JSON nested sixteen deep", fred(data(), ext={"deep": deep}))
    later = {"version": "1.7", "glitter": {"must_understand": False, "colour": "gold"}}
    to.valid(
        "FRED-114-later-version", "111 114", "a field of a later version that may be ignored", fred(data(), **later)
    )
    to.valid("FRED-410-directory", "410", "the plain data as a directory", plain, entries(), suffix=".fred.zarr")
    to.valid(
        "FRED-601-hdf5", "601 602 603 604 605", "the plain data in HDF5", plain, hdf5_of(plain_hdf5), suffix=".fred.h5"
    )


def build_warning(to: Vectors) -> None:
    def without(field: str) -> bytes:
        document, arrays = parts(data())
        document.pop(field, None)
        return file_of(document, arrays)

    for rule, field in (("FRED-901", "writer"), ("FRED-902", "source"), ("FRED-903", "license")):
        to.valid(f"{rule}-no-{field}", rule[5:], f"no {field}", without(field), findings=(rule,))
    distilled = fred(data(), distillation={"objective": "dm"})
    to.valid("FRED-904-no-recipe", "904", "distilled, and no recipe", distilled, findings=("FRED-904",))
    document, arrays = parts(data())
    changed = {**arrays, "labels": arrays["labels"] % 2}
    document["integrity"]["content"] = fred_reference.content_digest(document, changed)
    findings = ("FRED-905",)
    to.valid("FRED-905-empty-class", "905", "no instance of the third", file_of(document, changed), findings=findings)
    changed = {**arrays, "mask_of": arrays["labels"] % 2}
    document["integrity"]["content"] = fred_reference.content_digest(document, changed)
    findings = ("FRED-906",)
    to.valid("FRED-906-unused-mask", "906", "nobody uses the third", file_of(document, changed), findings=findings)
