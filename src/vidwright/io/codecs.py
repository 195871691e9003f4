"""The table of codecs: which encoder, which containers, which pixel formats, which defaults."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
from av.codec import codecs_available
from av.video.format import VideoFormat

from vidwright.core import Colour, Hdr10, VideoInfo
from vidwright.core.colour import RGB_MATRIX
from vidwright.core.errors import UsageError

#: Container by file name suffix, and FFmpeg's name of the muxer.
CONTAINERS: Mapping[str, str] = MappingProxyType({"mp4": "mp4", "mkv": "matroska", "webm": "webm", "mov": "mov"})

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")

#: x264 and x265 keep about 25 bytes a pixel of each picture that they look ahead at. Above this many pixels (1080p
#: doubled is above it) the 20 to 60 pictures of their slower presets would take a gigabyte: they get this many.
LARGE_PICTURE = 2**22
SHORT_LOOKAHEAD = 10

#: The weight of bytes that means 1 to SVT-AV1, and how many types of frames it has one for.
SVT_WEIGHT, SVT_FRAME_TYPES = 128, 7
#: With which weight it makes about as many bytes at a CRF as with the usual one at a quarter of a CRF less; measured.
_SVT_WEIGHTS = ((2, 81), (4, 97), (8, 111), (20, 122), (52, 122), (58, 120), (61, 116), (63, 107))

#: (more than 8 bits, chroma subsampling, alpha) of a pixel format.
Layout = tuple[bool, str, bool]

_YUV_8_AND_10: dict[Layout, str] = {
    (False, "420", False): "yuv420p",
    (False, "422", False): "yuv422p",
    (False, "444", False): "yuv444p",
    (True, "420", False): "yuv420p10le",
    (True, "422", False): "yuv422p10le",
    (True, "444", False): "yuv444p10le",
}
_YUVA_8_AND_10: dict[Layout, str] = {
    (False, "420", True): "yuva420p",
    (False, "422", True): "yuva422p",
    (False, "444", True): "yuva444p",
    (True, "420", True): "yuva420p10le",
    (True, "422", True): "yuva422p10le",
    (True, "444", True): "yuva444p10le",
}


#: Less of a CRF makes no difference worth an encoding.
CRF_STEP = 0.05

#: Some entries of AV1's table of quantisers for DC (AV1 specification, 7.12.2) by CRF, four entries of it each.
_AV1_QUANTISERS = (
    *((0, 4), (1, 10), (2, 13), (4, 20), (8, 34), (16, 61), (24, 87)),
    *((32, 140), (40, 223), (48, 349), (52, 435), (56, 559), (60, 796), (63, 1336)),
)


@dataclass(frozen=True, slots=True)
class Codec:
    """One row of the table.

    `containers` are the suffixes it may be written to, the usual one first; `segment` is the container that joins
    exactly by stream copy. `formats` maps layouts to pixel formats. `crf` is the default quality and `crf_max` the
    worst one, None for codecs that have no such scale; `quantisers` are the steps of the quantiser at some CRFs.
    `presets` maps x264's preset names to the encoder's own. `smallest` is the least width and height that the encoder
    takes.
    """

    name: str
    encoder: str
    containers: tuple[str, ...]
    segment: str
    formats: Mapping[Layout, str]
    crf: int | None = None
    crf_max: int = 0
    quantisers: tuple[tuple[float, float], ...] = ((0, 1), (51, 2**8.5))
    presets: Mapping[str, str] = field(default_factory=dict[str, str])
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    odd_sizes_need_444: bool = False
    carries_hdr10: bool = False
    carries_full_range: bool = True
    smallest: tuple[int, int] = (1, 1)

    def octaves(self, crf: float) -> float:
        """The logarithm to base 2 of the quantiser's step at `crf`."""
        crfs, steps = zip(*self.quantisers, strict=True)
        return float(np.interp(crf, crfs, np.log2(steps)))


CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        codec.name: codec
        for codec in (
            Codec(
                name="h264",
                encoder="libx264",
                containers=("mp4", "mkv", "mov"),
                segment="mp4",
                formats=_YUV_8_AND_10,
                crf=18,
                crf_max=51,
                presets={name: name for name in PRESETS},
                odd_sizes_need_444=True,
                carries_hdr10=True,
            ),
            Codec(
                name="hevc",
                encoder="libx265",
                containers=("mp4", "mkv", "mov"),
                segment="mp4",
                formats=_YUV_8_AND_10,
                crf=20,
                crf_max=51,
                presets={name: name for name in PRESETS},
                odd_sizes_need_444=True,
                carries_hdr10=True,
                smallest=(64, 16),  # x265 writes past its buffers at some widths from 33 to 48
            ),
            Codec(
                name="av1",
                encoder="libsvtav1",
                containers=("mp4", "mkv", "webm"),
                segment="mp4",
                formats={key: name for key, name in _YUV_8_AND_10.items() if key[1] == "420"},
                crf=24,
                crf_max=63,
                quantisers=_AV1_QUANTISERS,
                presets=dict(zip(PRESETS, ("12", "11", "10", "9", "8", "6", "4", "3", "2"), strict=True)),
                carries_hdr10=True,
                smallest=(32, 32),  # SVT-AV1 hangs on strips of up to 24 rows or columns
            ),
            Codec(
                name="ffv1",
                encoder="ffv1",
                containers=("mkv",),
                segment="mkv",
                formats={**_YUV_8_AND_10, **_YUVA_8_AND_10},
                options={"level": "3", "g": "1", "slicecrc": "1"},
            ),
            Codec(
                name="prores",
                encoder="prores_ks",
                containers=("mov", "mkv"),
                segment="mov",
                formats={
                    (True, "422", False): "yuv422p10le",
                    (True, "444", False): "yuv444p10le",
                    (True, "444", True): "yuva444p10le",
                },
                options={"vendor": "apl0"},
                carries_full_range=False,
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How the picture is encoded.

    `crf` is the constant quality (lower is better), the codec's own default when None. `lossless` keeps every code
    value of the pixel format instead. `preset` is one of x264's names, mapped to the nearest of each codec. `threads`
    is a fixed number and never taken from the machine: encoders split their work by thread count, so the same number
    gives the same bytes on two cores or on sixty-four, with one worker or with ten. `pixel_format` is FFmpeg's name;
    None follows the source.
    """

    codec: str = "h264"
    crf: float | None = None
    preset: str = "medium"
    threads: int = 4
    pixel_format: str | None = None
    lossless: bool = False

    def __post_init__(self) -> None:
        _one_of("codec", self.codec, CODECS)
        row = CODECS[self.codec]
        if self.preset not in PRESETS:
            own = {name: row.presets.get(name, name) for name in PRESETS}
            names = ", ".join(name if name == other else f"{name} ({other})" for name, other in own.items())
            raise UsageError(f"preset {self.preset}", "there is no such preset here", f"give one of: {names}")
        if self.crf is not None and not 0 <= self.crf <= row.crf_max:
            legal = f"give a number from 0 to {row.crf_max}" if row.crf is not None else "leave it out for this codec"
            raise UsageError(f"crf {self.crf:g}", f"{self.codec} has no such quality", legal)
        if not 1 <= self.threads <= 16:
            raise UsageError(
                f"threads {self.threads}", "the encoder's threads are out of range", "give a number from 1 to 16"
            )
        if self.pixel_format is not None:
            _one_of("pixel_format", self.pixel_format, row.formats.values())

    @property
    def row(self) -> Codec:
        """This codec's row of the table."""
        return CODECS[self.codec]

    @property
    def own_preset(self) -> str:
        """The preset as the encoder calls it. Of lossless AV1 10 is the fastest: those above it lose frames then."""
        own = self.row.presets[self.preset]
        return min(own, "10", key=int) if self.codec == "av1" and self.lossless else own


def missing_encoders() -> list[str]:
    """The encoders of the table that this build of FFmpeg lacks."""
    return [codec.encoder for codec in CODECS.values() if codec.encoder not in codecs_available]


def _one_of(option: str, value: str, legal: Iterable[str]) -> None:
    names = sorted(set(legal))
    if value not in names:
        raise UsageError(f"{option} {value}", f"there is no such {option} here", f"give one of: {', '.join(names)}")


def container_of(path: Path, codec: str) -> str:
    """The container that the suffix of `path` means; raises `UsageError` where it cannot hold `codec`."""
    container = path.suffix.lower().removeprefix(".")
    legal = CODECS[codec].containers
    if container not in legal:
        asked = f".{container} cannot hold {codec}" if container in CONTAINERS else f"unknown container {path.suffix!r}"
        others = [name for name, row in CODECS.items() if container in row.containers]
        instead = f", or another codec: {', '.join(others)}" if others else ""
        raise UsageError(path, asked, f"name the output {' or '.join('.' + name for name in legal)}{instead}")
    return container


def layout_of(pixel_format: str) -> Layout:
    """Depth class, chroma subsampling and alpha of FFmpeg's pixel format `pixel_format`; grey counts as 4:2:0."""
    described = VideoFormat(pixel_format, 16, 16)
    components = described.components
    deep = max(component.bits for component in components) > 8
    alpha = any(component.is_alpha for component in components) or pixel_format == "pal8"
    if described.is_rgb or pixel_format == "pal8":
        return deep, "444", alpha
    narrow, low = described.chroma_width() < 16, described.chroma_height() < 16
    return deep, "420" if low or not components[1:] else "422" if narrow else "444", alpha


def pixel_format_for(info: VideoInfo, settings: EncoderSettings) -> str:
    """The pixel format to encode `info` in.

    Depth, chroma subsampling and alpha stay where the codec has them. Odd sizes in H.264 and HEVC become 4:4:4,
    because with subsampled chroma they code whole pairs of pixels only, and their crop is as coarse.
    """
    return _choose(info, settings)[0]


def pixel_format_warnings(info: VideoInfo, settings: EncoderSettings) -> tuple[str, ...]:
    """What the pixel format of `pixel_format_for` cannot keep of the source."""
    return _choose(info, settings)[1]


def _choose(info: VideoInfo, settings: EncoderSettings) -> tuple[str, tuple[str, ...]]:
    row = settings.row
    if settings.pixel_format is not None:
        return settings.pixel_format, ()
    deep, chroma, alpha = layout_of(info.pixel_format)
    alpha = alpha and info.alpha
    warnings: list[str] = []
    odd = bool(info.width % 2 or info.height % 2)
    wanted = "444" if odd and row.odd_sizes_need_444 else chroma
    if wanted != chroma:
        size = f"{info.width}x{info.height}"
        warnings.append(f"{row.name} can code the odd size {size} only in 4:4:4, which some hardware players refuse")
    best = min(row.formats, key=lambda layout: _distance(layout, (deep, wanted, alpha)))
    if alpha and not best[2]:
        warnings.append(f"transparency is lost: {row.name} cannot hold it (ffv1 and prores can)")
    if best[1] < wanted:
        warnings.append(f"chroma is reduced from {_spell(chroma)} to {_spell(best[1])}: {row.name} has no more")
    return row.formats[best], tuple(warnings)


def _distance(layout: Layout, wanted: Layout) -> tuple[bool, bool, int]:
    """Losing depth is worst, then alpha, then chroma; more than was wanted is better than less."""
    order = ("420", "422", "444")
    more = order.index(layout[1]) - order.index(wanted[1])
    return wanted[0] != layout[0], wanted[2] != layout[2], more if more >= 0 else 10 - more


def _spell(chroma: str) -> str:
    return ":".join(chroma)


def encoder_options(settings: EncoderSettings, pixel_format: str, pixels: int, hdr: Hdr10 | None) -> dict[str, str]:
    """FFmpeg's options that make the encoder do what `settings` say, quietly and the same way each time.

    `pixels` is the size of the picture.
    """
    row = settings.row
    thrifty = pixels > LARGE_PICTURE and PRESETS.index(settings.preset) > PRESETS.index("veryfast")
    lookahead = [f"rc-lookahead={SHORT_LOOKAHEAD}"] * thrifty
    options = dict(row.options)
    if row.crf is not None:
        options["preset"] = settings.own_preset
    crf = "" if row.crf is None else f"{row.crf if settings.crf is None else settings.crf:g}"
    if crf and row.name != "av1" and not settings.lossless:
        options["crf"] = crf
    metadata = hdr10_parameters(row.name, hdr) if hdr is not None else []
    if row.name == "h264":
        # Without it x264's AVX-512 code for macroblock trees gives other bytes from run to run, and on other machines.
        # And segments of other qualities would have other headers, of which a file has room for the first one's.
        options["x264-params"] = ":".join(
            ["cpu-independent=1", "stitchable=1", *["qp=0"] * settings.lossless, *lookahead, *metadata]
        )
    if row.name == "hevc":
        # x265 takes the number of frames in flight, which changes its output, from the machine unless told.
        fixed = ["log-level=none", f"pools={settings.threads}", f"frame-threads={math.ceil(settings.threads / 2)}"]
        options["x265-params"] = ":".join([*fixed, *["lossless=1"] * settings.lossless, *lookahead, *metadata])
    if row.name == "av1":
        quality = ["lossless=1"] if settings.lossless else _svt_quality(float(crf))
        options["svtav1-params"] = ":".join([f"lp={settings.threads}", *quality, *metadata])
    if row.name == "prores":
        options["profile"] = "4444" if "444" in pixel_format else "hq"
    return options


def _svt_quality(crf: float) -> list[str]:
    """SVT-AV1's own words for `crf`, of which FFmpeg's option would lose the fraction.

    Its steps are quarters, 1 to 10 % of the bytes. Between two of them it quantises as at the worse one, and bytes
    weigh less against errors when it chooses blocks and vectors: PSNR at equal bytes is the same.
    """
    quarter = math.ceil(4 * crf - 1e-6) / 4
    crfs, weights = zip(*_SVT_WEIGHTS, strict=True)
    better = float(np.interp(quarter, crfs, weights))
    weight = round(SVT_WEIGHT + 4 * (quarter - crf) * (better - SVT_WEIGHT))
    factors = ",".join([str(weight)] * SVT_FRAME_TYPES)
    return [f"crf={quarter:g}", *[f"lambda-scale-factors={factors}"] * (weight != SVT_WEIGHT)]


def hdr10_parameters(codec: str, hdr: Hdr10) -> list[str]:
    """Static HDR metadata in the words of each encoder: integers of 0.00002 and 0.0001 cd/m2, or plain numbers."""
    av1 = codec == "av1"
    chroma, luma = (1, 1) if av1 else (50000, 10000)
    words: list[str] = []
    if hdr.chromaticities is not None and hdr.luminance is not None:
        red, green, blue, white = (
            "({},{})".format(*(_number(value * chroma, av1) for value in point)) for point in hdr.chromaticities
        )
        low, high = (_number(value * luma, av1) for value in hdr.luminance)
        name = "master-display" if codec == "hevc" else "mastering-display"
        words.append(f"{name}=G{green}B{blue}R{red}WP{white}L({high},{low})")
    if hdr.light_level is not None:
        name = {"hevc": "max-cll", "av1": "content-light", "h264": "cll"}[codec]
        words.append(f"{name}={hdr.light_level[0]},{hdr.light_level[1]}")
    if codec == "hevc" and words:
        words += ["hdr10=1", "repeat-headers=1"]
    return words


def _number(value: float, plain: bool) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") if plain else str(round(value))


def writable_colour(colour: Colour, settings: EncoderSettings, width: int, height: int) -> Colour:
    """The fully tagged colour to write for pictures whose colour is `colour`.

    A source that was stored as RGB gets the matrix its size suggests, because the formats written here are Y'CbCr;
    ProRes has no tag for full range and is written in studio range.
    """
    if colour.matrix == RGB_MATRIX:
        guess = Colour().resolved(width, height)
        colour = Colour(colour.primaries, colour.transfer, guess.matrix, colour.full_range, colour.bits)
    full = colour.resolved(width, height)
    if full.full_range and not settings.row.carries_full_range:
        return Colour(full.primaries, full.transfer, full.matrix, False, full.bits)
    return full
