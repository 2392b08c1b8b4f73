"""Images for training: sources of real images, and `FreDDataset` and `FreDLoader` for decoded images."""
