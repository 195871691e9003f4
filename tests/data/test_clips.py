"""Decoded shots: the right frames, made once, within their bytes; and an order that a small cache can serve."""

from __future__ import annotations

import pickle
import threading
from collections import Counter, OrderedDict
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import media
from vidwright.core.errors import BadInput
from vidwright.data import clips as module
from vidwright.data.cache import Cache
from vidwright.data.clips import CACHE_BYTES, Clips, Order
from vidwright.data.index import PIECE_BYTES, Shot, open_shots
from vidwright.data.prepare import prepare


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    options = {"preset": "veryfast", "crf": "10", "g": "12"}
    media.clip(folder / "one.mp4", frames=60, cuts=[20, 37], options=options)
    media.clip(folder / "turned.mp4", frames=20, rotation=90, options=options, cuts=[0])
    prepare(folder, folder / "set")
    return folder / "set"


def test_frames_are_those_of_the_shot(dataset):
    shots = open_shots(dataset, "all")
    clips = Clips(shots)
    assert [(shot.first, shot.frames) for shot in shots] == [(0, 20), (20, 17), (37, 23), (0, 20)]
    for number, shot in enumerate(shots):
        frames = clips.frames(number)
        assert frames.dtype == torch.uint8 and frames.shape == (shot.frames, 3, 48, 64)
        wanted = list(range(shot.first, shot.first + shot.frames))
        assert [media.read_barcode(frame.float() / 255) for frame in frames] == wanted


def test_frames_are_decoded_once(dataset, monkeypatch):
    clips, calls, real = Clips(open_shots(dataset, "all")), [], module.read_piece
    monkeypatch.setattr(module, "read_piece", lambda *given, **named: calls.append(given) or real(*given, **named))
    threads = [threading.Thread(target=clips.frames, args=(n % 2,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 2
    pickle.loads(pickle.dumps(clips)).frames(0)  # as another process has it: nothing came along
    assert len(calls) == 3


def test_a_file_that_holds_less(dataset):
    shot = open_shots(dataset, "all")[0]
    for wrong in (
        Shot(shot.file, 50, 20, 64, 48, "s", "train"),
        Shot(shot.file, 0, 5, 48, 64, "s", "train"),
    ):
        with pytest.raises(BadInput, match="the file has changed"):
            Clips([wrong]).frames(0)
    with pytest.raises(BadInput, match="no such file"):
        Clips([Shot(shot.file.with_name("gone.mp4"), 0, 5, 64, 48, "s", "train")]).frames(0)


def test_the_cache_keeps_what_was_asked_for_last():
    made = []

    def make(key: int):
        return lambda: made.append(key) or torch.zeros(10, dtype=torch.uint8)

    cache = Cache(30)
    for key in (1, 2, 3, 1, 4, 1, 2):
        cache.get(key, make(key))
        assert cache.bytes <= 30
    assert made == [1, 2, 3, 4, 2]  # 2 went for 4, because 1 had been asked for since
    large = cache.get(9, lambda: torch.ones(31, dtype=torch.uint8))
    assert large.sum() == 31 and cache.bytes <= 30


def test_a_failure_is_not_kept():
    cache = Cache(100)
    with pytest.raises(BadInput):
        cache.get(1, lambda: (_ for _ in ()).throw(BadInput("a", "b", "c")))
    assert cache.get(1, lambda: torch.ones(1)) == 1


def test_no_tensor_travels_to_another_process():
    cache = Cache(100)
    cache.get(1, lambda: torch.ones(1))
    arrived = pickle.loads(pickle.dumps(cache))
    assert cache.bytes == 4 and arrived.bytes == 0
    assert arrived.get(1, lambda: torch.zeros(1)) == 0
    arrived.get(2, lambda: torch.ones(100, dtype=torch.uint8))
    assert arrived.bytes <= 100  # its bound has come along


@given(st.integers(1, 40), st.integers(1, 300), st.integers(1, 6), st.integers(1, 6), st.integers(0, 3))
def test_every_shot_is_used_as_often(shots, length, reuse, spread, seed):
    order = Order(shots, length, seed, reuse, spread)
    numbers = [order.shot(*divmod(n, length)) for n in range(reuse * (3 * shots + reuse * spread))]
    assert set(numbers) == set(range(shots))
    skip = reuse * reuse * spread  # until then the very first samples fill in
    counts = Counter(numbers[skip : skip + reuse * shots])
    assert max(counts.values()) - min(counts.values()) <= 2 * reuse if len(counts) == shots else shots > 1


def test_an_order_that_a_small_cache_serves():
    order = Order(shots=200, length=1000, seed=1, reuse=4, spread=4)
    kept, misses = OrderedDict[int, None](), []
    for n in range(3000):
        shot = order.shot(*divmod(n, 1000))
        misses += [n] * (shot not in kept)
        kept[shot] = None
        kept.move_to_end(shot)
        if len(kept) > 4 * 4 + 1:
            kept.popitem(last=False)
    steady = [n for n in misses if n >= 64]
    assert len(steady) <= (3000 - 64) / 4 * 1.02  # each shot is decoded once for its four uses
    assert max(b - a for a, b in pairwise(steady)) <= 12  # and never many at once
    assert max(sum(n <= m < n + 16 for m in steady) for n in range(64, 2984)) <= 6
    for n in range(64, 2984, 8):  # a batch of 8 is of at least 7 shots
        assert len({order.shot(*divmod(m, 1000)) for m in range(n, n + 8)}) >= 7


def test_the_usual_cache_holds_what_the_usual_order_asks_for():
    order = Order(1, 1, seed=0)
    assert (order.reuse * order.spread + 1) * PIECE_BYTES <= CACHE_BYTES


def test_an_order_hangs_on_its_numbers_alone():
    one, other = Order(50, 100, seed=1), Order(50, 100, seed=2)
    first = [one.shot(2, k) for k in range(100)]
    assert first == [Order(50, 100, seed=1).shot(2, k) for k in reversed(range(100))][::-1]
    assert first != [other.shot(2, k) for k in range(100)]
    assert first != [one.shot(3, k) for k in range(100)]
