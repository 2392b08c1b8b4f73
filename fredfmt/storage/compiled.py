"""Loads compiled loops: plain C functions without Python's API, called through ctypes.

The installation builds them if it finds a C compiler and continues without them otherwise. Every caller therefore has a
second implementation, and can say why the compiled one is not used.

In an editable installation the Python code may be newer than a library, whose functions may then take other arguments.
A library therefore holds the digest of the sources that it was built from (``setup.py``), and is used only if these are
the sources in its folder. A wheel has no sources: its library and its Python code are of one version.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compiled:
    """A library of compiled loops, or the reason why it is unavailable: one of the two is None."""

    library: ctypes.CDLL | None
    absence: str | None

    def __bool__(self) -> bool:
        return self.library is not None


def load_compiled(module: str, functions: Mapping[str, tuple[Any, Sequence[Any]]]) -> Compiled:
    """Load the extension ``module`` and declare its functions; a warning is logged if its sources have changed since.

    Parameters
    ----------
    module
        Full name of the extension, as in ``pyproject.toml``. The names of its sources begin with the last part of this
        name, and all lie in one folder.
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
        functions = {"fredfmt_sources": (ctypes.c_char_p, ()), **functions}
        for name, (result, arguments) in functions.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, tuple(arguments)
    except OSError as error:
        return Compiled(None, f"{module} cannot be loaded: {error}")
    except AttributeError:
        return _outdated(module)
    digest = _digest(Path(found.origin).parent, module.rpartition(".")[2])
    return Compiled(library, None) if digest in (None, library.fredfmt_sources().decode()) else _outdated(module)


def _digest(folder: Path, stem: str) -> str | None:
    """The digest of the sources in a folder whose names begin with ``stem``, as in ``setup.py``; None without
    sources."""
    sources = sorted(folder.glob(f"{stem}*.[ch]"))
    content = b"".join(source.read_bytes() for source in sources)
    return hashlib.sha256(content).hexdigest() if sources else None


def _outdated(module: str) -> Compiled:
    reason = f"{module} was built from another version of its sources"
    _log.warning("%s, so slower code is used; install fredfmt again, in a checkout by `pip install -e .`", reason)
    return Compiled(None, reason)
