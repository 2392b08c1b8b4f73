"""From files to `FreDData` and back: containers, reading, writing, addresses, the cache, validation and byte counts."""
