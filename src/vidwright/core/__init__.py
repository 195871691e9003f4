"""The nouns: frames, videos, colour, cards, reports and errors. Imports nothing of ours and no torch."""

from vidwright.core.card import Card, Needs
from vidwright.core.colour import Colour, Hdr10
from vidwright.core.frame import FieldOrder, Frame, Planes
from vidwright.core.report import Damage, Report
from vidwright.core.video import Streams, Track, Video, VideoInfo

__all__ = [
    "Card",
    "Colour",
    "Damage",
    "FieldOrder",
    "Frame",
    "Hdr10",
    "Needs",
    "Planes",
    "Report",
    "Streams",
    "Track",
    "Video",
    "VideoInfo",
]
