"""Picture files made by hand, with headers that may promise anything."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (12, 17, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (12, 17), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (12, 17, 4), dtype=np.uint16)


def encoded(array, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def animated(kind):
    frames = [Image.fromarray(np.roll(COLOUR, i, 0)) for i in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def png(width, height, depth, colour, rows=b"", extra=b""):
    """A PNG written by hand: the header may promise anything."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = (
        chunk(b"IHDR", header),
        extra,
        chunk(b"IDAT", zlib.compress(rows)),
        chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png16(values, extra=b""):
    """A 16-bit PNG of an (H, W, C) array, C from 1 to 4."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], rows, extra)


def transparent_colour(*values):
    data = struct.pack(f">{len(values)}H", *values)
    return (
        struct.pack(">I", len(data))
        + b"tRNS"
        + data
        + struct.pack(">I", zlib.crc32(b"tRNS" + data))
    )


TIFF_BITS, TIFF_PHOTOMETRIC, TIFF_SAMPLES, TIFF_PLANES = 258, 262, 277, 284


def tiff16(values, photometric=2, planes=1):
    """An uncompressed little-endian 16-bit TIFF of an (H, W, C) array."""
    height, width, channels = values.shape
    layout = values if planes == 1 else values.transpose(2, 0, 1)
    data = layout.astype("<u2").tobytes()
    bits_at = 8 + len(data)
    strips = bits_at + 2 * channels
    directory_at = strips + 8 * channels
    size = len(data) if planes == 1 else len(data) // channels
    one = planes == 1 or channels == 1
    shorts = struct.pack(f"<{channels}H", *[16] * channels)
    starts = struct.pack(f"<{channels}I", *[8 + i * size for i in range(channels)])
    sizes = struct.pack(f"<{channels}I", *[size] * channels)
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (TIFF_BITS, 3, channels, 16 if channels == 1 else bits_at),
        (259, 3, 1, 1),
        (TIFF_PHOTOMETRIC, 3, 1, photometric),
        (273, 4, 1 if one else channels, 8 if one else strips),
        (TIFF_SAMPLES, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1 if one else channels, size if one else strips + 4 * channels),
        (TIFF_PLANES, 3, 1, planes),
    ]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *t) for t in tags)
    head = b"II*\0" + struct.pack("<I", directory_at)
    return head + data + shorts + starts + sizes + directory + b"\0\0\0\0"
