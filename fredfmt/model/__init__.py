"""The data model: arrays and metadata, checked once and then read-only; canonical order, digests and limits."""
