"""The filters that a compressed film is given, measured on the film itself before they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from vidwright.core import Report, VideoInfo
from vidwright.core.errors import UsageError
from vidwright.core.video import RESTORE_TYPE
from vidwright.entropy.rice import MOST
from vidwright.io.attachments import Attachment
from vidwright.io.codecs import EncoderSettings, layout_of
from vidwright.io.cursor import Cursor
from vidwright.jobs import sidecar
from vidwright.jobs.film import Film
from vidwright.jobs.gate import SHARES, gated
from vidwright.jobs.job import Watch
from vidwright.jobs.restore import Filters, PostFilter, postfilter
from vidwright.jobs.sidecar import MOST_FINENESS, SHOT, TAPS, PlaneFilter, ShotFilter, Sidecar
from vidwright.jobs.verify import Verdict, verify
from vidwright.metrics.ms_ssim import SMALLEST
from vidwright.models.compress.postfilter import Goal

#: What filters a file may be given, and the goal that their weights were learned for.
Restore = Literal["auto", "perceptual"]
GOALS: Mapping[Restore, Goal] = MappingProxyType({"auto": "fidelity", "perceptual": "perceptual"})
#: What Matroska needs around an attachment and in its table of contents, and a little more.
AROUND = 160


@dataclass(frozen=True, slots=True)
class Attached:
    """A film with its filters: the file, its quality through them if measured, filtered shots, and bytes of it all."""

    made: Report
    verdict: Verdict | None
    filtered: int
    bytes: int

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        facts = {"shots": self.filtered, "bytes": self.bytes}
        return facts if self.verdict is None else facts | self.verdict.as_json()


def measurable(restore: Restore, info: VideoInfo) -> bool:
    """Whether pictures are large enough for what decides: MS-SSIM, where filters are perceptual."""
    return restore != "perceptual" or min(info.width, info.height) >= SMALLEST


def general(restore: Restore, info: VideoInfo, settings: EncoderSettings, output: Path) -> PostFilter:
    """The post-filter that the filters of a video build on.

    Raises `UsageError` where a file of these settings cannot carry filters or what they gain cannot be measured, and
    `ModelRefused`.
    """
    option = f"--restore {restore}"
    if output.suffix.lower() != ".mkv":
        raise UsageError(option, f"a {output.suffix} file has no attachments", f"write {output.stem}.mkv")
    if settings.lossless:
        raise UsageError(option, "nothing is lost that could be restored", "leave out --restore or --lossless")
    if settings.pixel_format and layout_of(settings.pixel_format)[1] != "420":
        raise UsageError(option, "only 4:2:0 is filtered, and this is not", "use --codec av1, or leave it out")
    if not measurable(restore, info):
        raise UsageError(option, f"MS-SSIM needs {SMALLEST} rows and columns", "use --restore auto")
    return postfilter(GOALS[restore])


def most_bytes(shots: int) -> int:
    """What the attachment of a film of so many shots adds to a file at most."""
    rows = max(map(len, SHARES)) + 1
    planes = [PlaneFilter(255, bytes(rows - 1), MOST_FINENESS, (MOST,) * rows * taps) for taps in TAPS]
    return AROUND + sidecar.ID_BYTES + shots * len(SHOT.write(ShotFilter(2**36, *planes)))


def attached(
    film: Film,
    chosen: Mapping[int, float],
    plain: Verdict | None,
    source: Path,
    base: PostFilter,
    watch: Watch,
    *,
    max_pixels: int,
) -> Attached | None:
    """The film of the encodings `chosen` with the filters that make it better; None where none is worth its bytes.

    They build on the post-filter `base`. `plain` is the film's quality without them: where that is known, the filtered
    film is decoded whole and measured, and a shot that came out worse than without its filter is left as it is.
    """
    with Cursor(source, keep=1, max_pixels=max_pixels) as cursor:
        found = gated(film, chosen, cursor, base)
    if found is None:
        return None
    made = _joined(film, chosen, found, watch)
    if plain is None:
        return _result(made, None, found)
    filters, similarity = Filters(found, base.net, film.settings.codec), base.goal == "perceptual"
    verdict = verify(film, made.output, watch, source, max_pixels, filters=filters, similarity=similarity)
    better, verdict = _without_worse(film, found, plain, verdict)
    if all(shot.plain for shot in better.shots):
        film.joined(chosen, watch)  # in the place of the one with filters
        return None
    if better != found:
        made = _joined(film, chosen, better, watch)
    return _result(made, verdict, better)


def _joined(film: Film, chosen: Mapping[int, float], found: Sidecar, watch: Watch) -> Report:
    return film.joined(chosen, watch, [Attachment(sidecar.NAME, RESTORE_TYPE, sidecar.written(found))])


def _result(made: Report, verdict: Verdict | None, found: Sidecar) -> Attached:
    return Attached(made, verdict, sum(not shot.plain for shot in found.shots), len(sidecar.written(found)))


def _without_worse(film: Film, found: Sidecar, plain: Verdict, filtered: Verdict) -> tuple[Sidecar, Verdict]:
    """The filters without those of shots that they made worse, and the figures of all frames then."""
    shots: list[ShotFilter] = []
    frames: list[float] = []
    similar: list[float] = []
    for shot, segment in zip(found.shots, film.plan.segments, strict=True):
        own = slice(len(frames), len(frames) + segment.frames)
        before, after = plain.of(own), filtered.of(own)
        worse = after.decisive < before.decisive
        shots.append(ShotFilter(shot.milliseconds) if worse else shot)
        kept = before if worse else after
        frames += kept.frames
        similar += kept.similar
    return replace(found, shots=tuple(shots)), Verdict(plain.name, tuple(frames), tuple(similar))
