"""The `fredfmt` command. Each command is a module in `fredfmt.cli.commands`, which only calls the library."""

from __future__ import annotations

import sys

_PACKAGES = {name: name for name in ("h5py", "numcodecs", "torch", "torchvision", "zarr")} | {
    "PIL": "pillow",
    "google_crc32c": "google-crc32c",
}
"""The packages that pip installs with fredfmt by default, by their import names."""


def main() -> None:
    """Run the command line. An error in the input is one line on stderr and exit status 1."""
    from fredfmt.cli.app import app
    from fredfmt.cli.console import close_quietly, prepare_streams, say
    from fredfmt.errors import FredError, printable

    prepare_streams()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except FredError as error:
        say(printable(f"fredfmt: {type(error).__name__}: {error}"))
        sys.exit(1)
    except ModuleNotFoundError as error:
        package = _PACKAGES.get((error.name or "").partition(".")[0])
        if package is None:
            raise
        print(f"fredfmt: this needs {package}, which is not installed: pip install {package}", file=sys.stderr)
        sys.exit(1)
    except MemoryError as error:
        say(printable(f"fredfmt: not enough memory: {error}"))
        sys.exit(1)
    except BrokenPipeError:
        close_quietly()
        sys.exit(1)
    except OSError as error:
        close_quietly()
        place = "" if error.filename is None else f"{error.filename}: "
        say(printable(f"fredfmt: {place}{error.strerror or error}"))
        sys.exit(1)
