"""Between files and `FreDData`: containers, reading and writing, addresses and their cache, validation, bytes."""
