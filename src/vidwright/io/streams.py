"""Everything of a file but its main picture, carried into another: what can be copied, what must be converted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import av
from av.codec import Codec
from av.codec.codec import UnknownCodecError

from vidwright.core import Streams, Track
from vidwright.core.video import RESTORE_TYPE
from vidwright.io.codecs import CONTAINERS

TEXT_SUBTITLES = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})
#: FFmpeg could write these, but few players read them back.
_UNUSUAL = frozenset({("mp4", "truehd"), ("mov", "truehd"), ("mp4", "vorbis")})
_SUBTITLE_ENCODER = {"mp4": "mov_text", "mov": "mov_text", "mkv": "srt", "webm": "webvtt"}
_AUDIO_ENCODER = {"mp4": "aac", "mov": "aac", "mkv": "aac", "webm": "libopus"}
_LOSSLESS = ("pcm_", "flac", "alac", "truehd", "mlp", "tta", "wavpack", "ape")
_COVER_CODECS = frozenset({"mjpeg", "png"})
#: Container tags that mp4 and mov have a place for; matroska holds any.
_MP4_TAGS = frozenset(
    {"title", "artist", "author", "album_artist", "composer", "album", "date", "year", "comment", "genre", "copyright"}
    | {"grouping", "lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "track", "disc"}
)
#: Tags that describe the old file and not its content.
STALE_TAGS = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "handler_name", "vendor_id"}
    | {"bps", "number_of_frames", "number_of_bytes", "_statistics_writing_app", "_statistics_writing_date_utc"}
    | {"_statistics_tags", "creation_time"}
)

#: QuickTime numbers some languages only, and knows them by FFmpeg's older codes.
_MOV_OLDER = {"deu": "ger", "nld": "dut", "swe": "sve", "ell": "gre", "isl": "ice", "zho": "chi", "sqi": "alb"}
_MOV_LANGUAGES = frozenset(
    {"eng", "fra", "ger", "ita", "dut", "sve", "spa", "dan", "por", "nor", "heb", "jpn", "ara", "fin", "gre", "ice"}
    | {"mlt", "chi", "urd", "hin", "tha", "kor", "lit", "pol", "hun", "est", "lav", "rus", "alb", "ron", "ces", "slk"}
    | {"slv", "bul", "ukr"}
)

Action = Literal["copy", "convert", "attach", "drop"]


@dataclass(frozen=True, slots=True)
class TrackPlan:
    """What becomes of one track: `encoder` is set where it is converted."""

    track: Track
    action: Action
    encoder: str = ""


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What becomes of all streams of a file in another container, with a warning for each loss or change."""

    container: str
    tracks: tuple[TrackPlan, ...] = ()
    warnings: tuple[str, ...] = ()

    def having(self, action: Action) -> tuple[TrackPlan, ...]:
        """The tracks with this fate."""
        return tuple(plan for plan in self.tracks if plan.action == action)


def plan_streams(streams: Streams, container: str) -> StreamPlan:
    """Decide for each track of `streams` whether `container` (mp4, mkv, webm, mov) can hold it; opens no file."""
    plans: list[TrackPlan] = []
    warnings: list[str] = []
    for track in streams.tracks:
        plan, warning = _plan_track(track, container, streams)
        plans.append(plan)
        if warning:
            warnings.append(warning)
    return StreamPlan(container, tuple(plans), (*warnings, *_lost_words(streams, plans, container)))


def _lost_words(streams: Streams, plans: list[TrackPlan], container: str) -> list[str]:
    """Languages and tags that the container has no place for."""
    warnings: list[str] = []
    if container == "mov":
        kept = {plan.track.language or "und" for plan in plans if plan.action != "drop"}
        unknown = sorted(language for language in kept if not mov_language(language))
        warnings += [f"the language tag {name} is lost: mov has no number for it (mkv has)" for name in unknown]
    if container in ("mp4", "mov"):
        lost = sorted(key for key in streams.metadata if key.lower() not in _MP4_TAGS | STALE_TAGS)
        warnings += [f"tags are lost: {container} has no place for {', '.join(lost)} (mkv has)"] if lost else []
    return warnings


def _plan_track(track: Track, container: str, streams: Streams) -> tuple[TrackPlan, str]:
    match track.kind:
        case "audio":
            return _plan_audio(track, container, streams.pace)
        case "subtitle":
            return _plan_subtitle(track, container)
        case "attachment" if track.codec == RESTORE_TYPE:
            return TrackPlan(track, "drop"), ""  # it is of the source's picture, and not of what is made of it
        case "attachment":
            if container == "mkv":
                return TrackPlan(track, "attach"), ""
            return TrackPlan(track, "drop"), f"{_name(track)} is lost: {container} has no attachments (mkv has)"
        case "cover":
            if container in ("webm", "mov") or track.codec not in _COVER_CODECS:
                return TrackPlan(track, "drop"), f"{_name(track)} is lost: {container} cannot hold it"
            return TrackPlan(track, "attach" if container == "mkv" else "copy"), ""
        case "data":
            if streams.chapters and track.codec in ("", "bin_data"):
                return TrackPlan(track, "drop"), ""  # how mp4 stores the chapters' names, which are carried as chapters
            return TrackPlan(track, "drop"), f"{_name(track)} is not carried"
        case "video":
            return TrackPlan(track, "drop"), f"{_name(track)} is not carried: only the main picture is worked on"


def _plan_audio(track: Track, container: str, pace: Fraction) -> tuple[TrackPlan, str]:
    encoder = _AUDIO_ENCODER[container]
    if pace != 1:
        words = f"{_name(track)} goes {float(pace):.4g} times as fast at the same pitch, re-encoded as"
        return TrackPlan(track, "convert", encoder), f"{words} {encoder.removeprefix('lib')}"
    if holds(container, track.codec):
        return TrackPlan(track, "copy"), ""
    if track.codec.startswith(_LOSSLESS) and holds(container, "flac"):
        return TrackPlan(
            track, "convert", "flac"
        ), f"{_name(track)} becomes FLAC: {container} cannot hold {track.codec}"
    lossy = f"{_name(track)} is re-encoded as {encoder.removeprefix('lib')}: {container} cannot hold {track.codec}"
    return TrackPlan(track, "convert", encoder), lossy


def _plan_subtitle(track: Track, container: str) -> tuple[TrackPlan, str]:
    if holds(container, track.codec):
        return TrackPlan(track, "copy"), ""
    if track.codec in TEXT_SUBTITLES:
        encoder = _SUBTITLE_ENCODER[container]
        losing = " (styles and positions may be lost)" if track.codec in ("ass", "ssa") else ""
        return TrackPlan(track, "convert", encoder), f"{_name(track)} becomes {encoder}{losing}"
    return TrackPlan(track, "drop"), f"{_name(track)} is lost: {container} cannot hold pictures of text ({track.codec})"


def _name(track: Track) -> str:
    words = {"subtitle": "subtitles", "cover": "cover art", "video": "second picture"}
    language = f", {track.language}" if track.language else ""
    return f"{words.get(track.kind, track.kind)} (track {track.index}{language}, {track.codec or 'unknown'})"


def mov_language(language: str | None) -> str:
    """The code under which QuickTime files store `language` (ISO 639-2); empty where they cannot."""
    code = _MOV_OLDER.get(language or "und", language or "und")
    return code if code in _MOV_LANGUAGES or code == "und" else ""


def holds(container: str, codec: str) -> bool:
    """Whether FFmpeg writes `codec` into `container` and players expect it there."""
    name = canonical(codec)
    return (container, name) not in _UNUSUAL and name in _supported(container)


def canonical(codec: str) -> str:
    """FFmpeg's one name of a codec, whatever decoder or encoder it was named after (libopus -> opus)."""
    try:
        return Codec(codec).canonical_name
    except UnknownCodecError:
        return codec


@lru_cache
def _supported(container: str) -> frozenset[str]:
    with av.open(os.devnull, "w", format=CONTAINERS[container]) as output:
        return frozenset(canonical(name) for name in output.supported_codecs)
