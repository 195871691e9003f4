"""Blocks of bytes under a chain of checksums.

    header | size, last? | content | CRC-32 | size, last? | content | CRC-32 | ...

Each CRC-32 (IEEE 802.3, as in zlib) runs over the header and everything up to itself. So no block can be changed, lost,
doubled or moved without notice, and the first one protects the header. An entropy coder alone does not notice: most
single-bit flips decode to a wrong picture without an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from vidwright.entropy.fields import Raw, Source, Whole

_CRC = Raw(4)


def seal(header: bytes, blocks: Iterable[bytes]) -> bytes:
    """`header`, then all of `blocks` with their sizes and checksums. Raises `ValueError` when there is no block."""
    contents = list(blocks)
    if not contents:
        raise ValueError("a header without a block has no checksum")
    written, crc = [header], zlib.crc32(header)
    for number, content in enumerate(contents, start=1):
        size = Whole(0, 2 * len(content) + 1).write(2 * len(content) + (number == len(contents)))
        crc = zlib.crc32(size + content, crc)
        written += [size, content, crc.to_bytes(_CRC.length, "little")]
    return b"".join(written)


def unseal(header: bytes, source: Source) -> list[bytes]:
    """The blocks behind `header`, which was read from `source` already; all of it is checked before any is given.

    Raises `BadInput` for what is damaged, cut off or followed by more.
    """
    blocks: list[bytes] = []
    last, crc = False, zlib.crc32(header)
    while not last:
        size = Whole(0, 2 * source.left + 1)
        length = size.read(source)
        last = bool(length % 2)
        content = source.take(length // 2)
        crc = zlib.crc32(size.write(length) + content, crc)
        if _CRC.read(source) != crc.to_bytes(_CRC.length, "little"):
            raise source.damaged("a checksum does not match")
        blocks.append(content)
    if source.left:
        raise source.damaged("there are bytes after its end")
    return blocks
