"""`fredfmt bench`: how fast a file decodes on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from fredfmt.cli import options
from fredfmt.cli.console import print_json, say, show


def bench(
    file: options.File,
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 256,
    device: options.Device = "cpu",
    json: options.Json = False,
) -> None:
    """Measure the speed of loading and decoding on this machine, compared with a dense decoder and a copy of the
    images."""
    from fredfmt.codec.benchmark import measure, timed_load
    from fredfmt.storage.addresses import shown

    data, loading = timed_load(file)
    rates = measure(data, batch_size=batch_size, device=device)
    if json:
        print_json({"file": shown(file), "load_seconds": loading, **rates.to_json()})
        return
    say(f"Images are computed by {rates.way}: {rates.reason}.")
    show(f"load and verify   {loading * 1000:10.1f} ms")
    show(f"decode            {rates.decode:10,.0f} images/s")
    show(f"dense decoder     {rates.dense:10,.0f} images/s   decode is {rates.decode / rates.dense:.1f} times as fast")
    show(f"copy of output    {rates.copy:10,.0f} images/s   decode reaches {rates.decode / rates.copy:.0%} of it")
