"""One description writes and reads; nothing out of range, cut off or spelled twice gets through."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidwright.core.errors import BadInput
from vidwright.entropy.fields import Layout, Raw, Source, Whole


@dataclass(frozen=True)
class Page:
    mark: bytes
    width: int
    depth: int


PAGE = Layout(Page, mark=Raw(3), width=Whole(1, 5000), depth=Whole(2, 256))
pages = st.builds(Page, st.binary(min_size=3, max_size=3), st.integers(1, 5000), st.integers(2, 256))


@given(pages, st.binary())
def test_a_record_survives(page, rest):
    source = Source(PAGE.write(page) + rest, "page")
    assert PAGE.read(source) == page
    assert source.left == len(rest)


@given(st.binary(max_size=9))
def test_other_bytes_are_refused_or_have_this_spelling(data):
    source = Source(data, "page")
    try:
        page = PAGE.read(source)
    except BadInput:
        return
    assert PAGE.write(page) == data[: len(data) - source.left]


@given(pages, st.integers(0, 6))
def test_a_part_of_a_record_is_refused(page, kept):
    data = PAGE.write(page)
    with pytest.raises(BadInput, match="ends too early"):
        PAGE.read(Source(data[: min(kept, len(data) - 1)], "page"))


def test_known_spellings():
    """The examples of the DWARF 5 standard, section 7.6, for unsigned LEB128."""
    for value, data in {2: b"\x02", 127: b"\x7f", 128: b"\x80\x01", 129: b"\x81\x01", 12857: b"\xb9\x64"}.items():
        assert Whole(0, 20_000).write(value) == data
        assert Whole(0, 20_000).read(Source(data, "number")) == value


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"\x00", "0 stands where a number from 1 to 5000 belongs"),
        (b"\x89\x27", "5001 stands where"),
        (b"\xff\xff\xff\xff\xff\xff\x7f", "too many digits"),
        (b"\x80\x80\x80\x80\x80\x01", "too many digits"),
        (b"\x81\x00", "needless digits"),
    ],
)
def test_wrong_numbers_are_named(data, cause):
    with pytest.raises(BadInput, match=cause):
        Whole(1, 5000).read(Source(data, "number"))


def test_a_writer_refuses_what_a_reader_would():
    for page in (Page(b"abc", 0, 2), Page(b"abc", 5001, 2), Page(b"ab", 1, 2)):
        with pytest.raises(ValueError, match=r"is not from|instead of"):
            PAGE.write(page)
