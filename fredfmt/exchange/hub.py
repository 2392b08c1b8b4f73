"""Publishes a file on the Hugging Face Hub in one commit, and copies a verified file from any address."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fredfmt.errors import ArgumentError, FredError, FredFileNotFoundError, SourceError, located
from fredfmt.exchange.card import CARD
from fredfmt.model import limits as limits_
from fredfmt.model.digest import check_spelling, digest_of_data
from fredfmt.model.limits import Limits
from fredfmt.storage.addresses import is_address, shown
from fredfmt.storage.fetching import fetch_verified
from fredfmt.storage.files import load
from fredfmt.storage.writing import replacing

_ADDRESS = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+?)(?:@([^/@\s]+))?/([^\s@]*)")
_NAME = re.compile(r"(?!(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$))[\w-][\w.+ -]*(?<![. ])", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """The place of a file in a dataset repository of the Hub."""

    repository: str
    """``owner/name``."""
    revision: str | None
    """A branch to push to; None: the default branch."""
    path: str

    @classmethod
    def of(cls, address: str, name: str) -> Place:
        """The place of ``hf://datasets/OWNER/NAME[@REVISION]/[FILE]``; the file is ``name`` if it is omitted."""
        found = _ADDRESS.fullmatch(address)
        parts = (found[3] or name).split("/") if found else [""]
        if found is None or not all(parts) or {".", ".."} & set(parts):
            expected = "hf://datasets/OWNER/NAME[@BRANCH]/FILE.fred"
            raise ArgumentError("no address to push to", expected=expected, found=address)
        return cls(found[1], found[2], "/".join(parts))


def push(
    file: Path,
    address: str,
    *,
    card: Path | None = None,
    message: str | None = None,
    create: bool = False,
    private: bool = False,
    pull_request: bool = False,
) -> str:
    """Upload a file to a dataset repository, with its card if given, in one commit; returns the address of the commit.

    Parameters
    ----------
    file
        A valid ``.fred`` or ``.fred.h5``.
    address
        ``hf://datasets/OWNER/NAME[@BRANCH]/[FILE]``.
    card
        The folder that `fredfmt.exchange.card.card` wrote; its files go to the top folder of the repository.
    message
        The commit message; by default it names the file and its digest.
    create, private
        Whether to create a missing repository, and to create it as a private one.
    pull_request
        Whether to open a pull request instead of committing directly.

    Raises
    ------
    ArgumentError, FredFileNotFoundError, FormatError
        Before anything is uploaded.
    SourceError
        If huggingface_hub is not installed, or if the Hub refuses. Nothing was changed, except that a repository may
        have been created.

    Examples
    --------
    >>> push(Path("pets.fred"), "https://example.org/pets.fred")
    Traceback (most recent call last):
    fredfmt.errors.ArgumentError: no address to push to; expected hf://datasets/OWNER/NAME...
    """
    place = Place.of(address, file.name)
    if not file.is_file():
        raise FredFileNotFoundError("no such file, or a folder", where=str(file), hint="Push a .fred file")
    data = load(file)
    with _answers(address):
        from huggingface_hub import CommitOperationAdd, HfApi

        files = {place.path: file}
        if card is not None:
            files |= {name: card / name for name in CARD if (card / name).is_file()}
        if card is not None and "README.md" not in files:
            raise FredFileNotFoundError("no card found", where=str(card), hint="fredfmt card FILE DIR makes one")
        hub = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="fredfmt")
        if create:
            hub.create_repo(place.repository, repo_type="dataset", private=private, exist_ok=True)
        commit = hub.create_commit(
            place.repository,
            [CommitOperationAdd(name, str(path)) for name, path in files.items()],
            commit_message=message or f"{place.path}: {digest_of_data(data)}",
            repo_type="dataset",
            revision=place.revision,
            create_pr=pull_request,
        )
        return str(commit.pr_url or commit.commit_url)


def pull(
    address: str,
    path: Path,
    *,
    expected_digest: str | None = None,
    replace: bool = False,
    limits: Limits = limits_.DEFAULT,
) -> str:
    """Copy the file at any address that `fredfmt.load` reads to ``path``, byte for byte; returns its digest.

    It is verified first, and written atomically. Raises what `fredfmt.load` raises, and `ArgumentError` if ``path``
    exists and must not be replaced.

    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> fredfmt.save(fredfmt.encode(images, [0, 0, 1, 1], k=20), "pets.fred")
    >>> digest = pull(f"file://{Path('pets.fred').resolve()}", Path("copy.fred"))
    >>> digest == fredfmt.digest("copy.fred")
    True
    """
    check_spelling(expected_digest)
    if not is_address(address):
        raise ArgumentError("no address", expected="hf://, https://, s3:// ...", found=address)
    if path.is_dir():
        path = path / _name(address)
    if path.exists() and not replace:
        raise ArgumentError("exists already", where=str(path), hint="Use --force to replace it")
    with located(shown(address)):
        content, data = fetch_verified(address, expected_digest=expected_digest, limits=limits)
        with replacing(path) as target:
            target.write(content)
    return digest_of_data(data)


def _name(address: str) -> str:
    """The name of the file at an address. Raises `ArgumentError` unless every operating system accepts that name."""
    name = shown(address).rpartition("/")[2]
    if not _NAME.fullmatch(name):
        raise ArgumentError("the address does not end with a plain file name", where=shown(address), hint="Give OUT")
    return name


@contextmanager
def _answers(address: str) -> Iterator[None]:
    """Turn the exceptions of huggingface_hub into one error that says what to do."""
    try:
        yield
    except FredError:
        raise
    except ImportError as error:
        hint = "pip install huggingface_hub"
        raise SourceError("sharing on the Hub needs huggingface_hub", found=str(error), hint=hint) from None
    except Exception as error:
        raise _refusal(address, error) from None


def _refusal(address: str, error: Any) -> SourceError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    found = f"{type(error).__name__}: {' '.join(str(error).split())}"
    hints = {
        401: "Log in with hf auth login, or set HF_TOKEN",
        403: "Use a token with write access to it",
        404: "Use --create if the repository does not exist yet; a private one needs a token",
    }
    return SourceError("not pushed", where=address, found=found, hint=hints.get(status or 0, "Try again"))
