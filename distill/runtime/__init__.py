"""What long work needs: seeds, progress, interruption, checkpoints, several processes."""
