"""Reads the bytes of a file at an address: ``https://``, ``s3://``, ``hf://`` or another that fsspec knows.

A file is fetched in one request. An array of up to 16 MiB is a single chunk with one checksum, so parts of it cannot be
verified (docs/decisions/remote.md). Only the metadata, at the start of a file, and the chunks of larger arrays are ever
fetched and verified alone.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fredfmt.errors import ArgumentError, FredError, FredFileNotFoundError, SourceError
from fredfmt.model import limits as limits_
from fredfmt.model.limits import Limits

_MARKS = ("ETag", "Content-MD5", "Digest", "blob_id", "VersionId")
_TIMEOUT, _DEADLINE = 30.0, 600.0
_LEAST_RATE = 1000
"""The lowest mean rate that a server may send at, in bytes per second, over ``FREDFMT_TIMEOUT`` seconds."""
PIECE = 64 << 10
"""Bytes of the smallest range that is requested."""
_SECRETS = re.compile(r"(?<=://)[^/?#]*@|[?#].*", re.DOTALL)
"""Matches user and password before the host, and query and fragment after the path."""
_URL = re.compile(r"[a-zA-Z][\w+.-]*://[^\s'\"]+")
_PACKAGES = {
    "http": "fsspec[http]",
    "https": "fsspec[http]",
    "hf": "huggingface_hub",
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
}


def is_address(file: object) -> bool:
    """Whether ``file`` is an address rather than a path or a file object."""
    return isinstance(file, str) and "://" in file


def shown(address: str) -> str:
    """An address without user, password, query and fragment, which can be secrets; a path stays as it is."""
    return _SECRETS.sub("", address) if is_address(address) else address


class Address:
    """One file at an address. Every failure is a `SourceError` or `FredFileNotFoundError` that says what to do.

    A server may be silent for at most ``FREDFMT_TIMEOUT`` seconds (30), must send at least 1,000 bytes per second, and
    must finish within ``FREDFMT_DEADLINE`` seconds (600). After the deadline no request starts and a running transfer
    is stopped. In the worst case a server sends the headers of its last answer byte by byte: that request ends after
    another ``FREDFMT_DEADLINE`` seconds, so the total is at most twice the deadline.

    Redirects to other hosts and ports are followed, without user, password and query of the address. A redirect to
    another scheme is refused.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._clock = _Clock()
        with _explained(address):
            self._system, self._path = _open(address, self._clock)

    def mark(self) -> dict[str, str]:
        """The server's identifiers of the current version of the file (ETag or similar); empty if it gives none."""
        with _explained(self.address):
            info = self._system.info(self._path)
        if info.get("type") == "directory":
            raise SourceError("a folder", expected="a file", hint="Share the .fred: a .fred.zarr is read locally only")
        marks = {name: str(info[name]) for name in _MARKS if info.get(name)}
        return {**marks, "size": str(info.get("size"))} if marks else {}

    def fetch(self, limits: Limits) -> bytes:
        """The whole file."""
        guard = _guard(limits.file_bytes, self._clock)
        with tempfile.TemporaryDirectory(prefix="fredfmt-") as folder:
            path = Path(folder) / "fetched"
            try:
                with _explained(self.address):
                    self._system.get_file(self._path, str(path), callback=guard)
                content = path.read_bytes()
            except _TooMuch:
                content = b""
        limits_.check(max(guard.most, len(content)), limits.file_bytes, "the size of the file", name="file_bytes")
        return content

    def begin(self, size: int) -> bytes:
        """The first ``size`` bytes, or all if there are fewer; a server that supports ranges sends no more."""
        with _explained(self.address):
            options = {"block_size": size, "cache_type": "none"}
            with self._system.open(self._path, "rb", **options) as stream:
                content: bytes = stream.read(size)
        return content

    @contextmanager
    def pieces(self) -> Iterator[Pieces]:
        """Random access to the file. Raises `NoPiecesError` if the server sends it only from its beginning."""
        with _explained(self.address):
            stream = self._system.open(self._path, "rb", block_size=PIECE, cache_type="none")
        with stream:
            if not stream.size:
                raise NoPiecesError
            yield Pieces(stream, self.address)


class NoPiecesError(Exception):
    """The server does not support range requests."""


class Pieces:
    """Random access to a file at an address. Small reads are rounded up to 64 KiB and kept, because requests are slow.

    Raises `NoPiecesError` or `SourceError`.
    """

    def __init__(self, stream: Any, address: str) -> None:
        self._stream = stream
        self._address = address
        self.size: int = stream.size
        self._kept: list[tuple[int, bytes]] = []

    def read(self, first: int, last: int) -> bytes:
        """The bytes from ``first`` up to ``last``, or fewer at the end of the file."""
        for start, kept in self._kept:
            if start <= first and last <= start + len(kept):
                return kept[first - start : last - start]
        start = min(first, max(0, self.size - PIECE))
        wanted = min(max(last, start + PIECE), self.size) - start
        with _explained(self._address):
            try:
                self._stream.seek(start)
                content: bytes = self._stream.read(wanted)
            except ValueError as error:  # raised by fsspec; io.UnsupportedOperation is one, too
                raise NoPiecesError from error
        if len(content) != wanted:
            raise SourceError(
                "the server sent another number of bytes than requested", expected=f"{wanted} bytes", found=len(content)
            )
        if wanted <= PIECE:
            self._kept.append((start, content))
        return content[first - start : last - start]


class _Clock:
    """The deadline of a transfer, and how many bytes arrived since its rate was last checked."""

    def __init__(self) -> None:
        self.deadline = _seconds("FREDFMT_DEADLINE", _DEADLINE)
        self._end = time.monotonic() + self.deadline
        self._window = _seconds("FREDFMT_TIMEOUT", _TIMEOUT)
        self._since, self._received = time.monotonic(), 0

    def check(self, received: int = 0) -> None:
        """Raise `_TooSlowError` after the deadline, or if too few bytes arrived within a window of time."""
        now = time.monotonic()
        if now > self._end:
            raise _TooSlowError(f"the whole file within {self.deadline:g} s", "FREDFMT_DEADLINE", "more than that")
        self._received += received
        if now - self._since > self._window:
            rate = self._received / (now - self._since)
            if received and rate < _LEAST_RATE:
                expected = f"{_LEAST_RATE:,} bytes/s over {self._window:g} s"
                raise _TooSlowError(expected, "FREDFMT_TIMEOUT", f"{rate:.0f} bytes/s")
            self._since, self._received = now, 0


def _open(address: str, clock: _Clock) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError:
        raise SourceError("reading from a URL needs fsspec", hint="pip install 'fsspec[http]'") from None
    protocol = address.split("://", 1)[0].lower()
    options: dict[str, Any] = {}
    if protocol in ("http", "https"):
        import aiohttp

        silent = _seconds("FREDFMT_TIMEOUT", _TIMEOUT)
        timeout = aiohttp.ClientTimeout(total=clock.deadline, sock_connect=silent, sock_read=silent)
        options = {
            "client_kwargs": {"timeout": timeout, "trust_env": True, "trace_configs": [_watching(clock)]},
            "headers": {"Accept-Encoding": "identity"},
        }
    elif protocol == "hf" and (endpoint := os.environ.get("HF_ENDPOINT")):
        options = {"endpoint": endpoint}
    elif protocol in ("s3", "s3a"):
        silent = _seconds("FREDFMT_TIMEOUT", _TIMEOUT)
        options = {"config_kwargs": {"connect_timeout": silent, "read_timeout": silent}}
    system, path = fsspec.core.url_to_fs(address, skip_instance_cache=True, **options)
    return system, path


def _watching(clock: _Clock) -> Any:
    """Hooks of aiohttp: check the deadline before each request, and the scheme of each redirect."""
    import aiohttp

    async def begin(session: Any, context: Any, request: Any) -> None:
        clock.check()

    async def redirect(session: Any, context: Any, request: Any) -> None:
        headers = request.response.headers
        to = request.url.join(type(request.url)(headers.get("Location") or headers.get("URI") or ""))
        if to.scheme != request.url.scheme:
            raise _OtherSchemeError(request.url.scheme, to.scheme)

    watching = aiohttp.TraceConfig()
    watching.on_request_start.append(begin)
    watching.on_request_redirect.append(redirect)
    return watching


def _seconds(variable: str, default: float) -> float:
    """Seconds from an environment variable, or the default."""
    value = os.environ.get(variable, "")
    try:
        seconds = float(value or default)
        if not 0 < seconds < float("inf"):
            raise ValueError
    except ValueError:
        raise ArgumentError("unusable", where=variable, expected="seconds above 0", found=value) from None
    return seconds


class _TooMuch(Exception):
    """The file is larger than the limits allow."""


class _TooSlowError(Exception):
    """The server is too slow. Arguments: what was expected, the variable that sets it, what was found."""


class _OtherSchemeError(Exception):
    """The server redirects to another scheme. Arguments: the scheme of the address, the other scheme."""


def _guard(most: int, clock: _Clock) -> Any:
    """A callback of fsspec that stops a slow transfer, or one of over ``most`` bytes. Its attribute ``most`` is the
    largest size that the server announced or sent.
    """
    from fsspec.callbacks import Callback

    class Guard(Callback):  # type: ignore[misc,unused-ignore]  # fsspec is not typed
        most = 0

        def set_size(self, size: int | None) -> None:
            self.most = max(self.most, size or 0)
            super().set_size(size)
            self._check()

        def relative_update(self, inc: int = 1) -> None:
            super().relative_update(inc)
            clock.check(inc)
            self.most = max(self.most, self.value)
            self._check()

        def _check(self) -> None:
            if self.most > most:
                raise _TooMuch

    return Guard()


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Turn any exception of a file system into one error that says what to do."""
    try:
        yield
    except (FredError, NoPiecesError, _TooMuch):
        raise
    except Exception as error:
        raise _explanation(address, error) from None


def _explanation(address: str, error: BaseException) -> FredError:
    protocol = address.split("://", 1)[0].lower()
    while error.__cause__ is not None and not isinstance(error, TimeoutError):
        error = error.__cause__
    if isinstance(error, _TooSlowError):
        expected, variable, found = error.args
        return SourceError(
            "the server is too slow",
            expected=expected,
            found=found,
            hint=f"Try again, or set {variable} higher",
        )
    if isinstance(error, _OtherSchemeError):
        here, there = error.args
        return SourceError(
            "the server redirects to another scheme",
            expected=f"a redirect to {here}://",
            found=f"{there}://",
            hint=f"If you trust it, use the {there}:// address itself",
        )
    text = " ".join(str(error).split()).replace(address, shown(address))
    text = _URL.sub(lambda found: shown(found[0]), text) or "no message"  # it may quote the target of a redirect
    found = f"{type(error).__name__}: {text}"
    status = _status(error)
    if isinstance(error, ImportError):
        package = _PACKAGES.get(protocol)
        hint = f"pip install '{package}'" if package else "Install the package that fsspec asks for"
        return SourceError(f"reading {protocol}:// needs another package", found=found, hint=hint)
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return FredFileNotFoundError("no such file there", hint="Check the address, and that everybody may read it")
    if isinstance(error, PermissionError) or status in (401, 403) or type(error).__name__ == "NoCredentialsError":
        hint = "Log in, or ask who published it"
        hint += "; a public file in S3 has an https:// address" if protocol.startswith("s3") else ""
        return SourceError("the server refuses access", found=found, hint=hint)
    if isinstance(status, int):
        return SourceError("the server answered with an error", found=found, hint="Try again later")
    if isinstance(error, TimeoutError):
        silent, deadline = _seconds("FREDFMT_TIMEOUT", _TIMEOUT), _seconds("FREDFMT_DEADLINE", _DEADLINE)
        return SourceError(
            "the server stopped sending or is too slow",
            expected=f"some bytes every {silent:g} s, and the whole file within {deadline:g} s",
            hint="Try again, or set FREDFMT_TIMEOUT or FREDFMT_DEADLINE to more seconds",
        )
    if isinstance(error, ValueError) and "rotocol" in text:
        return SourceError("unknown kind of address", found=found, hint="Use https://, s3:// or hf://")
    return SourceError(
        "the file cannot be read, or the connection was lost; nothing was kept",
        found=found,
        hint="Try again, or check the address",
    )


def _status(error: Any) -> int | None:
    """The HTTP status behind an error of aiohttp, huggingface_hub or botocore."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        status = getattr(error, "status", None) or getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def unchanged(found: Mapping[str, str], kept: Mapping[str, str]) -> bool:
    """Whether two marks show that the file is the same version; an empty mark never does."""
    return bool(found) and dict(found) == dict(kept)
