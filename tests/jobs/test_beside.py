"""A second video along with the first: which of its frames belongs to a time."""

from __future__ import annotations

import gc
import threading
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import media
from vidwright.core.errors import BadInput
from vidwright.io.container import MAX_PIXELS
from vidwright.io.reader import Reader
from vidwright.jobs import beside
from vidwright.jobs.beside import HAIR, Beside


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Ten frames a second in a container with a clock of milliseconds."""
    folder = tmp_path_factory.mktemp("beside")
    return media.clip(folder / "a.mkv", frames=12, rate=Fraction(10), codec="ffv1", pix_fmt="yuv444p")


@pytest.fixture
def opened(monkeypatch):
    """How often a file is begun to be read."""
    files = []

    class Counted(Reader):
        def __init__(self, path, **options):
            files.append(path)
            super().__init__(path, **options)

    monkeypatch.setattr(beside, "Reader", Counted)
    return files


def number(video: Beside, time: Fraction) -> int:
    return media.read_barcode(video.at(time).data)


def test_it_is_the_frame_that_is_shown_then_and_the_last_one_after_the_end(clip, opened):
    video = Beside(clip, max_pixels=MAX_PIXELS)
    moments = [Fraction(n, 25) for n in range(50)]
    assert [number(video, moment) for moment in moments] == [min(int(moment * 10), 11) for moment in moments]
    assert number(video, Fraction(1000)) == 11 and len(opened) == 1


@given(st.integers(0, 2**30))
@settings(max_examples=10, deadline=None)
def test_in_any_order_it_is_the_same_frame(clip, seed):
    video = Beside(clip, max_pixels=MAX_PIXELS)
    for _ in range(5):
        seed = (seed * 1103515245 + 12345) % 2**31
        moment = Fraction(seed % 1500, 1000)
        assert number(video, moment) == min(int((moment + HAIR) * 10), 11)


def test_clocks_that_round_do_not_show_the_frame_before(tmp_path):
    """At 30000/1001 a container of milliseconds says 33 and 67 where 33.37 and 66.73 are meant."""
    rate = Fraction(30000, 1001)
    clip = media.clip(tmp_path / "a.mkv", frames=12, rate=rate, codec="ffv1", pix_fmt="yuv444p")
    video = Beside(clip, max_pixels=MAX_PIXELS)
    assert [number(video, n / rate) for n in range(12)] == list(range(12))
    with Reader(clip, cuts=False) as frames:
        times = [picture.time for picture in frames]
    assert any(time > n / rate for n, time in enumerate(times))  # or nothing would be shown by this


def test_before_it_begins_the_first_frame_is_shown_and_read_once(tmp_path, opened):
    times = [Fraction(n, 10) for n in range(5, 10)]
    clip = media.clip(tmp_path / "a.mkv", times=times, audio=1, codec="ffv1", pix_fmt="yuv444p")
    video = Beside(clip, max_pixels=MAX_PIXELS)
    assert video.at(Fraction(0)).time > Fraction(2, 5)  # its sound begins before its picture
    assert [number(video, Fraction(n, 25)) for n in range(12)] == [0] * 12
    assert len(opened) == 1
    assert [number(video, Fraction(n, 10)) for n in (6, 7, 0, 9)] == [1, 2, 0, 4] and len(opened) == 2


def test_the_same_frame_is_given_as_long_as_it_is_shown(clip):
    video = Beside(clip, max_pixels=MAX_PIXELS)
    assert video.at(Fraction(21, 100)) is video.at(Fraction(29, 100)) is not video.at(Fraction(31, 100))


def test_the_file_is_closed_once_nobody_asks_any_more(clip):
    before = set(threading.enumerate())

    def readers() -> int:
        return sum(thread.name == "vidwright-overlap" for thread in {*threading.enumerate()} - before)

    gc.disable()  # not some day, but now
    try:
        video = Beside(clip, max_pixels=MAX_PIXELS)
        video.at(Fraction(0))
        assert readers() == 1  # it waits with the frames after the first ones
        del video
        assert readers() == 0
    finally:
        gc.enable()


def test_a_picture_is_there_at_all_times(tmp_path, opened):
    picture = media.clip(tmp_path / "a.png", frames=1, codec="png", pix_fmt="rgb24", container="image2")
    video = Beside(picture, max_pixels=MAX_PIXELS)
    assert video.at(Fraction(0)) is video.at(Fraction(7)) is video.at(Fraction(1)) and len(opened) == 1


def test_a_file_without_pictures_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    for path in (tmp_path / "a.png", tmp_path / "gone.mkv", media.tone(tmp_path / "sound.m4a")):
        with pytest.raises(BadInput):
            Beside(path, max_pixels=MAX_PIXELS).at(Fraction(0))


def test_larger_pictures_than_allowed_are_refused(clip):
    with pytest.raises(BadInput, match="limit of 3071 pixels"):
        Beside(clip, max_pixels=64 * 48 - 1).at(Fraction(0))
