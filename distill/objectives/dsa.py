"""Gradient matching under augmentation."""

from __future__ import annotations

from fredfmt.distill.objectives.dc import DC


class DSA(DC):
    """`DC` with the same augmentation of real and synthetic images of a class (Zhao and Bilen, Dataset Condensation
    with Differentiable Siamese Augmentation, ICML 2021, equation 4)."""

    title = "gradient matching under augmentation"
    siamese = True
