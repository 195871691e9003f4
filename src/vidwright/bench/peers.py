"""Figures of other people's models, by the same protocol, on clips of the same names, on another machine.

They stand beside the rows of a run and are never mixed with them: their quality can be compared when the clips are
these, their speed only in order of magnitude. Weights came from the models' public repositories.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

#: Said wherever these figures are shown.
SOURCE = "measured elsewhere, 2026-11-22: one core of an AMD EPYC guest with AVX512-BF16, the peers in fp32"

#: The clips of these figures, by the names of their files.
CLIPS = frozenset({"boats_aerial", "cockatoo", "juggle", "mallard", "moonwalk", "paragliding", "pdf_scroll_screen"})


@dataclass(frozen=True, slots=True)
class Peer:
    """PSNR in dB of one model: mean over all clips of the first way of degrading, and without the recorded screen.

    `fps` is frames of 480x272 per second of processor time on one thread; None for the input, which stands here where
    theirs was not to the last bit ours. A name says where a model was told the strength of the noise.
    """

    task: str
    name: str
    psnr: float
    natural: float
    fps: float | None


PEERS = (
    Peer("x2", "FSRCNN", 34.08, 36.37, 73.1),
    Peer("x2", "ESPCN", 34.01, 36.27, 89.4),
    Peer("x2", "IMDN_RTC", 36.52, 39.06, 59.9),
    Peer("x2", "IMDN", 37.11, 39.63, 3.13),
    Peer("x4", "FSRCNN", 28.70, 30.56, 302),
    Peer("x4", "ESPCN", 28.73, 30.60, 352),
    Peer("x4", "SPAN", 31.16, 33.29, 55.4),
    Peer("x4", "RLFN", 31.46, 33.56, 32.5),
    Peer("x4", "SAFMN++", 31.36, 33.41, 32.5),
    Peer("x4", "IMDN", 31.48, 33.59, 13.1),
    Peer("denoise-s25", "hqdn3d, told", 27.04, 27.53, 97.8),
    Peer("denoise-s25", "FFDNet, told", 31.48, 32.26, 4.05),
    Peer("denoise-s25", "DVDnet, told", 32.08, 33.08, 1.72),
    Peer("denoise-s25", "CDnCNN", 31.52, 32.28, 1.04),
    Peer("denoise-s10", "hqdn3d, told", 33.30, 33.33, 96.5),
    Peer("denoise-s10", "FFDNet, told", 37.19, 37.65, 4.16),
    Peer("denoise-s10", "DVDnet, told", 36.66, 38.01, 1.91),
    Peer("denoise-s10", "CDnCNN", 36.98, 37.49, 1.13),
    Peer("deblock", "input", 29.49, 30.21, None),
    Peer("deblock", "DnCNN-3", 29.61, 30.33, 0.98),
)


def peers(task: str, clips: Collection[str]) -> tuple[Peer, ...]:
    """The peers of a task, when all clips of that task are those that they were measured on; none otherwise."""
    return tuple(peer for peer in PEERS if peer.task == task) if set(clips) == CLIPS else ()
