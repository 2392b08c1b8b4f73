"""Images, and shards of them as other libraries write them."""

import io
import tarfile

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 13, 17


def pixels(seed, *, channels=3, height=HEIGHT, width=WIDTH):
    """(height, width[, 3]) uint8."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return image[..., 0] if channels == 1 else image


def coded(image, form="PNG"):
    """An image as the bytes of a file."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, form)
    return stream.getvalue()


def png(seed, **kind):
    return coded(pixels(seed, **kind))


def channels_first(images):
    return np.stack([image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0) for image in images])


def write_parquet(path, images, labels, *, metadata=None, structs=True, **options):
    """Columns image and label, as pyarrow writes them."""
    import pyarrow as arrow
    import pyarrow.parquet

    if structs:
        images = arrow.array(
            [None if one is None else {"bytes": one, "path": None} for one in images],
            arrow.struct({"bytes": arrow.binary(), "path": arrow.string()}),
        )
    table = arrow.table({"image": images, "label": labels}).replace_schema_metadata(metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, path, **options)


def write_tar(path, members):
    """A tar file of (name, content)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
