"""Pictures out of the middle of a file: the very ones that reading from the beginning gives."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

import media
from vidwright.io import piece as module
from vidwright.io.piece import read_piece
from vidwright.io.reader import Reader

GOP = {"preset": "veryfast", "crf": "12", "g": "24", "bf": "3"}
KINDS = {
    "x264.mp4": {"options": GOP},
    "x264.mkv": {"options": GOP},
    "open.mp4": {"options": GOP | {"x264-params": "open-gop=1:keyint=24:scenecut=0"}},
    "x265.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none:pools=none:keyint=24:open-gop=1"}},
    "x264.ts": {"options": GOP},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"g": "24", "bf": "2", "q": "2"}},
    "old.avi": {"codec": "mpeg4", "options": {"g": "24", "q": "2"}},
    "raw.h264": {"options": GOP, "container": "h264"},
    "turned.mp4": {"options": GOP, "rotation": 90},
}


@pytest.fixture(scope="module", params=KINDS)
def clip(request, tmp_path_factory) -> Path:
    return media.clip(tmp_path_factory.mktemp("piece") / request.param, frames=130, **KINDS[request.param])


def test_a_piece_is_what_reading_it_all_gives(clip):
    with Reader(clip) as reader:
        whole = [(picture.raw.pts, picture.frame().data) for picture in reader]
    assert len(whole) == 130
    for first, count in ((0, 3), (23, 4), (25, 2), (71, 3), (126, 9)):
        pieces = [picture.frame().data for picture in read_piece(clip, first, count, stamp=whole[first][0])]
        assert len(pieces) == min(count, 130 - first)
        for got, (_, wanted) in zip(pieces, whole[first:], strict=False):
            assert got.shape == wanted.shape and (got == wanted).all()


def test_what_comes_long_before_is_not_decoded(tmp_path, monkeypatch):
    path = media.clip(tmp_path / "long.mp4", frames=200, options=GOP)
    with Reader(path) as reader:
        stamp = next(islice(reader, 180, None)).raw.pts
    decoded = []
    monkeypatch.setattr(
        module, "decode", lambda *given, real=module.decode: (decoded.append(f) or f for f in real(*given))
    )
    assert [media.read_barcode(picture.frame().data) for picture in read_piece(path, 180, 2, stamp=stamp)] == [180, 181]
    assert 2 <= len(decoded) < 60


def test_a_wrong_stamp_is_found_out(tmp_path):
    path = media.clip(tmp_path / "clip.mp4", frames=30, options=GOP)
    for stamp in (10**9, 7, -5, None):
        seen = [media.read_barcode(picture.frame().data) for picture in read_piece(path, 12, 2, stamp=stamp)]
        assert seen == [12, 13]
