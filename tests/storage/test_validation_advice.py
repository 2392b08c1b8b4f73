"""Advice of `validate` that no rule of the specification gives."""

import numpy as np
import pytest

from fredfmt import encode, open_source, save, validate


@pytest.mark.parametrize("transform", ["dct", "identity"])
def test_normalised_images_that_are_declared_to_be_in_0_to_1_are_hinted_at(tmp_path, transform):
    few = open_source("digits").sample(3, seed=0)
    shared = {
        "k": 64,
        "transform": transform,
        "mask": "low",
        "step": 0.1,
        "source": {"name": "digits"},
        "license": "CC0-1.0",
    }
    for images, normalization, hinted in (
        (few.normalized[:], None, True),
        (few.normalized[:], few.normalization, False),
        (np.asarray(few.images[:], np.float32), None, False),
    ):
        save(encode(images, few.labels, normalization=normalization, **shared), tmp_path / "x.fred")
        report = validate(tmp_path / "x.fred")
        assert report.valid
        assert [finding.what for finding in report.findings if "0..1" in finding.what] == (
            ["pixel values outside 0..1, although the file declares no normalisation"] if hinted else []
        )
