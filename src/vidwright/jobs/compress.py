"""`compress`: the smallest file of a quality, or the best of a size, in a standard stream that is measured before it is
called done.

    source --scan--> shots --> trials at some CRFs, measured --rate--> CRFs to try next
                                     |                                      |
                                     '<-------------------------------------'
    the best trial of each shot --join, with sound and all else--> file --decode all, measure--> output

Every shot is encoded by itself, so that each gets the CRF that it needs. Nothing is promised from a prediction: sizes
are those of the joined file, qualities those of its decoded pictures.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

import vidwright
from vidwright.core import Report
from vidwright.core.errors import QualityMissed, UsageError
from vidwright.core.files import atomic
from vidwright.io.carry import carried_bytes
from vidwright.io.codecs import (
    CODECS,
    CRF_STEP,
    PRESETS,
    EncoderSettings,
    container_of,
    layout_of,
    pixel_format_for,
    pixel_format_warnings,
)
from vidwright.io.cursor import Cursor
from vidwright.io.layout import is_rgb
from vidwright.io.probe import MediaInfo, probe
from vidwright.io.streams import plan_streams
from vidwright.io.writer import check_destination, encode_segment, segment_suffix
from vidwright.jobs import targets
from vidwright.jobs.attach import Restore, attached, general, most_bytes
from vidwright.jobs.film import PASSES, Film, constant, fitting, reaching, samples
from vidwright.jobs.folder import JobFolder, Plan, fingerprint, open_folder
from vidwright.jobs.job import Event, Range, Tell, Watch
from vidwright.jobs.planning import planned
from vidwright.jobs.rate import Grid
from vidwright.jobs.steps import chain
from vidwright.jobs.trials import Judged, Trials
from vidwright.jobs.verify import Verdict, verify
from vidwright.metrics.quality import At

#: How often the film is made anew when as a whole it is below the quality that each of its shots has.
AGAIN = 3


class CompressOptions(Range):
    """The options of `compress`; each default is written here and nowhere else."""

    codec: Literal["av1", "hevc", "h264"] = Field(default="av1", description="Codec of the result.")
    target_size: str | None = Field(default=None, description="The most bytes of the whole file: 25MB, 800kB, 1.5GiB.")
    target_quality: str | None = Field(
        default=None, description="The least quality of every shot: vmaf=93, ssim=0.98, psnr=40, xpsnr=38."
    )
    at: At = Field(default="mean", description="What of the frames has that quality: their mean, or 95 or 99 % or all.")
    crf: float | None = Field(default=None, ge=0, le=63, description="Constant quality of the codec, without a target.")
    lossless: bool = Field(default=False, description="Keep every code value.")
    preset: str = Field(default="medium", description="Encoder preset, in x264's names: ultrafast ... veryslow.")
    time_budget: float | None = Field(
        default=None, gt=0, description="Minutes that it may take; the slowest preset that fits is used."
    )
    depth: Literal["auto", "8", "10"] = Field(
        default="auto", description="Bits of a sample: 10 for AV1, the source's for others."
    )
    restore: Literal["off"] | Restore = Field(
        default="off",
        description="Add to an mkv what makes its picture better by `decompress`, where that pays: by PSNR (auto) or "
        "MS-SSIM (perceptual).",
    )
    verify: bool = Field(default=True, description="Decode and measure the whole file before it takes its name.")


class Compress(CompressOptions):
    """Compress one file: `run(Compress(input=..., output=..., target_size="25MB"))`. Frozen and JSON-able."""

    input: Path
    output: Path

    def settings(self, media: MediaInfo) -> EncoderSettings:
        """How the picture is encoded, but for the CRF. Raises `UsageError` for what the codec cannot do."""
        plain = EncoderSettings(codec=self.codec, preset=self.preset, lossless=self.lossless)
        chosen = pixel_format_for(media.info, plain)
        deep, chroma, alpha = layout_of(chosen)
        if self.lossless:
            self._refuse_lossy(media, chosen)
        elif self.depth != "auto" or self.codec == "av1":
            deep = self.depth != "8"
        return replace(plain, pixel_format=CODECS[self.codec].formats[deep, chroma, alpha])

    def _refuse_lossy(self, media: MediaInfo, chosen: str) -> None:
        """Raise `UsageError` where the codec would lose something although told not to."""
        deep, chroma, _ = layout_of(media.info.pixel_format)
        loses = "".join(self.lost(media)[:1])
        if is_rgb(media.info.pixel_format):
            loses = loses or f"{self.codec} is written as Y'CbCr here, and the source is R'G'B'"
        if layout_of(chosen) != (deep, chroma, False):
            loses = loses or f"{chosen} cannot hold the code values of {media.info.pixel_format}"
        if deep and self.codec == "av1":
            loses = "its encoder loses a little of more than 8 bits"
        if loses:
            able = (
                "use hevc or h264" if deep and self.codec == "av1" else "use another --codec, or keep the file as it is"
            )
            raise UsageError(f"--codec {self.codec} --lossless", loses, able)

    def lost(self, media: MediaInfo) -> tuple[str, ...]:
        """What of the source's pixel format the codec cannot hold, in words."""
        return pixel_format_warnings(media.info, EncoderSettings(codec=self.codec))

    def targets(self) -> tuple[int | None, targets.Quality | None]:
        """The size in bytes and the quality. Raises `UsageError` for such as there are not, or not together."""
        size = None if self.target_size is None else targets.size(self.target_size)
        quality = None if self.target_quality is None else targets.quality(self.target_quality, self.at)
        fixed = [f"--crf {self.crf}"] * (self.crf is not None) + ["--lossless"] * self.lossless
        if len(fixed) + (size is not None or quality is not None) > 1:
            cause = "the quality cannot be given twice"
            raise UsageError(" and ".join(fixed), cause, "leave one of them out, or the targets")
        return size, quality


def compress(
    job: Compress,
    *,
    workers: int = 1,
    overwrite: bool = False,
    restart: bool = False,
    watch: Watch = lambda event: None,
    tell: Tell = lambda words: None,
    stop: threading.Event | None = None,
) -> Report:
    """Do `job`, going on from where an interrupted run of the same job stopped unless `restart`.

    The number of `workers`, which encode at the same time, changes no byte. `tell` is told what is done, in words.
    Raises the errors of `probe`, `check_destination` and `join`; `UsageError` for targets that make no sense or that
    no file can reach, `QualityMissed` when the picture cannot become that good, `JobFailed` when it cannot become that
    small or is not what it should be, `Interrupted`. On any of them the output is as it was.
    """
    began = time.monotonic()
    container_of(job.output, job.codec)
    size, quality = job.targets()
    media = probe(job.input, max_pixels=job.max_pixels)
    check_destination(job.output, job.input, overwrite=overwrite)
    settings = job.settings(media)
    base = None if job.restore == "off" else general(job.restore, media.info, settings, job.output)
    if size is not None and (carried := carried_along(job, media)) >= size:
        cause = f"sound and subtitles alone take {carried} bytes"
        raise UsageError(f"--target-size {job.target_size}", cause, f"ask for more than {-(-carried // 1000)}kB")
    stop = stop or threading.Event()
    with open_folder(job.output, _key(job), restart=restart) as folder:
        film = opened(job, media, folder, workers=workers, watch=watch, stop=stop)
        if size is not None and base is not None:
            size -= most_bytes(len(film.plan.segments))
        chosen, made, verdict, notes = _searched(job, film, size, quality, watch, tell)
        facts: dict[str, Any] = {}
        if base is not None:
            found = attached(film, chosen, verdict, job.input, base, watch, max_pixels=job.max_pixels)
            if found is None:
                notes = [*notes, "no filter makes it better by more than its bytes: none was added"]
            else:
                made, facts = found.made, {"restored": found.as_json()}
        with atomic(job.output) as temporary:
            os.replace(made.output, temporary)
        facts |= _facts(film, chosen, made.bytes, verdict)
        folder.remove()
    lost = (*media.warnings, *job.lost(media), *film.plan.warnings, *made.warnings, *film.trials.warnings(), *notes)
    return replace(
        made,
        output=job.output,
        seconds=time.monotonic() - began,
        damage=film.plan.damage,
        warnings=tuple(dict.fromkeys(lost)),
        details={"job": job.model_dump(mode="json"), **facts},
    )


def opened(
    job: Compress, media: MediaInfo, folder: JobFolder, *, workers: int, watch: Watch, stop: threading.Event
) -> Film:
    """The film of `job`, read once through unless the folder knows it, with what has been tried of it before."""
    process = chain(media.info, [])
    plan = folder.plan or planned(job, media, process, watch, stop, shots=True)
    if job.time_budget is not None:
        if not plan.preset:  # timed once, so that an interrupted job goes on as it began
            plan = replace(plan, preset=_slowest_within(job.time_budget, job, media, plan))
        job = job.model_copy(update={"preset": plan.preset})
    folder.keep_plan(plan)
    pieces = samples(plan, media.info.rate)
    settings, (_, quality) = job.settings(media), job.targets()
    name, at = (quality.name, quality.at) if quality is not None else ("psnr", "mean")
    trials = Trials(
        Judged(job.input, media.info, settings, name, at, job.max_pixels),
        folder,
        (*plan.segments, *pieces),
        workers=workers,
        done=_counted(watch),
        stop=stop,
    )
    row = settings.row
    grid = Grid(1, row.crf_max, CRF_STEP, row.octaves)
    return Film(media, settings, plan, folder, trials, pieces, grid, job.span, job.output.suffix)


def _searched(
    job: Compress, film: Film, size: int | None, quality: targets.Quality | None, watch: Watch, tell: Tell
) -> tuple[dict[int, float], Report, Verdict | None, list[str]]:
    """The CRF of each shot, the joined file and what it came to, and what could not be had of what was asked for."""
    higher, notes = 0.0, list[str]()
    for _ in range(AGAIN + 1):
        if quality is None and size is not None:
            chosen, made = fitting(film, size, watch)
        else:
            chosen = constant(film, job.crf) if quality is None else reaching(film, quality, higher)
            made = film.joined(chosen, watch)
        if quality is not None and (missed := film.below(chosen, quality.least)):
            best = film.worst(chosen)
            near = f"{quality.name}={math.floor(10_000 * best) / 10_000:g}"
            words = f"{len(missed)} of {len(chosen)} shots cannot be that good: the nearest is {near}"
            if size is None:
                raise QualityMissed(job.input, words, f"ask for {near}, or use --lossless or --depth 10")
            notes = [words]
        if size is not None and made.bytes > size:
            chosen, made = fitting(film, size, watch)
            notes = [f"the quality of {quality} gave way to the size"]
        verdict = None
        if job.verify:
            similarity = job.restore == "perceptual"
            verdict = verify(film, made.output, watch, job.input, job.max_pixels, similarity=similarity)
        below = 0.0 if quality is None or verdict is None else quality.least - verdict.figure(quality.at)
        if below <= 0 or notes:
            return chosen, made, verdict, notes
        tell(f"{job.input.name}: the whole is {below:.2g} below the quality of its shots; going on")
        higher += below
    raise QualityMissed(job.input, f"the whole stays below {quality}", "ask for a little more, or for another measure")


def _slowest_within(minutes: float, job: Compress, media: MediaInfo, plan: Plan) -> str:
    """The slowest preset with which the whole job should take no longer, by a sample of the film."""
    (sample,) = samples(plan, media.info.rate)[:1]
    passes = 1 if job.targets() == (None, None) else PASSES
    found = PRESETS[0]
    with tempfile.TemporaryDirectory() as place, Cursor(job.input, keep=1, max_pixels=job.max_pixels) as source:
        for preset in PRESETS:
            settings = job.model_copy(update={"preset": preset}).settings(media)
            pictures = list(source.pictures(sample.start, sample.stop))
            began = time.monotonic()
            encode_segment(iter(pictures), media.info, Path(place) / f"timed{segment_suffix(settings)}", settings)
            if (time.monotonic() - began) * passes * plan.frames / sample.frames > 60 * minutes:
                break
            found = preset
    return found


def carried_along(job: Compress, media: MediaInfo) -> int:
    """Bytes of all that is not the picture."""
    begin, end = job.span
    streams = replace(media.streams, start=begin, stop=end)
    return carried_bytes(streams, plan_streams(streams, container_of(job.output, job.codec)))


def _key(job: Compress) -> dict[str, Any]:
    """What an encoding is a function of; the targets are not among it, so that another one finds what there is."""
    said = job.model_dump(mode="json", include={"codec", "depth", "lossless", "start", "stop", "at", "time_budget"})
    said |= {"preset": job.preset if job.time_budget is None else ""}
    name = None if job.target_quality is None else job.target_quality.partition("=")[0]
    return {
        "source": fingerprint(job.input),
        "job": {"verb": type(job).__name__, **said, "measure": name},
        "version": vidwright.__version__,
    }


def _counted(watch: Watch) -> Callable[[int], None]:
    done = 0

    def add(frames: int) -> None:
        nonlocal done
        done += frames
        watch(Event("encode", done, None))

    return add


def _facts(film: Film, chosen: Mapping[int, float], size: int, verdict: Verdict | None) -> dict[str, Any]:
    """The result as data: encoder, CRFs, bitrate, and quality where it was measured."""
    seconds = film.plan.segments[-1].end - film.plan.segments[0].begin
    facts: dict[str, Any] = {
        "segments": len(film.plan.segments),
        "resumed_trials": film.trials.resumed,
        "encoded_frames": film.trials.encoded,
        "encoder": f"{film.settings.row.encoder} {film.settings.own_preset}",
        "pixel_format": film.settings.pixel_format,
        "crf": {str(number): crf for number, crf in sorted(chosen.items())},
        "bits_per_second": round(8 * size / seconds) if seconds else None,
    }
    return facts if verdict is None else facts | {"quality": verdict.as_json()}
