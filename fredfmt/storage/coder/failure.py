"""How both implementations of the coder refuse bytes."""


class BadBytesError(Exception):
    """Bytes that the coder never writes for an array of the given shape and range."""
