"""Another speed: slower by frames that are made between those of the source, faster by leaving some of them out.

    source    a  b  c  d  e  f        25 frames a second, as is the result
    x0.5      a ab  b bc  c cd ..     beats of 50 a second of the source, shown 25 a second
    x2        a  c  e                 beats of 12.5 a second

Beats are those of the source's time, by which jobs are planned; only what leaves is on the new time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace
from fractions import Fraction

from vidwright.core import Frame, Needs, VideoInfo
from vidwright.core.errors import UsageError
from vidwright.jobs.changes import Speed
from vidwright.jobs.job import Process
from vidwright.jobs.retime import HIGHEST_RATE
from vidwright.jobs.segments import HAIR
from vidwright.jobs.steps import interpolate
from vidwright.nn.model import InterpolationModel

#: The network that makes the frames of a slower video, and its weights.
NETWORK = "enhance/interpolator", "fast"


def paced(put: Speed, info: VideoInfo, network: InterpolationModel | None) -> Process:
    """As many frames a second as before, of a video so many times as fast; `network` makes those of a slower one.

    Raises `UsageError` for the speed that it has, and one for which there would be more frames than can be told apart.
    """
    pace = put.factor
    rate = info.rate / pace
    if pace == 1:
        raise UsageError("--speed 1", "this makes nothing: it is the speed of the input", "give 0.5, or 2")
    if rate > HIGHEST_RATE:
        cause = f"it takes {float(rate):.5g} frames for each second of the input"
        raise UsageError(f"--speed {put.speed:g}", cause, f"ask for {float(info.rate / HIGHEST_RATE):.2g} or more")
    if network is None:
        plain = Process(Needs(), info, lambda frames, begin: thinned(frames, rate, begin, 1 / info.rate), rate)
    else:
        plain = interpolate(network, rate)(info)

    def stream(frames: Iterable[Frame], begin: Fraction | None) -> Generator[Frame]:
        with closing(plain.stream(frames, begin)) as results:
            for frame in results:
                yield replace(frame, time=frame.time / pace, duration=1 / info.rate)
                del frame  # at 4K it is 100 MB

    duration = None if info.duration is None else info.duration / pace
    length = None if duration is None else round(duration * info.rate)
    even = replace(info, time_base=1 / info.rate, length=length, duration=duration)
    return replace(plain, info=even, stream=stream, pace=pace)


def thinned(
    frames: Iterable[Frame], rate: Fraction, begin: Fraction | None, usual: Fraction
) -> Generator[Frame, None, None]:
    """The frame that is shown at each beat of `rate`, from `begin` or the first frame's time until the last one ends.

    A frame without a duration is shown for the `usual` one, in seconds.
    """
    beat, held, cut = begin, None, False
    for frame in frames:
        while held is not None and beat is not None and beat < frame.time - HAIR:
            yield replace(held, time=beat, duration=1 / rate, cut=cut)
            beat, cut = beat + 1 / rate, False
        held, cut = frame, cut or frame.cut
        beat = frame.time if beat is None else beat
    while held is not None and beat is not None and beat < held.time + (held.duration or usual) - HAIR:
        yield replace(held, time=beat, duration=1 / rate, cut=cut)
        beat, cut = beat + 1 / rate, False
