"""Prepares a network to run with another precision or compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from fredfmt.distill.settings.groups import Precision
from fredfmt.errors import ArgumentError

_HINT = "Run without compile"


def prepared(network: Any, precision: Precision = "float32", compile: bool = False) -> Any:
    """A `Network` that computes in ``precision`` (parameters, inputs and outputs are float32) and, with ``compile``, is
    compiled when it is first called. With neither, ``network`` itself."""
    return network if precision == "float32" and not compile else _Prepared(network, precision, compile)


class _Prepared(nn.Module):
    def __init__(self, network: Any, precision: Precision, compile: bool) -> None:
        super().__init__()
        self.network = network
        self._dtype = getattr(torch, precision)
        self._compile = compile

    def embed(self, images: Tensor) -> Tensor:
        """(N, feature) features of (N, C, *spatial) images."""
        return self._run("embed", images)

    def forward(self, images: Tensor) -> Tensor:
        """(N, class) scores of (N, C, *spatial) images."""
        return self._run("forward", images)

    def _run(self, method: str, images: Tensor) -> Tensor:
        kind = type(self.network)
        function = compiled(kind, method) if self._compile else getattr(kind, method)  # type: ignore[arg-type]
        half = self._dtype != torch.float32
        with torch.autocast(images.device.type, dtype=self._dtype if half else None, enabled=half):
            made: Tensor = function(self.network, images)
        return made.float()


@cache
def compiled(kind: type, method: str) -> Callable[..., Tensor]:
    """A compiled function for all networks of a class; it is compiled when it is first called."""
    quick: Callable[..., Tensor] = torch.compile(getattr(kind, method))

    def call(network: Any, images: Tensor) -> Tensor:
        try:
            made = quick(network, images)
        except torch._dynamo.exc.TorchDynamoException as error:
            found = str(error).strip().partition("\n")[0]
            what = "torch.compile does not work on this machine"
            raise ArgumentError(what, where=kind.__name__, found=found, hint=_HINT) from None
        return made

    return call


@contextmanager
def explaining_derivatives() -> Iterator[None]:
    """Turn torch's errors about missing second derivatives, of operations or compiled networks, into errors that say
    what to do."""
    try:
        yield
    except RuntimeError as error:
        if "derivative for" in str(error) and "not implemented" in str(error):
            raise ArgumentError(
                "this objective needs second derivatives, which torch does not have for an operation of the network",
                found=str(error).strip().partition("\n")[0],
                hint="Use another network, or an objective that matches features (dm, frepo)",
            ) from None
        if "double backward" not in str(error):
            raise
        raise ArgumentError(
            "this objective needs second derivatives, which torch.compile does not support", hint=_HINT
        ) from None
