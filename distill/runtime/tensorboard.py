"""Writes the progress of a run for TensorBoard."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Self

import numpy as np

from fredfmt.distill.runtime.progress import Progress
from fredfmt.errors import ArgumentError
from fredfmt.view.preview import preview


class TensorBoard:
    """A progress callback of `fredfmt.distill.distill` that writes loss and speed at each call, and a contact sheet of
    the images every ``images_every`` iterations and at the end.

    Raises `ArgumentError` if TensorBoard is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str], *, images_every: int = 100) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ArgumentError("TensorBoard is not installed", hint="pip install tensorboard") from None
        self._writer = SummaryWriter(os.fspath(folder))
        self._images_every = images_every
        self._before: tuple[str, int, float] | None = None

    def __call__(self, news: Progress) -> None:
        """Write the new values."""
        now = time.perf_counter()
        if news.loss is not None:
            self._writer.add_scalar("loss", news.loss, news.done)
        if self._before is not None and self._before[0] == news.task and now > self._before[2]:
            rate = (news.done - self._before[1]) / (now - self._before[2])
            self._writer.add_scalar("iterations per second", rate, news.done)
        self._before = news.task, news.done, now
        wanted = news.done % self._images_every == 0 or news.done == news.total
        if wanted and news.data is not None and len((data := news.data()).metadata.spatial_shape) == 2:
            self._writer.add_image("images", np.asarray(preview(data)), news.done, dataformats="HWC")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()
