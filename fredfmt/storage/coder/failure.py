"""The error with which both implementations of the coder refuse bytes."""


class BadBytesError(Exception):
    """The coder never writes these bytes for an array of the given shape and range."""
