"""The version of this distribution."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("fredfmt")
except PackageNotFoundError:  # the source tree on the path without an installation
    __version__ = "0+unknown"
