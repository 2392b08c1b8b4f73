"""Reads a pickle without executing it, as a tree of inert values.

`torch.load(weights_only=True)` runs only the calls that it allows, but a file can still make it allocate any amount of
memory. The opcodes are therefore read here first, without executing calls: calls that plain tensors and numbers do not
need are refused, and the sizes of tensors are known before any is allocated.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import IO, Any

from fredfmt.errors import SourceError

ITEM_BYTES = {
    "torch BoolStorage": 1,
    "torch ByteStorage": 1,
    "torch CharStorage": 1,
    "torch ShortStorage": 2,
    "torch HalfStorage": 2,
    "torch BFloat16Storage": 2,
    "torch IntStorage": 4,
    "torch FloatStorage": 4,
    "torch LongStorage": 8,
    "torch DoubleStorage": 8,
}
_DEEPEST = 32
_NODES = 1 << 21
_AXES = 16
_LARGEST = 1 << 48
_SCALAR_BYTES = 64


@dataclass(frozen=True)
class Name:
    """A function or class that the pickle names."""

    text: str


@dataclass(frozen=True)
class Storage:
    """Numbers that are stored outside of the pickle."""

    key: str
    item_bytes: int
    count: int

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return self.item_bytes * self.count


@dataclass(frozen=True)
class Tensor:
    """A dense tensor, which is a view of a storage."""

    storage: Storage
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of its elements."""
        return self.storage.item_bytes * prod(self.shape)


@dataclass(frozen=True)
class Scalar:
    """A numpy scalar, or the type of one."""


@dataclass(frozen=True)
class Pickle:
    """The content of one pickle."""

    tree: Any
    storages: frozenset[Storage]
    """All storages that it declares, used in the tree or not."""

    def tensors(self) -> Iterator[Tensor]:
        """The tensors of the tree. Raises `SourceError` if it holds anything except containers, numbers and strings."""
        left: list[tuple[Any, int]] = [(self.tree, 0)]
        for _ in range(_NODES):
            if not left:
                return
            value, depth = left.pop()
            if isinstance(value, Tensor):
                yield value
            elif isinstance(value, dict | list | tuple) and depth < _DEEPEST:
                parts = value.values() if isinstance(value, dict) else value
                left += [(part, depth + 1) for part in parts]
            elif not isinstance(value, str | bytes | int | float | Scalar | None):
                raise SourceError("more than plain tensors", found=value if isinstance(value, Name) else type(value))
        raise SourceError("too many parts", expected=f"at most {_NODES:,}")


def read(stream: IO[bytes]) -> Pickle:
    """Read one pickle; ``stream`` is then after it. Raises `SourceError` for a pickle that is more than data."""
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name == "STOP":
                (tree,) = machine.stack
                return Pickle(tree, frozenset(machine.storages))
            machine.step(opcode.name, argument)
    except SourceError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise SourceError("not a readable pickle", found=f"{type(error).__name__}: {error}") from None
    raise SourceError("the pickle has no end")


class _Machine:
    """The stack, the marks and the memo of a pickle of protocol 2, as torch writes them."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: set[Storage] = set()

    def step(self, opcode: str, argument: Any) -> None:
        """Execute one opcode."""
        if opcode in _VALUES:
            self.stack.append(argument)
        elif opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode]())
        elif opcode in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif opcode in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif opcode == "MARK":
            self.marks.append(len(self.stack))
        elif opcode == "GLOBAL":
            self.stack.append(_named(argument))
        elif opcode == "PROTO":
            if argument != 2:
                raise SourceError("a pickle of another protocol", expected=2, found=argument)
        elif opcode == "BINPERSID":
            self.stack.append(_storage(self.stack.pop()))
            self.storages.add(self.stack[-1])
        elif opcode == "REDUCE":
            arguments, function = self.stack.pop(), self.stack.pop()
            self.stack.append(_called(function, arguments))
        elif opcode == "BUILD":
            state, built = self.stack.pop(), self.stack[-1]
            if not (isinstance(built, dict) or (isinstance(built, Scalar) and _is_plain_dtype(state))):
                raise SourceError("an object with its own state", expected="plain tensors")
        else:
            self._collect(opcode)

    def _collect(self, opcode: str) -> None:
        if opcode in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(opcode[-1])
            if count > len(self.stack):
                raise IndexError("stack")
            self.stack[-count:] = [tuple(self.stack[-count:])]
        elif opcode == "TUPLE":
            self.stack.append(tuple(self._marked()))
        elif opcode in ("APPEND", "APPENDS"):
            items = [self.stack.pop()] if opcode == "APPEND" else self._marked()
            self._top(list).extend(items)
        elif opcode in ("SETITEM", "SETITEMS"):
            items = [self.stack.pop(-2), self.stack.pop()] if opcode == "SETITEM" else self._marked()
            self._top(dict).update(_entries(zip(items[::2], items[1::2], strict=True)))
        else:
            raise SourceError("more than data", expected="plain tensors", found=f"the pickle opcode {opcode}")

    def _marked(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise TypeError("stack")
        return self.stack[-1]


_VALUES = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING", "BINSTRING"})
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}


DTYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
_PLAIN = (None, None, None, -1, -1, 0)


def _entries(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """A dict whose keys are strings or numbers: hashing a deeply nested key would crash the process."""
    entries = list(pairs)
    if not all(isinstance(key, str | int | float) for key, _ in entries):
        raise SourceError("a dict with other keys", expected="strings or numbers")
    return dict(entries)


def _ordered_dict(arguments: tuple[Any, ...]) -> Any:
    return _entries(tuple(pair) for pair in (arguments[0] if arguments else []))


def _tensor(arguments: tuple[Any, ...]) -> Tensor:
    storage, offset, shape, strides = arguments[:4]
    shape, strides = tuple(shape[: _AXES + 1]), tuple(strides[: _AXES + 1])
    whole = len(shape) <= _AXES and all(type(number) is int and number >= 0 for number in (offset, *shape, *strides))
    if not isinstance(storage, Storage) or not whole or len(shape) != len(strides):
        raise SourceError("a tensor without a usable shape", expected=f"at most {_AXES} axes, contiguous or not")
    if prod(max(length, 1) for length in shape) > _LARGEST:  # numpy cannot hold such shapes, even of empty tensors
        raise SourceError("a tensor claims an impossible number of elements", found=f"shape {shape}")
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    if prod(shape) and (prod(shape) > storage.count or last >= storage.count):
        raise SourceError(
            "a tensor claims more elements than are stored", expected=f"at most {storage.count}", found=f"shape {shape}"
        )
    return Tensor(storage, shape)


def _parameter(arguments: tuple[Any, ...]) -> Any:
    return arguments[0]


def _dtype(arguments: tuple[Any, ...]) -> Scalar:
    if not arguments or arguments[0] not in DTYPES:
        raise SourceError("a type of numpy that is not a plain number", expected=", ".join(DTYPES))
    return Scalar()


def _is_plain_dtype(state: Any) -> bool:
    """Whether the state of a dtype is plain: version and byte order, but neither fields nor sizes."""
    return isinstance(state, tuple) and state[1:2] in (("<",), (">",), ("|",)) and state[2:] == _PLAIN


def _scalar(arguments: tuple[Any, ...]) -> Scalar:
    if len(arguments) != 2 or not isinstance(arguments[0], Scalar) or not isinstance(arguments[1], bytes):
        raise SourceError("a number of numpy without a value")
    return Scalar()


def _bytes(arguments: tuple[Any, ...]) -> bytes:
    text, encoding = arguments
    if encoding != "latin1" or len(text) > _SCALAR_BYTES:
        raise SourceError("bytes that are not a number", expected=f"latin1, at most {_SCALAR_BYTES}")
    return bytes(text, "latin1")


_CALLS: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "collections OrderedDict": _ordered_dict,
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
    "numpy dtype": _dtype,
    "numpy.core.multiarray scalar": _scalar,
    "numpy._core.multiarray scalar": _scalar,
    "_codecs encode": _bytes,
}


def _named(text: str) -> Name:
    if text not in _CALLS and text not in ITEM_BYTES:
        raise SourceError(
            "the file wants to execute code",
            expected="plain tensors and numbers",
            found=text.replace(" ", "."),
            hint="Nothing was executed. Ask its author for the images and labels as tensors",
        )
    return Name(text)


def _called(function: Any, arguments: Any) -> Any:
    if not isinstance(function, Name) or function.text not in _CALLS or not isinstance(arguments, tuple):
        raise SourceError("not a call that plain tensors need", found=type(function).__name__)
    return _CALLS[function.text](arguments)


def _storage(identity: Any) -> Storage:
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
        raise SourceError("the data outside of the pickle are not numbers")
    kind, key, _, count = identity[1:5]
    if not isinstance(kind, Name) or kind.text not in ITEM_BYTES or type(count) is not int or count < 0:
        raise SourceError("a storage of an unknown kind", expected=", ".join(ITEM_BYTES), found=kind)
    if identity[5:] not in ((), (None,)):
        raise SourceError("a view of a storage", expected="plain tensors")
    if not isinstance(key, str):
        raise SourceError("a storage without a name", found=type(key).__name__)
    return Storage(key, ITEM_BYTES[kind.text], count)
