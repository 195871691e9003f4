"""Makes tiny media of every kind for the tests; each frame carries its own number where the eye of a test can read it.

The upper half of a picture is a barcode: 12 bright or dark blocks, the frame's number in Gray code, so that one block
changes from frame to frame and a lost, doubled or shifted frame is seen even after lossy coding and resizing. The
lower half is the scene: a drifting gradient, whose colour changes at each cut.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.stream import Disposition

from vidwright.core import Colour

FLOWER = Path(__file__).parents[1] / "src" / "vidwright" / "sample" / "flower.mp4"
COLUMNS, ROWS = 6, 2  # of the barcode: numbers up to 4095
SCENES = ((230, 60, 40), (20, 30, 90), (60, 200, 220), (30, 60, 10), (240, 220, 120))
FONT = b"\0\1\0\0 not really a font"
HDR10 = Colour(primaries=9, transfer=16, matrix=9, full_range=False, bits=10)
X265_HDR10 = (
    "hdr10=1:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited:max-cll=1000,400:"
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
)


def picture(number: int, size: tuple[int, int] = (64, 48), shot: int = 0, alpha: bool = False) -> np.ndarray:
    """The (H, W, 3 or 4) uint8 RGB picture of frame `number` in shot `shot`."""
    width, height = size
    down, across = np.mgrid[0:height, 0:width]
    wave = 20 * np.sin((across + 2 * number) * (2 * math.pi / max(width, 2)) + down * 0.1)
    image = np.array(SCENES[shot % len(SCENES)])[None, None] + wave[..., None]
    gray = number ^ (number >> 1)
    bit = (down * 2 * ROWS // height) * COLUMNS + across * COLUMNS // width
    lit = (gray >> np.minimum(bit, COLUMNS * ROWS - 1)) & 1
    image = np.where((down * 2 < height)[..., None], np.where(lit, 215, 40)[..., None], image)
    image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    if alpha:
        ramp = np.broadcast_to(64 + 191 * across // max(width - 1, 1), (height, width))
        image = np.concatenate([image, ramp[..., None].astype(np.uint8)], axis=-1)
    return image


def read_barcode(data: Any) -> int:
    """The number in a frame's picture: a (C, H, W) tensor or array in [0, 1], at least 12x8 pixels, of any scale."""
    image = np.asarray(data, dtype=np.float32)[:3].mean(axis=0)
    height, width = image.shape
    gray = 0
    for bit in range(COLUMNS * ROWS):
        row, column = divmod(bit, COLUMNS)
        top, left = row * height / 2 / ROWS, column * width / COLUMNS
        tall, wide = height / 2 / ROWS, width / COLUMNS
        rows = slice(int(top + 0.3 * tall), max(int(top + 0.7 * tall), int(top + 0.3 * tall) + 1))
        columns = slice(int(left + 0.3 * wide), max(int(left + 0.7 * wide), int(left + 0.3 * wide) + 1))
        gray |= int(image[rows, columns].mean() > 0.5) << bit
    number = 0
    while gray:
        number, gray = number ^ gray, gray >> 1
    return number


def clip(
    path: Path,
    frames: int = 12,
    size: tuple[int, int] = (64, 48),
    rate: Fraction = Fraction(25),
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    colour: Colour | None = None,
    audio: int = 0,
    subtitles: bool = False,
    chapters: int = 0,
    attachment: bool = False,
    cover: bool = False,
    second_video: bool = False,
    rotation: int = 0,
    sar: Fraction | None = None,
    times: Sequence[Fraction] | None = None,
    start: Fraction = Fraction(0),
    cuts: Iterable[int] = (),
    interlaced: bool = False,
    bottom_first: bool = False,
    hdr10: bool = False,
    metadata: dict[str, str] | None = None,
    container: str | None = None,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
) -> Path:
    """Write a clip to `path` and return it; the container follows the suffix unless `container` names one.

    `times` gives each frame's time in seconds (variable frame rate) instead of `rate`; `start` moves everything.
    `cuts` are the numbers of the frames that begin a new shot. `rotation` (degrees clockwise: 0, 90, 180, 270) stores
    the picture turned and tags it, so that a player shows it upright. `hdr10` means HEVC 10 bit with ST 2086 data.
    `interlaced` marks the frames, top field first unless `bottom_first`, and changes no pixel. `options` go to the
    encoder, `muxer` to the container.
    """
    if hdr10:
        codec, pix_fmt, colour = "libx265", "yuv420p10le", colour or HDR10
    with av.open(str(path.absolute()), "w", format=container, options=muxer or {}) as out:
        _describe(out, metadata or {}, attachment, _chapters(chapters, frames / rate))
        settings = _encoder_options(codec, interlaced, hdr10) | (options or {})
        video = _video_stream(out, codec, rate, settings, _turned(size, rotation), pix_fmt, colour, sar, times)
        if rotation:
            video.set_display_rotation(-rotation)  # FFmpeg counts counter-clockwise
        extra = _video_stream(out, codec, rate, settings, (32, 32), pix_fmt, None, None, None) if second_video else None
        tracks = [_audio_stream(out, index) for index in range(audio)]
        text, text_packets = _subtitle_stream(out) if subtitles else (None, [])
        if cover:
            _write_cover(out, _cover_stream(out))
        moments = times if times is not None else [number / rate for number in range(frames)]
        images = (np.rot90(image, rotation // 90) for image in _pictures(moments, size, pix_fmt, cuts))
        made = _video_frames(images, pix_fmt, colour, ("bff" if bottom_first else "tff") if interlaced else None)
        tick = Fraction(1, 90000) if times is not None else 1 / rate
        _write_frames(out, video, made, [moment + start for moment in moments], tick)
        if extra is not None:
            _write_small(out, extra, len(moments), rate, pix_fmt)
        _write_texts(out, text, text_packets)
        for index, track in enumerate(tracks):
            _write_tone(out, track, 440 * (index + 1), float(max(moments, default=0) + 1 / rate), start)
    return path


def two_shots(
    path: Path, frames: int, cut: int, size: tuple[int, int], second: Callable[[np.ndarray], np.ndarray], rate: int = 25
) -> Path:
    """Real footage without loss: `frames` of the sample, shrunk; from `cut` on what `second` makes of them."""
    with av.open(str(FLOWER)) as flower, av.open(str(path), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for n, frame in zip(range(frames), flower.decode(video=0), strict=False):
            image = frame.reformat(*size, "rgb24", interpolation="AREA").to_ndarray()
            shown = np.ascontiguousarray(second(image) if n >= cut else image)
            made = av.VideoFrame.from_ndarray(shown, format="rgb24").reformat(format="yuv420p")
            made.pts = n
            out.mux(stream.encode(made))
        out.mux(stream.encode(None))
    return path


def tone(path: Path, seconds: float = 0.5, *, cover: bool = False) -> Path:
    """Write a file that holds only sound, with or without cover art."""
    with av.open(str(path.absolute()), "w", format={".m4a": "mp4"}.get(path.suffix)) as out:
        track = _audio_stream(out, 0)
        art = _cover_stream(out) if cover else None
        if art is not None:
            _write_cover(out, art)
        _write_tone(out, track, 440, seconds, Fraction(0))
    return path


def _video_stream(out, codec, rate, options, size, pix_fmt, colour, sar, times):
    stream = out.add_stream(codec, rate=rate, options=options)
    stream.width, stream.height = size
    stream.pix_fmt = pix_fmt
    stream.codec_context.time_base = 1 / rate if times is None else Fraction(1, 90000)
    if sar is not None:
        stream.codec_context.sample_aspect_ratio = sar
    if colour is not None:
        context = stream.codec_context
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        context.colorspace = colour.matrix
        context.color_range = {None: 0, False: 1, True: 2}[colour.full_range]
    return stream


def _encoder_options(codec: str, interlaced: bool, hdr10: bool) -> dict[str, str]:
    options = {"threads": "1"}
    if codec == "libx264":
        options |= {"preset": "veryfast", "crf": "12", "g": "12"}
        options |= {"flags": "+ilme+ildct"} if interlaced else {}
    if codec == "libx265":
        extra = ":" + X265_HDR10 if hdr10 else ""
        options |= {"preset": "ultrafast", "crf": "12", "x265-params": "log-level=none:pools=none" + extra}
    if codec == "libsvtav1":
        options |= {"preset": "12", "crf": "20"}
    if codec == "libvpx-vp9":
        options |= {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "0"}
    return options


def _has_alpha(pix_fmt: str) -> bool:
    return any(part in pix_fmt for part in ("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya"))


def _turned(size: tuple[int, int], rotation: int) -> tuple[int, int]:
    return size[::-1] if rotation % 180 else size


def _describe(out, metadata: dict[str, str], attachment: bool, chapters: list[Any]) -> None:
    out.metadata.update(metadata)
    if attachment:
        out.add_attachment("font.ttf", "application/x-truetype-font", FONT)
    if chapters:
        out.set_chapters(chapters)


def _pictures(moments: Sequence[Fraction], size: tuple[int, int], pix_fmt: str, cuts: Iterable[int]):
    shot, marks = 0, set(cuts)
    for number in range(len(moments)):
        shot += number in marks
        yield picture(number, size, shot, alpha=_has_alpha(pix_fmt))


def _video_frames(
    images: Iterable[np.ndarray], pix_fmt: str, colour: Colour | None, fields: str | None
) -> Iterator[av.VideoFrame]:
    """Frames of pictures, marked as two `fields` if that says which comes first."""
    made = (_to_video_frame(image, pix_fmt, colour) for image in images)
    return made if fields is None else (marked(frame, fields) for frame in made)


def _write_small(out, stream, frames: int, rate: Fraction, pix_fmt: str) -> None:
    made = _video_frames((picture(number, (32, 32)) for number in range(frames)), pix_fmt, None, None)
    _write_frames(out, stream, made, [number / rate for number in range(frames)], 1 / rate)


def _write_texts(out, stream, packets: Iterable[av.Packet]) -> None:
    for packet in packets:
        packet.stream = stream
        out.mux(packet)


def _write_frames(out, stream, frames: Iterable[av.VideoFrame], moments: Sequence[Fraction], tick: Fraction) -> None:
    for frame, moment in zip(frames, moments, strict=True):
        _mux_frame(out, stream, frame, tick, moment)
    out.mux(stream.encode(None))


def _mux_frame(out, stream, frame: av.VideoFrame, tick: Fraction, moment: Fraction) -> None:
    frame.time_base, frame.pts = tick, round(moment / tick)
    out.mux(stream.encode(frame))


def _to_video_frame(image: np.ndarray, pix_fmt: str, colour: Colour | None) -> av.VideoFrame:
    height, width = image.shape[:2]
    tags = (colour or Colour()).resolved(width, height)
    full = tags.full_range or pix_fmt.startswith("yuvj")
    layout = "rgba" if image.shape[2] == 4 else "rgb24"
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=layout)
    if pix_fmt in ("rgb24", "bgr24", "rgba", "bgra", "gbrp", "rgb48le", "gbrap", "pal8", "bgr0"):
        return frame.reformat(format=pix_fmt)
    # swscale numbers its matrices as H.273 does, except that it knows BT.2020 by one name.
    matrix = {6: 5, 10: 9}.get(tags.matrix, tags.matrix)
    frame = frame.reformat(
        format=pix_fmt, dst_colorspace=matrix, dst_color_range=2 if full else 1, interpolation="ACCURATE_RND"
    )
    if colour is not None:
        frame.colorspace, frame.color_primaries, frame.color_trc = colour.matrix, colour.primaries, colour.transfer
    return frame


def marked(frame: av.VideoFrame, mode: str) -> av.VideoFrame:
    """The frame with flags that say "tff", "bff" or "prog", as FFmpeg's `setfield` calls them."""
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 90000))
    graph.link_nodes(source, graph.add("setfield", mode), graph.add("buffersink"))
    graph.configure()
    graph.vpush(frame)
    return graph.vpull()


def _audio_stream(out, index: int):
    name = out.format.name
    codec = "libopus" if "webm" in name else "pcm_s16le" if name in ("avi", "wav") else "aac"
    codec = "libmp3lame" if name == "mp3" else codec
    stream = out.add_stream(codec, rate=48000, layout="mono")
    stream.metadata["language"] = ("eng", "deu", "fra")[index % 3]
    return stream


def _write_tone(out, track, hertz: int, seconds: float, start: Fraction) -> None:
    sound = (8000 * np.sin(np.arange(int(seconds * 48000)) * (2 * math.pi * hertz / 48000))).astype(np.int16)
    size = track.codec_context.frame_size or 1024
    resampler = av.AudioResampler(format=track.codec_context.format, layout="mono", rate=48000)
    for begin in range(0, len(sound), size):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None, begin : begin + size]), "s16", "mono")
        frame.sample_rate, frame.time_base = 48000, Fraction(1, 48000)
        frame.pts = begin + round(start * 48000)
        for ready in resampler.resample(frame):
            out.mux(track.encode(ready))
    out.mux(track.encode(None))


def _subtitle_stream(out) -> tuple[Any, list[av.Packet]]:
    """Matroska carries SubRip text as it is; the words are read from a file in memory."""
    text = b"1\n00:00:00,000 --> 00:00:00,200\nfirst words\n\n2\n00:00:00,240 --> 00:00:00,400\nlast words\n\n"
    with av.open(io.BytesIO(text), "r", format="srt") as source:
        stream = out.add_stream_from_template(source.streams.subtitles[0], opaque=True)
        stream.metadata["language"] = "eng"
        return stream, [packet for packet in source.demux() if packet.size]


def _cover_stream(out):
    stream = out.add_stream("mjpeg", rate=1)
    stream.codec_context.time_base = Fraction(1, 25)
    stream.width = stream.height = 32
    stream.pix_fmt = "yuvj420p"
    stream.disposition = Disposition.attached_pic
    return stream


def _write_cover(out, art) -> None:
    out.mux(art.encode(_to_video_frame(picture(0, (32, 32)), "yuvj420p", Colour(full_range=True))))
    out.mux(art.encode(None))


def _chapters(count: int, seconds: Fraction) -> list[Any]:
    each = int(seconds * 1000) // max(count, 1)
    return [
        {
            "id": n,
            "start": n * each,
            "end": (n + 1) * each,
            "time_base": Fraction(1, 1000),
            "metadata": {"title": f"part {n}"},
        }
        for n in range(count)
    ]


def decoded(path: Path) -> Iterator[np.ndarray]:
    """Frames as PyAV alone sees them, (3, H, W) float32: an oracle that owes nothing to our reader."""
    with av.open(str(path.absolute())) as source:
        for frame in source.decode(video=0):
            yield frame.to_ndarray(format="rgb24").transpose(2, 0, 1).astype(np.float32) / 255
