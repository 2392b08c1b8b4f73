"""The context coder as a codec of Zarr v3, which finds it by the entry point of the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from zarr.abc.codec import ArrayBytesCodec

from fredfmt.storage.coder import NAME, decode, encode

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.common import JSON


@dataclass(frozen=True)
class ContextCodec(ArrayBytesCodec):
    """Encodes and decodes a chunk of integers; it has no configuration."""

    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        if data.get("name") != NAME or data.get("configuration"):
            raise ValueError(f"the codec {NAME} takes no configuration, found {data}")
        return cls()

    def to_dict(self) -> dict[str, JSON]:
        return {"name": NAME}

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        array = decode(chunk_bytes.to_bytes(), chunk_spec.dtype.to_native_dtype(), chunk_spec.shape)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(array)

    async def _encode_single(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        return chunk_spec.prototype.buffer.from_bytes(encode(chunk_array.as_numpy_array()))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        raise NotImplementedError("the size of the bytes is known only after they are written")
