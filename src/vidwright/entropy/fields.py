"""Fields of a bitstream: one description drives the writer and the reader.

    @dataclass(frozen=True)
    class Size:
        width: int
        height: int

    SIZE = Layout(Size, width=Whole(1, 4096), height=Whole(1, 4096))
    SIZE.write(Size(640, 360))            -> bytes
    SIZE.read(Source(data, "a.vwl"))      -> Size(640, 360), or BadInput

Every value has one spelling only, and a reader believes nothing: what is out of its range is refused as it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from vidwright.core.errors import BadInput

V = TypeVar("V")
R = TypeVar("R")


class Source:
    """Bytes to read from the front; `name` is what errors call them."""

    def __init__(self, data: bytes, name: str | Path) -> None:
        self.name = name
        self._data = data
        self._position = 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self._position

    def take(self, count: int) -> bytes:
        """The next `count` bytes. Raises `BadInput` when there are fewer, before anything is allocated."""
        if count > self.left:
            raise BadInput(self.name, "it ends too early", "get a complete copy of it")
        self._position += count
        return self._data[self._position - count : self._position]

    def damaged(self, cause: str) -> BadInput:
        """The error for content that nobody wrote."""
        return BadInput(self.name, f"it is damaged: {cause}", "get another copy of it")


class Field(Protocol[V]):
    """How one value is written and read."""

    def write(self, value: V) -> bytes: ...
    def read(self, source: Source) -> V: ...


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `least` to `most`: seven bits a byte, the lowest first (LEB128), without needless bytes."""

    least: int
    most: int

    def write(self, value: int) -> bytes:
        """`value` as bytes. Raises `ValueError` when it is out of range."""
        if not self.least <= value <= self.most:
            raise ValueError(f"{value} is not from {self.least} to {self.most}")
        written = bytearray()
        while value >= 0x80:
            written.append(value & 0x7F | 0x80)
            value >>= 7
        written.append(value)
        return bytes(written)

    def read(self, source: Source) -> int:
        """The number at the front of `source`. Raises `BadInput` when it is too long or out of range."""
        value = shift = 0
        while True:
            (byte,) = source.take(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if value > self.most or shift > self.most.bit_length():
                raise source.damaged("a number has too many digits")
        if not self.least <= value <= self.most:
            raise source.damaged(f"{value} stands where a number from {self.least} to {self.most} belongs")
        if shift and byte == 0:
            raise source.damaged("a number has needless digits")
        return value


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes of a fixed `length`."""

    length: int

    def write(self, value: bytes) -> bytes:
        """`value` itself. Raises `ValueError` when its length is another."""
        if len(value) != self.length:
            raise ValueError(f"{len(value)} bytes instead of {self.length}")
        return value

    def read(self, source: Source) -> bytes:
        """The next `length` bytes. Raises `BadInput` when there are fewer."""
        return source.take(self.length)


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes of any length up to `most`, which stands before them."""

    most: int

    def write(self, value: bytes) -> bytes:
        """The length and `value`. Raises `ValueError` when it is too long."""
        return Whole(0, self.most).write(len(value)) + value

    def read(self, source: Source) -> bytes:
        """Raises `BadInput` for a length that is too long, or longer than what is left."""
        return source.take(Whole(0, self.most).read(source))


@dataclass(frozen=True, slots=True)
class Rows(Generic[R]):
    """A tuple of up to `most` records of one layout, with their number before them."""

    layout: Layout[R]
    most: int

    def write(self, value: tuple[R, ...]) -> bytes:
        """The number and the records. Raises `ValueError` as they do, and when they are too many."""
        return Whole(0, self.most).write(len(value)) + b"".join(map(self.layout.write, value))

    def read(self, source: Source) -> tuple[R, ...]:
        """Raises `BadInput` at the first record that is not there: nothing is allocated by their number."""
        return tuple(self.layout.read(source) for _ in range(Whole(0, self.most).read(source)))


class Layout(Generic[R]):
    """The fields of a record `build`, in their order; each keyword is an attribute of the record."""

    def __init__(self, build: type[R], **fields: Field[Any]) -> None:
        self._build = build
        self._fields = fields

    def write(self, value: R) -> bytes:
        """The record as bytes. Raises `ValueError` for a value that its field cannot hold."""
        return b"".join(field.write(getattr(value, name)) for name, field in self._fields.items())

    def read(self, source: Source) -> R:
        """The record at the front of `source`. Raises `BadInput` for what is cut off or out of range."""
        return self._build(**{name: field.read(source) for name, field in self._fields.items()})
