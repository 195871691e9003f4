"""A table of files that are odd, broken or hostile: each works, is salvaged with its damage told, or ends cleanly."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import pytest

import media
from vidwright.core.colour import Colour
from vidwright.core.errors import BadInput
from vidwright.io import open_video, probe
from vidwright.io.reader import Reader

Builder = Callable[[Path], Path]


@dataclass(frozen=True)
class Case:
    """`expected` is the numbers of the frames ("works"), the fewest frames to be saved, or words of the error."""

    name: str
    build: Builder
    expected: range | int | str
    barcode: bool = True


def made(name: str, frames: int = 12, **options) -> Builder:
    return lambda folder: media.clip(folder / name, frames, **options)


def holding(name: str, content: bytes) -> Builder:
    def build(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return build


def changed(change: Callable[[bytes], bytes], name: str = "a.mp4", **options) -> Builder:
    """A clip of 40 frames with its bytes put through `change`; an MP4 has its index first, as on the web."""
    muxer = {"movflags": "faststart"} if name.endswith("mp4") else {}

    def build(folder: Path) -> Path:
        path = media.clip(folder / name, 40, size=(160, 96), muxer=muxer, **options)
        path.write_bytes(change(path.read_bytes()))
        return path

    return build


def cut(share: float) -> Callable[[bytes], bytes]:
    return lambda data: data[: int(len(data) * share)]


def hole(begin: float, end: float) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        first, last = int(len(data) * begin), int(len(data) * end)
        return data[:first] + bytes(last - first) + data[last:]

    return change


def flips(count: int) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        generator, damaged = random.Random(count), bytearray(data)
        first = max(data.find(b"mdat"), len(data) // 5)
        for _ in range(count):
            damaged[generator.randrange(first, len(data))] ^= 1 << generator.randrange(8)
        return bytes(damaged)

    return change


def doubled_stamps(folder: Path) -> Path:
    """Two frames with one time in a Matroska file, which its muxer lets pass."""
    path = folder / "a.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, pts in enumerate((0, 40, 40, 80, 120)):
            frame = av.VideoFrame.from_ndarray(media.picture(number), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            for packet in stream.encode(frame):
                packet.pts = packet.dts = pts
                packet.time_base = Fraction(1, 1000)
                out.mux(packet)
    return path


def no_frames(folder: Path) -> Path:
    return media.clip(folder / "a.mkv", 0, codec="ffv1", audio=1)


def not_a_file(folder: Path) -> Path:
    (folder / "folder.mp4").mkdir()
    return folder / "folder.mp4"


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    rows = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def gif_claiming(width: int, height: int) -> bytes:
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    screen = b"GIF89a" + size + bytes([0x80, 0, 0]) + bytes(6)
    return screen + b"\x2c" + bytes(4) + size + bytes([0]) + b"\x02\x02\x44\x01\x00" + b"\x3b"


def y4m_claiming(width: int, height: int) -> bytes:
    return f"YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C420jpeg\nFRAME\n".encode() + bytes(1000)


def avi_claiming(folder: Path) -> Path:
    """A real MPEG-4 video whose AVI header was rewritten to name a monstrous size."""
    path = media.clip(folder / "a.avi", 3, codec="rawvideo", size=(64, 48))
    huge = (16000).to_bytes(4, "little")
    data = path.read_bytes()
    small = (64).to_bytes(4, "little") + (48).to_bytes(4, "little")
    path.write_bytes(data.replace(small, huge + huge))
    return path


BOMBS = {
    "bomb.png": holding("bomb.png", png_claiming(16000, 16000)),
    "bomb.gif": holding("bomb.gif", gif_claiming(16000, 16000)),
    "bomb.y4m": holding("bomb.y4m", y4m_claiming(16000, 16000)),
    "bomb.avi": avi_claiming,
}
ALL = range(12)
HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
TS = {"codec": "mpeg2video", "options": {"g": "12", "b": "2000000"}}

CASES = [
    Case("1x1", made("a.mkv", codec="ffv1", size=(1, 1), pix_fmt="yuv444p"), ALL, barcode=False),
    Case("1x1 with halved chroma", made("a.mkv", codec="ffv1", size=(1, 1)), ALL, barcode=False),
    Case("2x2", made("a.mp4", size=(2, 2)), ALL, barcode=False),
    Case("odd width and height", made("a.mkv", codec="ffv1", size=(63, 47)), ALL),
    Case("odd in H.264", made("a.mp4", size=(63, 47), pix_fmt="yuv444p"), ALL),
    Case("tall and thin", made("a.mkv", codec="ffv1", size=(12, 300)), ALL),
    Case("one frame", made("a.mp4", 1), range(1)),
    Case("no frames", no_frames, "not one picture"),
    Case("only sound", lambda folder: media.tone(folder / "a.m4a"), "no video"),
    Case("only sound and cover art, MP4", lambda folder: media.tone(folder / "a.m4a", cover=True), "only cover art"),
    Case("only sound and cover art, MP3", lambda folder: media.tone(folder / "a.mp3", cover=True), "only cover art"),
    Case("empty", holding("a.mp4", b""), "empty"),
    Case("text", holding("a.txt", b"this is no video, only words\n" * 200), "not"),
    Case("text named mp4", holding("a.mp4", b"this is no video, only words\n" * 200), "not a video"),
    Case("random bytes", holding("a.mkv", random.Random(1).randbytes(5000)), "not"),
    Case("zeros", holding("a.avi", bytes(5000)), "not"),
    Case("folder", not_a_file, "folder"),
    Case("missing", lambda folder: folder / "missing.mp4", "no such file"),
    Case("MP4 cut at 95 %", changed(cut(0.95)), 20),
    Case("MP4 cut at 60 %", changed(cut(0.6)), 8),
    Case("MP4 cut at 40 %", changed(cut(0.4)), 1),
    Case("MP4 cut inside its index", changed(cut(0.02)), "no video"),
    Case("MP4 cut before its index", lambda folder: changed(cut(0.6), "a.mov")(folder), "not a video"),
    Case("MKV cut at 70 %", changed(cut(0.7), "a.mkv"), 10),
    Case("MKV cut inside its header", changed(cut(0.01), "a.mkv"), "not"),
    Case("AVI cut at 70 %", changed(cut(0.7), "a.avi", codec="mpeg4"), 10),
    Case("hole in MP4", changed(hole(0.5, 0.6)), 20),
    Case("large hole in MP4", changed(hole(0.4, 0.9)), 5),
    Case("hole in TS", changed(hole(0.5, 0.6), "a.ts", **TS), 20),
    Case("hole in MKV", changed(hole(0.5, 0.6), "a.mkv"), 10),
    Case("a few bit flips", changed(flips(12)), 30),
    Case("many bit flips", changed(flips(200)), 10),
    Case("bit flips in HEVC", changed(flips(12), codec="libx265"), 20),
    Case("bit flips in VP9", changed(flips(60), "a.webm", codec="libvpx-vp9"), 5),
    Case("junk at the end", changed(lambda data: data + random.Random(2).randbytes(3000)), range(40)),
    Case("junk in front of MP4", changed(lambda data: random.Random(3).randbytes(3000) + data), "not"),
    Case("junk in front of TS", changed(lambda data: random.Random(3).randbytes(1000) + data, "a.ts", **TS), range(40)),
    Case("raw H.264", made("a.h264"), ALL),
    Case("raw HEVC", made("a.hevc", codec="libx265"), ALL),
    Case("AVI with B-frames", made("a.avi"), ALL),
    Case("ASF", made("a.asf", codec="wmv2", size=(160, 96)), ALL),
    Case("variable rate", made("a.mkv", times=[Fraction(n * n, 100) for n in range(12)]), ALL),
    Case("half a frame a second", made("a.mp4", rate=Fraction(1, 2)), ALL),
    Case("1000 frames a second", made("a.mp4", rate=Fraction(1000)), ALL),
    Case("NTSC film", made("a.mp4", rate=Fraction(24000, 1001)), ALL),
    Case("starts at 1000 s", made("a.mp4", start=Fraction(1000)), ALL),
    Case("starts at 1000 s in TS", made("a.ts", start=Fraction(1000), audio=1), ALL),
    Case("starts before zero", made("a.asf", codec="wmv2", start=Fraction(-1, 5), size=(160, 96)), ALL),
    Case("clock wraps", made("a.ts", start=Fraction(2**33, 90000) - Fraction(1, 5)), ALL),
    Case("doubled stamps", doubled_stamps, range(5)),
    Case("alpha in FFV1", made("a.mkv", codec="ffv1", pix_fmt="yuva420p"), ALL),
    Case("alpha in PNG", made("a.mov", codec="png", pix_fmt="rgba"), ALL),
    Case("alpha in VP9", made("a.webm", codec="libvpx-vp9", pix_fmt="yuva420p"), ALL),
    Case("grey", made("a.mkv", codec="ffv1", pix_fmt="gray"), ALL),
    Case("grey H.264", made("a.mp4", pix_fmt="gray"), ALL),
    Case("10 bit", made("a.mkv", codec="libx265", pix_fmt="yuv420p10le"), ALL),
    Case("16 bit R'G'B'", made("a.mkv", codec="ffv1", pix_fmt="gbrp16le"), ALL),
    Case("4:4:4", made("a.mp4", pix_fmt="yuv444p"), ALL),
    Case("4:1:1", made("a.avi", codec="ffv1", pix_fmt="yuv411p"), ALL),
    Case("full range", made("a.mp4", colour=Colour(1, 1, 1, True)), ALL),
    Case("palette", made("a.gif", codec="gif", pix_fmt="rgb8"), ALL),
    Case("animated PNG", made("a.apng", codec="apng", pix_fmt="rgb24"), ALL),
    Case(
        "one PNG", made("a.png", 1, codec="png", pix_fmt="rgb24", container="image2", muxer={"update": "1"}), range(1)
    ),
    Case("an unknown matrix", made("a.mkv", codec="libx264", pix_fmt="yuv444p", colour=Colour(1, 1, 8)), "YCgCo"),
    Case("turned by 90 degrees", made("a.mp4", rotation=90), ALL),
    Case("turned by 180 degrees", made("a.mp4", rotation=180), ALL),
    Case("turned by 270 degrees", made("a.mp4", rotation=270), ALL),
    Case("wide samples", made("a.mp4", sar=Fraction(64, 45)), ALL),
    Case("interlaced", made("a.mp4", interlaced=True, size=(64, 64)), ALL),
    Case("two videos", made("a.mkv", second_video=True), ALL),
    Case("HLS named mp4", holding("a.mp4", HLS), "playlist"),
    Case("HLS", holding("a.m3u8", HLS), "playlist"),
    Case("ffconcat named mp4", holding("a.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"), "playlist"),
    Case("DASH", holding("a.mpd", b'<?xml version="1.0"?>\n<MPD type="static"></MPD>\n'), "playlist"),
    Case("SDP", holding("a.sdp", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\n"), "playlist"),
    *(Case(name, build, "above the limit") for name, build in BOMBS.items()),
]


def test_the_table_is_long_enough_and_names_are_unique():
    assert len(CASES) >= 45
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nasty(case: Case, tmp_path):
    path = case.build(tmp_path)
    if isinstance(case.expected, str):
        with pytest.raises(BadInput) as caught:
            list(open_video(path))
        assert case.expected in caught.value.cause
        assert len(str(caught.value).splitlines()) == 3 and str(path) in str(caught.value)
        return
    with Reader(path) as reader:
        frames = [picture.frame() for picture in reader]
        damage = reader.damage
    times = [frame.time for frame in frames]
    assert times == sorted(set(times)) and all(time >= 0 for time in times)
    seen = [media.read_barcode(frame.data) for frame in frames] if case.barcode else list(range(len(frames)))
    if isinstance(case.expected, range):
        assert seen == list(case.expected)
        assert not damage
    else:
        assert len(frames) >= case.expected
        assert damage


NAMES = [
    "été 日本 🎬.mp4",
    "with  spaces .mp4",
    "-i.mp4",
    "--help.mp4",
    "12:30 show.mp4",
    "http:x.mp4",
    "concat:a|b.mp4",
    "shot%03d.mp4",
    "shot*[0-9]?.mp4",
    'it\'s "quoted" $(touch PWNED) `x`.mp4',
    "new\nline\ttab.mp4",
    "no_suffix",
    "wrong.txt",
    "wrong.jpg",
    ".hidden.mp4",
    "x" * 240 + ".mp4",
]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return media.clip(tmp_path_factory.mktemp("plain") / "a.mp4", 3)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_read(name, plain, tmp_path, monkeypatch):
    shutil.copy(plain, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert probe(Path(name)).info.length == 3
    assert [media.read_barcode(frame.data) for frame in open_video(name)] == [0, 1, 2]
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


MEASURE = """
import resource, sys, time
from pathlib import Path
from vidwright.core.errors import BadInput
from vidwright.io import open_video, probe
probe(Path(sys.argv[1]))  # libraries are loaded by now
for name in sys.argv[2:]:
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    try:
        list(open_video(name))
    except BadInput as error:
        assert "limit" in error.cause, error
    else:
        raise SystemExit(f"{name} was accepted")
    seconds = time.perf_counter() - begin
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert seconds < 1 and grown < 100, (name, seconds, grown)
"""


def test_bombs_are_refused_before_they_are_allocated(plain, tmp_path):
    bombs = [str(build(tmp_path)) for build in BOMBS.values()]
    done = subprocess.run([sys.executable, "-c", MEASURE, str(plain), *bombs], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_damaged_files_decode_the_same_twice(tmp_path):
    """Threads in the decoder must not decide what is salvaged."""
    path = changed(flips(40))(tmp_path)

    def once():
        with Reader(path) as reader:
            pictures = [(picture.time, picture.planes().y.numpy().tobytes()) for picture in reader]
            return pictures, reader.damage

    first = once()
    assert all(once() == first for _ in range(3))


def test_damage_is_logged_once_and_names_the_file(tmp_path, caplog):
    path = changed(cut(0.6))(tmp_path)
    assert list(open_video(path))
    assert len(caplog.records) == 1
    assert str(path) in caplog.text and "cut off" in caplog.text
