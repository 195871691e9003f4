"""The one place where a media file is opened for reading."""

from __future__ import annotations

import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import av
import av.error
import av.logging
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext

from vidwright.core.errors import BadInput

#: Pixels of the largest picture that is read unless the user allows more: 8192 x 8192.
MAX_PIXELS = 2**26

#: What a folder is searched for; a file named by itself may be called anything.
SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("mp4", "mkv", "mov", "webm", "avi", "m4v", "mpg", "mpeg"),
        *("ts", "m2ts", "wmv", "flv", "3gp", "y4m", "gif"),
    )
)

#: FFmpeg's names of the formats that hold media themselves. Playlists (hls, dash, concat, sdp, image2 with its file
#: name patterns), capture devices and text that draws pictures (tty) are left out: they read what the user did not
#: name, or turn any text file into a video.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,mpegts,mpeg,mpegvideo,h264,hevc,vvc,obu,av1,ivf,m4v,h263,flv,live_flv,"
    "gif,apng,ogg,nut,yuv4mpegpipe,mxf,gxf,rm,dv,vc1,vc1test,mjpeg,mjpeg_2000,swf,nsv,wtv,bink,smk,roq,fli,dirac,avs2,avs3,"
    "png_pipe,jpeg_pipe,webp_pipe,webp_anim,bmp_pipe,tiff_pipe,exr_pipe,dpx_pipe,jpegxl_pipe,jpegxl_anim,j2k_pipe,"
    "ppm_pipe,pgm_pipe,pbm_pipe,pam_pipe,pfm_pipe,qoi_pipe,tga_pipe,hdr_pipe,svq,film_cpk,ivr,mvi,4xm,r3d,"
    "wav,mp3,aac,flac,ac3,eac3,aiff,caf,w64,au,amr,opus,dts,tta,wv,ape,srt,ass,webvtt"
)
_NEXT = "give a video file that plays, such as .mp4, .mkv, .mov, .webm or .avi"
_PLAYLIST_STARTS = (b"#EXTM3U", b"ffconcat", b"v=0\r\n", b"v=0\n", b"<MPD", b"[playlist]")


@contextmanager
def open_input(path: Path, *, max_pixels: int = MAX_PIXELS) -> Generator[InputContainer]:
    """Open a media file for reading and close it afterwards; nothing but this file is read, and no network is used.

    Any file name works. Decoders refuse pictures of more than `max_pixels` before they allocate them. Raises
    `BadInput` for what is missing, not a regular file, empty, unreadable, a playlist or not media.
    """
    _check_file(path)
    # Any level at all makes PyAV install a Python callback, which deadlocks threaded decoders on damaged files.
    av.logging.set_level(None)
    limits = {"max_pixels": str(max_pixels)}
    guards = {"protocol_whitelist": "file", "format_whitelist": FORMATS, "enable_drefs": "0"}
    try:
        # An absolute path cannot be taken for a protocol, as the relative "12:30 show.mp4" would be.
        container = av.open(
            str(path.absolute()), "r", options=limits, container_options=guards, metadata_errors="replace"
        )
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise _explain(path, error) from error
    try:
        for stream in container.streams.video:
            context = cast("VideoCodecContext | None", stream.codec_context)  # none for a codec that nobody knows
            if context is not None:
                context.options = limits
        yield container
    finally:
        container.close()


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise BadInput(path, "this is a folder", "name the files in it, or give the folder to a batch command")
        if not stat.S_ISREG(status.st_mode):
            raise BadInput(path, "this is not a regular file", "save the stream to a file first")
        if status.st_size == 0:
            raise BadInput(path, "the file is empty", "copy or download it again")
        with path.open("rb"):
            pass
    except FileNotFoundError as error:
        raise BadInput(path, "there is no such file", "check the spelling of the path") from error
    except PermissionError as error:
        raise BadInput(path, "the file may not be read", "change its permissions or copy it") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(path, f"the file cannot be opened ({reason})", "check the path and the disk") from error


def _explain(path: Path, error: Exception) -> BadInput:
    with path.open("rb") as file:
        start = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(_PLAYLIST_STARTS) or b"<MPD" in start:
        return BadInput(path, "this is a playlist, which names other files", "give the media files themselves")
    if isinstance(error, av.error.InvalidDataError):
        return BadInput(path, "this is not a video, or its header is damaged or missing", _NEXT)
    return BadInput(path, "the format of this file is not a supported video format", _NEXT)
