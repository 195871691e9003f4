"""Opening: nothing but the named file is touched, and every refusal is three lines."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

import media
from vidwright.core.errors import BadInput
from vidwright.io import open_video
from vidwright.io.container import open_input


@pytest.fixture
def canary():
    """The address of a listening socket, and the list of those who called it."""
    calls: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        done = threading.Event()

        def listen() -> None:
            while not done.is_set():
                try:
                    caller, address = server.accept()
                    caller.close()
                    calls.append(address)
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", calls
        done.set()
        thread.join()


TRAPS = {
    "trap.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "trap.mp4": "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "trap.txt": "ffconcat version 1.0\nfile '{url}/a.mp4'\n",
    "trap.mpd": '<?xml version="1.0"?><MPD type="static"><BaseURL>{url}/a.mp4</BaseURL></MPD>',
    "trap.avi": "#EXTM3U\n#EXTINF:1,\nconcat:{url}/a|file:///etc/passwd\n",
    "trap.sdp": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nu={url}\r\nm=video 5004 RTP/AVP 96\r\n",
}


@pytest.mark.parametrize("name", TRAPS)
def test_playlists_open_no_connection(name, tmp_path, canary):
    url, calls = canary
    (tmp_path / name).write_text(TRAPS[name].format(url=url))
    with pytest.raises(BadInput, match="playlist"):
        open_video(tmp_path / name)
    assert calls == []


def test_an_address_is_a_missing_file_and_not_a_download(tmp_path, canary, monkeypatch):
    url, calls = canary
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="no such file"):
        open_video(f"{url}/a.mp4")
    assert calls == []


def test_the_canary_does_hear_a_call(canary):
    url, calls = canary
    port = int(url.rsplit(":", 1)[1])
    socket.create_connection(("127.0.0.1", port)).close()
    for _ in range(100):
        if calls:
            break
        threading.Event().wait(0.02)
    assert len(calls) == 1


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(BadInput, match="not a regular file"), open_input(tmp_path / "pipe.mp4"):
        pass


def test_a_file_without_permission_is_named(tmp_path, monkeypatch):
    path = media.clip(tmp_path / "a.mp4", 1)

    def refused(self, *args, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refused)  # the tests may run as root, whom no permission stops
    with pytest.raises(BadInput, match="may not be read"), open_input(path):
        pass


def test_a_name_with_a_zero_byte_is_an_error_of_three_lines():
    with pytest.raises(BadInput) as caught, open_input(Path("a\0b.mp4")):
        pass
    assert len(str(caught.value).splitlines()) == 3


def test_a_file_is_closed_when_the_reader_is_left(tmp_path):
    path = media.clip(tmp_path / "a.mp4", 30)
    for _ in range(20):
        next(iter(open_video(path)))
    held = [
        os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if os.path.lexists(f"/proc/self/fd/{fd}")
    ]
    assert str(path) not in held
