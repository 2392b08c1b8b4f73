"""Tools for long computations: seeds, progress, interruption, checkpoints, several processes."""
