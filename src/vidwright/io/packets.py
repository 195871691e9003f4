"""Times of packets: muxers refuse a decode time that does not rise."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from av.packet import Packet as _Packet

    Packet: TypeAlias = _Packet[Any]


def rising(dts: int, previous: int | None, pts: int | None) -> tuple[int, int | None]:
    """The decode and presentation time nearest to (`dts`, `pts`) that a muxer takes after `previous`, in ticks.

    The decode time must rise, and no packet may be shown before it is decoded, so `pts` gives way last.
    """
    dts = dts if previous is None else max(dts, previous + 1)
    return dts, pts if pts is None else max(pts, dts)


class Clock:
    """Moves the packets of one stream in time, `pace` times as fast, and keeps their decode times rising."""

    def __init__(self, pace: Fraction = Fraction(1)) -> None:
        self._pace = pace
        self._last: Fraction | None = None
        self._end: Fraction | None = None

    def move(self, packet: Packet, shift: Fraction) -> Packet:
        """The same packet, later by `shift` seconds (to the nearest tick); a missing time follows the one before."""
        tick = packet.time_base
        moved = round(shift / tick)
        known = packet.dts if packet.dts is not None else packet.pts
        after = 0 if self._end is None else round(self._end / tick)
        dts = after if known is None else round((known + moved) / self._pace)
        pts = dts if packet.pts is None else round((packet.pts + moved) / self._pace)
        packet.duration = round((packet.duration or 0) / self._pace)
        previous = None if self._last is None else round(self._last / tick)
        packet.dts, packet.pts = rising(dts, previous, pts)
        self._last = packet.dts * tick
        self._end = self._last + (packet.duration or 0) * tick
        return packet
