"""Small signed numbers in few bits: Rice's code (Rice 1979), with the parameter that takes the least.

    parameter k, a byte | of each number, zigzag: its upper part in unary, k lower bits | bits of 0 up to a whole byte

Numbers become 0, -1, 1, -2, 2 ... -> 0, 1, 2, 3, 4 first. A list has one spelling only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vidwright.entropy.fields import Source, Whole

#: The largest parameter, and the largest number, which is that of a signed byte.
MOST_PARAMETER, MOST = 7, 127


@dataclass(frozen=True, slots=True)
class Rice:
    """A tuple of up to `most` whole numbers from -127 to 127, with their count before them."""

    most: int

    def write(self, value: tuple[int, ...]) -> bytes:
        """The count and the numbers. Raises `ValueError` for too many of them, or one that is too large."""
        if any(abs(number) > MOST for number in value):
            raise ValueError(f"a number is not from {-MOST} to {MOST}")
        count = Whole(0, self.most).write(len(value))
        return count + (_coded(value, _parameter(value)) if value else b"")

    def read(self, source: Source) -> tuple[int, ...]:
        """Raises `BadInput` for what is cut off, too large or spelled otherwise."""
        count = Whole(0, self.most).read(source)
        if not count:
            return ()
        (parameter,) = source.take(1)
        if parameter > MOST_PARAMETER:
            raise source.damaged("a code has no such parameter")
        bits = _Bits(source)
        value = tuple(_signed(bits.number(parameter)) for _ in range(count))
        if _parameter(value) != parameter or not bits.clean:
            raise source.damaged("numbers are spelled in a way that nobody writes")
        return value


class _Bits:
    """The bits of a source, the highest of each byte first."""

    def __init__(self, source: Source) -> None:
        self._source, self._byte, self._left = source, 0, 0

    @property
    def clean(self) -> bool:
        """Whether what is left of the last byte is 0."""
        return not self._byte & ((1 << self._left) - 1)

    def bit(self) -> int:
        if not self._left:
            (self._byte,), self._left = self._source.take(1), 8
        self._left -= 1
        return self._byte >> self._left & 1

    def number(self, parameter: int) -> int:
        upper = 0
        while self.bit():
            upper += 1
            if upper << parameter > 2 * MOST:
                raise self._source.damaged("a number is too large")
        for _ in range(parameter):
            upper = upper << 1 | self.bit()
        if upper > 2 * MOST:
            raise self._source.damaged("a number is too large")
        return upper


def _coded(value: Sequence[int], parameter: int) -> bytes:
    text = "".join(_code(number, parameter) for number in map(_zigzag, value))
    text += "0" * (-len(text) % 8)
    return bytes([parameter]) + int(text, 2).to_bytes(len(text) // 8, "big")


def _code(number: int, parameter: int) -> str:
    lower = f"{number & ((1 << parameter) - 1):0{parameter}b}" if parameter else ""
    return "1" * (number >> parameter) + "0" + lower


def _parameter(value: Sequence[int]) -> int:
    """The parameter that takes the fewest bits, the least of equals."""
    numbers = list(map(_zigzag, value))
    return min(range(MOST_PARAMETER + 1), key=lambda k: sum((number >> k) + 1 + k for number in numbers))


def _zigzag(number: int) -> int:
    return 2 * number if number >= 0 else -2 * number - 1


def _signed(number: int) -> int:
    return -(number + 1) // 2 if number & 1 else number // 2
