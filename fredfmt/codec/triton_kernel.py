"""The decoder's kernel for GPUs, in Triton; `fredfmt.codec.gpu` prepares its arguments.

A program computes a block of columns of one image of one channel: it gathers the kept coefficients into a small matrix
of frequencies, multiplies it by the columns' factors and by the rows', and writes the pixels. So each coefficient is
read, and each pixel written, about once.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit  # type: ignore[untyped-decorator]
def decode_planes(  # type: ignore[no-untyped-def]
    coefficients,
    masks,
    places,
    base,
    rows,
    columns,
    out,
    stride,
    channel_stride,
    channels,
    count,
    k,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    BOX_ROWS: tl.constexpr,
    BOX_COLUMNS: tl.constexpr,
    OUT_ROWS: tl.constexpr,
    OUT_COLUMNS: tl.constexpr,
    PADDED_HEIGHT: tl.constexpr,
    PADDED_WIDTH: tl.constexpr,
    CHUNK: tl.constexpr,
    ONE_MASK: tl.constexpr,
    HAS_BASE: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """``out[plane] = rows @ box @ columns``, with ``box`` the coefficients at the ``places`` of the instance's mask.

    Pixels are NaN where a mask is out of range.
    """
    plane = tl.program_id(0).to(tl.int64)
    instance, channel = plane // channels, plane % channels
    mask = masks if ONE_MASK else tl.load(masks + instance)
    known = (mask >= 0) & (mask < count)
    mask = tl.where(known, mask, 0).to(tl.int64)
    first_value = coefficients + instance * stride + channel * channel_stride
    first_place = places + mask * (BOX_ROWS * BOX_COLUMNS)
    first_base = base + (mask * channels + channel) * k
    box_row = tl.arange(0, BOX_ROWS)
    x = tl.program_id(1) * OUT_COLUMNS + tl.arange(0, OUT_COLUMNS)
    half = tl.zeros((BOX_ROWS, OUT_COLUMNS), tl.float32)
    for start in range(0, BOX_COLUMNS, CHUNK):
        box_column = start + tl.arange(0, CHUNK)
        place = tl.load(first_place + box_row[:, None] * BOX_COLUMNS + box_column[None, :])
        values = tl.load(first_value + place, mask=place >= 0, other=0).to(tl.float32)
        if HAS_BASE:
            values += tl.load(first_base + place, mask=place >= 0, other=0.0)
        factor = tl.load(columns + box_column[:, None] * PADDED_WIDTH + x[None, :])
        half = tl.dot(values, factor, half, input_precision=PRECISION)
    for start in range(0, PADDED_HEIGHT, OUT_ROWS):
        y = start + tl.arange(0, OUT_ROWS)
        factor = tl.load(rows + y[:, None] * BOX_ROWS + box_row[None, :])
        pixels = tl.where(known, tl.dot(factor, half, input_precision=PRECISION), float("nan"))
        inside = (y < HEIGHT)[:, None] & (x < WIDTH)[None, :]
        tl.store(out + plane * (HEIGHT * WIDTH) + y[:, None] * WIDTH + x[None, :], pixels, mask=inside)
