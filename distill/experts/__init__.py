"""Networks trained on real images for trajectory matching: training, storing and reading their parameters."""
