"""The chain of checksums finds every flipped bit, every cut, and every block out of its place."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidwright.core.errors import BadInput
from vidwright.entropy.fields import Source
from vidwright.entropy.seal import seal, unseal

HEADER = b"head"
contents = st.lists(st.binary(max_size=200), min_size=1, max_size=4)


def opened(data: bytes) -> list[bytes]:
    source = Source(data, "file")
    return unseal(source.take(len(HEADER)), source)


@given(contents)
def test_blocks_survive(blocks):
    assert opened(seal(HEADER, blocks)) == blocks


def test_the_layout_is_this():
    crc = zlib.crc32(b"head\x05ab").to_bytes(4, "little")
    assert seal(b"head", [b"ab"]) == b"head\x05ab" + crc


@given(contents, st.data())
def test_every_flipped_bit_is_found(blocks, data):
    sealed = bytearray(seal(HEADER, blocks))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadInput):
        opened(bytes(sealed))


@given(contents, st.data())
def test_every_cut_is_found(blocks, data):
    sealed = seal(HEADER, blocks)
    with pytest.raises(BadInput):
        opened(sealed[: data.draw(st.integers(len(HEADER), len(sealed) - 1))])


@given(st.binary(max_size=100))
def test_random_bytes_are_refused(data):
    with pytest.raises(BadInput):
        opened(HEADER + data)


def test_blocks_out_of_their_place_are_found():
    one, other = b"a" * 20, b"b" * 20
    sealed = seal(HEADER, [one, other, b"end"])
    first, second, rest = sealed[4:29], sealed[29:54], sealed[54:]
    for wrong in (second + first + rest, first + rest, first + first + second + rest, first + second):
        with pytest.raises(BadInput):
            opened(HEADER + wrong)
    with pytest.raises(BadInput, match="after its end"):
        opened(sealed + b"\0")


def test_a_header_is_not_left_alone():
    with pytest.raises(ValueError, match="without a block"):
        seal(HEADER, [])
