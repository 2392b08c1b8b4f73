"""The compiled loops (`_planes.c`): one kernel per instruction set, chosen at run time.

The environment variable ``FREDFMT_KERNEL`` forces one (``avx512``, ``avx2``, ``sse2``, ``neon``, ``generic``), or none
of them (``torch``).
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

from fredfmt.errors import ArgumentError
from fredfmt.storage.compiled import load_compiled

VARIABLE = "FREDFMT_KERNEL"
TORCH = "torch"
"""The value of the variable for no kernel."""


class Tables(ctypes.Structure):
    """The masks and the basis in the layout that the loops read; `fredfmt.codec.planes` fills it."""

    NUMBERS = ("masks", "frequencies", "rows", "height", "width", "padded_height", "columns", "mirrored")
    POINTERS = ("order", "column", "end", "used", "factors", "basis")
    _fields_ = [*((name, ctypes.c_int64) for name in NUMBERS), *((name, ctypes.c_void_p) for name in POINTERS)]


class Job(ctypes.Structure):
    """One batch."""

    _fields_ = [
        ("tables", ctypes.POINTER(Tables)),
        ("coefficients", ctypes.c_void_p),
        ("masks", ctypes.c_void_p),
        ("mixing", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("one_mask", "instances", "channels", "stride")),
        ("scratch", ctypes.c_void_p),
        ("scratch_stride", ctypes.c_int64),
        ("out", ctypes.c_void_p),
    ]


class _Described(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), *((name, ctypes.c_int64) for name in ("lanes", "vectors", "together"))]


COMPILED = load_compiled(
    "fredfmt.codec._planes",
    {
        "fredfmt_planes_kernel": (ctypes.POINTER(_Described), [ctypes.c_int]),
        "fredfmt_planes_usable": (ctypes.c_int, [ctypes.c_int]),
        "fredfmt_planes": (ctypes.c_int, [ctypes.POINTER(_Described), ctypes.POINTER(Job), ctypes.c_int]),
    },
)


@dataclass(frozen=True)
class Kernel:
    """The loops for one instruction set."""

    index: int
    name: str
    lanes: int
    """Floats per vector."""
    columns: int
    """Columns of the image per block."""
    together: int
    """Rows of the image computed together."""
    usable: bool
    """Whether this processor has the instructions."""

    def run(self, job: Job, threads: int) -> bool:
        """Compute the images. Returns False, and writes nothing, if a mask is out of range."""
        assert COMPILED.library is not None
        library = COMPILED.library
        failed = library.fredfmt_planes(library.fredfmt_planes_kernel(self.index), ctypes.byref(job), threads)
        return not failed


def _kernels() -> tuple[Kernel, ...]:
    found: list[Kernel] = []
    while COMPILED.library is not None and (pointer := COMPILED.library.fredfmt_planes_kernel(len(found))):
        kernel, index = pointer.contents, len(found)
        columns = kernel.lanes * kernel.vectors
        usable = bool(COMPILED.library.fredfmt_planes_usable(index))
        found.append(Kernel(index, kernel.name.decode(), kernel.lanes, columns, kernel.together, usable))
    return tuple(found)


KERNELS = _kernels()
"""Every kernel that was compiled, the widest first."""


def forced() -> str | None:
    """The kernel that the environment variable selects, or ``torch``; None if it is not set.

    Raises
    ------
    ArgumentError
        For an unknown kernel, or one that this processor cannot run.
    """
    name = os.environ.get(VARIABLE)
    if not name or name == TORCH:
        return name or None
    if name not in (usable := [kernel.name for kernel in KERNELS if kernel.usable]):
        there = name in [kernel.name for kernel in KERNELS]
        raise ArgumentError(
            "this processor cannot run the kernel" if there else "no such kernel here",
            where=VARIABLE,
            expected=" or ".join([*usable, TORCH]),
            found=name,
        )
    return name


def kernel_for(width: int) -> Kernel | None:
    """The kernel for images of this width: the forced one, or the widest whose vectors are not wider than an image."""
    name = forced()
    usable = [kernel for kernel in KERNELS if kernel.usable and name in (None, kernel.name)]
    return next((kernel for kernel in usable if kernel.lanes <= width), usable[-1] if usable else None)
