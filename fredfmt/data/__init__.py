"""Images for training: sources of real ones; `FreDDataset` and `FreDLoader` of decoded ones."""
