"""Networks trained on real images, epoch by epoch, for trajectory matching: made, stored, read."""
