"""Valid image files, and what makes them hostile.

The damage knows where a format's blocks begin, so that much of it gets past the
first check of a decoder.
"""

import contextlib
import functools
import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

Block = tuple[int, int]
"""Where a part of a file begins and ends."""

_EDGES = (0, 1, 2, 7, 8, 15, 16, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF)
_WIDE_EDGES = (*_EDGES, 8192, 8193, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def hostile_image(kind: str, rng: random.Random) -> bytes:
    """Make a hostile file: mostly a valid one, damaged one to three times."""
    if rng.random() < 0.05:
        return rng.choice(_valid(kind))[: rng.randrange(9)] + _noise(rng, 3000)
    content = rng.choice(_valid(kind))
    for _ in range(rng.choice([1, 1, 2, 3])):
        content = rng.choice(_DAMAGES)(content, kind, rng)
    if kind == "PNG" and rng.random() < 0.8:
        content = _with_right_checksums(content)
    return content


def many_scans() -> bytes:
    """Make a JPEG of 250 kB that takes half a minute to decode."""
    buffer = io.BytesIO()
    Image.new("L", (4096, 4096)).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last = content.rindex(b"\xff\xda")
    empty = content[last : last + 10] + b"\0"
    return content[:-2] + empty * 20_000 + content[-2:]


@functools.cache
def _valid(kind: str) -> tuple[bytes, ...]:
    """Small files of one kind, in the ways it can hold pixels."""
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 256, (23, 31), "u1"))
    files = [
        _encoded(grey.convert(mode), kind, **options)
        for modes, options in _WAYS[kind]
        for mode in modes.split()
    ]
    if kind in ("PNG", "GIF", "TIFF"):
        turned = grey.rotate(180)
        files.append(_encoded(grey, kind, save_all=True, append_images=[turned]))
    if kind == "PNG":
        files.append(_encoded(grey.convert("P"), kind, transparency=bytes(range(9))))
    return tuple(files)


_WAYS: dict[str, list[tuple[str, dict[str, object]]]] = {
    "PNG": [("1 L LA P RGB RGBA I;16", {})],
    "JPEG": [
        ("L RGB CMYK", {}),
        ("L RGB CMYK", {"progressive": True}),
        ("L RGB", {"restart_marker_blocks": 1}),
    ],
    "GIF": [("1 L P RGB RGBA", {}), ("L", {"interlace": 0})],
    "TIFF": [
        ("1 L LA P RGB RGBA CMYK YCbCr I I;16 I;16B F", {}),
        ("1 L LA P RGB RGBA CMYK I I;16 F", {"compression": "tiff_lzw"}),
        ("L RGB I;16", {"compression": "tiff_deflate"}),
        ("1 L RGB", {"compression": "packbits"}),
        ("1", {"compression": "group4"}),
        ("L RGB", {"compression": "jpeg"}),
    ],
    "BMP": [("1 L P RGB RGBA", {})],
}


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _noise(rng: random.Random, most: int) -> bytes:
    return rng.randbytes(rng.randrange(1, most))


def _cut_short(content: bytes, kind: str, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _flip(content: bytes, kind: str, rng: random.Random) -> bytes:
    flipped = bytearray(content)
    for _ in range(rng.randrange(1, 20) if content else 0):
        flipped[rng.randrange(len(flipped))] = rng.randrange(256)
    return bytes(flipped)


def _splice(content: bytes, kind: str, rng: random.Random) -> bytes:
    other = rng.choice(_valid(rng.choice([kind, rng.choice([*_WAYS])])))
    return (
        content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other)) :]
    )


def _insert(content: bytes, kind: str, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + _noise(rng, 200) + content[at:]


def _set_field(content: bytes, kind: str, rng: random.Random) -> bytes:
    """Put a number, often an extreme one, where a block keeps its numbers."""
    start, end = _any_block(content, kind, rng)
    form = rng.choice(["B", "<H", ">H", "<I", ">I"])
    size = struct.calcsize(form)
    at = start + rng.randrange(max(1, min(end - start, 26)))
    edge = rng.choice(_WIDE_EDGES if size == 4 else _EDGES) % 256**size
    return content[:at] + struct.pack(form, edge) + content[at + size :]


def _drop_block(content: bytes, kind: str, rng: random.Random) -> bytes:
    start, end = _any_block(content, kind, rng)
    return content[:start] + content[end:]


def _repeat_block(content: bytes, kind: str, rng: random.Random) -> bytes:
    start, end = _any_block(content, kind, rng)
    times = rng.choice([1, 2, 5, 300])
    return content[:end] + content[start:end] * times + content[end:]


def _move_block(content: bytes, kind: str, rng: random.Random) -> bytes:
    start, end = _any_block(content, kind, rng)
    to, _ = _any_block(content, kind, rng)
    rest = content[:start] + content[end:]
    return rest[:to] + content[start:end] + rest[to:]


def _borrow_block(content: bytes, kind: str, rng: random.Random) -> bytes:
    other = rng.choice(_valid(kind))
    start, end = _any_block(other, kind, rng)
    at, _ = _any_block(content, kind, rng)
    return content[:at] + other[start:end] + content[at:]


def _add_block(content: bytes, kind: str, rng: random.Random) -> bytes:
    """Add a block with a valid frame: noise, or data that expands a lot."""
    much = zlib.compress(bytes(rng.choice([100, 3 << 20])))
    body = rng.choice([_noise(rng, 300), b"key\0\0" + much, b""])
    at, _ = _any_block(content, kind, rng)
    return content[:at] + _FRAMES[kind](body, rng) + content[at:]


_CHUNKS = tuple(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP tEXt zTXt iTXt pHYs eXIf acTL fcTL "
    b"fdAT abCd".split()
)

_FRAMES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "PNG": lambda body, rng: _chunk(rng.choice(_CHUNKS), body),
    "JPEG": lambda body, rng: (
        bytes([0xFF, rng.randrange(0xC0, 0xFF)])
        + struct.pack(">H", min(len(body) + 2, 0xFFFF))
        + body
    ),
    "GIF": lambda body, rng: (
        bytes([0x21, rng.choice([0x01, 0xF9, 0xFE, 0xFF]), len(body[:255])])
        + body[:255]
        + b"\0"
    ),
    "TIFF": lambda body, rng: struct.pack(
        "<HHII", rng.randrange(250, 350), rng.randrange(1, 14), len(body), 8
    ),
    "BMP": lambda body, rng: body,
}

_DAMAGES = (
    _cut_short,
    _flip,
    _splice,
    _insert,
    _set_field,
    _set_field,
    _drop_block,
    _repeat_block,
    _move_block,
    _borrow_block,
    _add_block,
)


def _any_block(content: bytes, kind: str, rng: random.Random) -> Block:
    blocks = [(0, min(len(content), 40))]
    # What is damaged already may break off anywhere.
    with contextlib.suppress(struct.error, IndexError):
        blocks += _BLOCKS[kind](content)
    return rng.choice(blocks)


def _png_blocks(content: bytes) -> Iterator[Block]:
    at = 8
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        yield at, at + length + 12
        at += length + 12


def _chunk(name: bytes, body: bytes) -> bytes:
    check = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)


def _with_right_checksums(content: bytes) -> bytes:
    fixed = bytearray(content)
    with contextlib.suppress(struct.error):
        for start, end in _png_blocks(content):
            check = zlib.crc32(content[start + 4 : end - 4])
            struct.pack_into(">I", fixed, end - 4, check)
    return bytes(fixed)


def _jpeg_blocks(content: bytes) -> Iterator[Block]:
    at = 2
    while at < len(content):
        (length,) = struct.unpack_from(">H", content, at + 2)
        end = at + 2 + length
        if content[at + 1] == 0xDA:
            # Behind the header of a scan come its bits, up to the next marker.
            while content[end] != 0xFF or content[end + 1] in (0, *range(0xD0, 0xD8)):
                end += 1
        yield at, end
        at = end


def _gif_blocks(content: bytes) -> Iterator[Block]:
    at = 13 + _palette_bytes(content[10])
    while content[at] in (0x21, 0x2C):
        is_image = content[at] == 0x2C
        end = at + (11 + _palette_bytes(content[at + 9]) if is_image else 2)
        while content[end]:
            end += content[end] + 1
        yield at, end + 1
        at = end + 1


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _tiff_blocks(content: bytes) -> Iterator[Block]:
    order = ">" if content[:2] == b"MM" else "<"
    (directory,) = struct.unpack_from(f"{order}I", content, 4)
    (n_tags,) = struct.unpack_from(f"{order}H", content, directory)
    yield directory, directory + 2
    for index in range(n_tags + 1):
        at = directory + 2 + 12 * index
        if at + 12 > len(content):
            return
        yield at, at + 12


def _bmp_blocks(content: bytes) -> Iterator[Block]:
    yield 0, 14
    yield 14, 54
    (pixels,) = struct.unpack_from("<I", content, 10)
    yield pixels, len(content)


_BLOCKS: dict[str, Callable[[bytes], Iterator[Block]]] = {
    "PNG": _png_blocks,
    "JPEG": _jpeg_blocks,
    "GIF": _gif_blocks,
    "TIFF": _tiff_blocks,
    "BMP": _bmp_blocks,
}
