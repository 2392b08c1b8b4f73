"""Loads compiled loops: plain C functions without Python's API, called through ctypes.

The installation builds them if it finds a C compiler and continues without them otherwise. Every caller therefore has a
second implementation, and can say why the compiled one is not used.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Compiled:
    """A library of compiled loops, or the reason why it is unavailable: one of the two is None."""

    library: ctypes.CDLL | None
    absence: str | None

    def __bool__(self) -> bool:
        return self.library is not None


def load_compiled(module: str, functions: Mapping[str, tuple[Any, Sequence[Any]]]) -> Compiled:
    """Load the extension ``module`` and declare its functions.

    Parameters
    ----------
    module
        Full name of the extension, as in ``pyproject.toml``.
    functions
        Result type (None for void) and argument types of each C function, as ctypes names them.

    Examples
    --------
    >>> load_compiled("fredfmt.codec._nowhere", {}).absence
    'fredfmt.codec._nowhere is not installed: there was no C compiler, or the build failed'
    """
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        reason = f"{module} is not installed: there was no C compiler, or the build failed"
        return Compiled(None, reason)
    try:
        library = ctypes.CDLL(found.origin)
        for name, (result, arguments) in functions.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, tuple(arguments)
    except OSError as error:
        return Compiled(None, f"{module} cannot be loaded: {error}")
    except AttributeError:
        return Compiled(None, f"{module} is from another version: reinstall fredfmt")
    return Compiled(library, None)
