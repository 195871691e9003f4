"""CRC-32C (Castagnoli): the checksum of short records that must not be mistaken for whole when they are not.

It tells every burst of up to 32 bits, and of records of up to 655 bytes any five flipped bits (Koopman 2002), which
zlib's CRC-32 tells of up to 33 bytes only. Reference: RFC 3720, appendix B.4.
"""

from __future__ import annotations

_POLYNOMIAL = 0x82F63B78  # with its bits reversed


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(_entry(byte) for byte in range(256))


def crc32c(data: bytes) -> int:
    """The checksum of `data`, an integer of 32 bits."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
