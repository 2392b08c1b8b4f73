"""What a data set is: arrays and metadata, checked once and then read-only; their order, their digest, their limits."""
