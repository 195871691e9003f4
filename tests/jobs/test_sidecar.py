"""The attachment of `compress --restore`: all of it comes back, and nothing else gets through."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidwright.core.errors import BadInput
from vidwright.entropy.crc32c import crc32c
from vidwright.jobs import sidecar
from vidwright.jobs.sidecar import (
    CRC_BYTES,
    MOST_FINENESS,
    TAPS,
    PlaneFilter,
    ShotFilter,
    Sidecar,
    coefficients,
    level,
    read,
    step,
    steps,
    written,
)

#: Mutated inputs of the default suite, and of the slow one.
FEW, MANY = 5_000, 200_000


def example(count: int = 3) -> Sidecar:
    source = random.Random(count)

    def plane(taps: int) -> PlaneFilter:
        thresholds = bytes(sorted(source.randrange(60, 200) for _ in range(source.choice([0, 1, 3]))))
        count = 1 if not thresholds and source.random() < 0.5 else taps * (len(thresholds) + 1)
        numbers = tuple(round(source.gauss(0, 4)) for _ in range(count))
        return PlaneFilter(source.randrange(80, 180), thresholds, 2, numbers)

    return Sidecar(b"weights!", tuple(ShotFilter(4000 + n, *map(plane, TAPS)) for n in range(count)))


@pytest.mark.parametrize("count", range(8))
def test_what_is_written_is_read(count):
    found = example(count)
    assert read(written(found), "a.mkv") == found
    unfiltered = replace(found, shots=tuple(ShotFilter(shot.milliseconds) for shot in found.shots))
    assert read(written(unfiltered), "a.mkv") == unfiltered


def test_every_flipped_bit_is_found():
    """2,000 of them and more, each by itself."""
    data = written(example())
    assert 8 * len(data) >= 2000, len(data)
    for place in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(BadInput):
            read(bytes(flipped), "a.mkv")


def test_every_cut_is_found():
    data = written(example(1))
    for length in range(len(data)):
        with pytest.raises(BadInput):
            read(data[:length], "a.mkv")
    with pytest.raises(BadInput):
        read(data + b"\0", "a.mkv")


def with_checksum(body: bytes) -> bytes:
    return body + crc32c(body).to_bytes(CRC_BYTES, "little")


def mutated(source: random.Random, data: bytes) -> bytes:
    """Bytes changed, cut out, doubled or put in, and mostly a checksum that is right again."""
    body = bytearray(data[:-CRC_BYTES])
    for _ in range(source.randint(1, 4)):
        place, other = source.randrange(len(body) + 1), source.randrange(len(body) + 1)
        match source.randrange(4):
            case 0 if place < len(body):
                body[place] = source.choice([0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)])
            case 1:
                del body[place : place + source.randint(1, 9)]
            case 2:
                body[place:place] = source.randbytes(source.randint(1, 9))
            case _:
                body[place:place] = body[other : other + 40]
    return with_checksum(bytes(body)) if source.random() < 0.9 else bytes(body)


def fuzzed(count: int) -> tuple[int, float]:
    """How many mutants were taken for whole, and the longest time that one took in seconds."""
    source, longest, taken = random.Random(7), 0.0, 0
    originals = [written(example(shots)) for shots in range(4)]
    for number in range(count):
        data = mutated(source, originals[number % len(originals)])
        began = time.perf_counter()
        try:
            found = read(data, "a.mkv")
        except BadInput:
            continue
        finally:
            longest = max(longest, time.perf_counter() - began)
        taken += 1
        assert written(found) == data  # what is taken has this spelling only, and every filter can be used
        for shot in found.shots:
            for plane in shot.planes:
                assert not plane.coefficients or torch.isfinite(coefficients(plane)).all()
    return taken, longest


def test_hostile_bytes_are_refused_or_whole():
    taken, longest = fuzzed(FEW)
    assert taken < FEW and longest < 1


@pytest.mark.slow
def test_many_hostile_bytes_are_refused_or_whole():
    taken, longest = fuzzed(MANY)
    assert taken < MANY and longest < 1


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"VWRS\x02" + bytes(9), "version 2"),
        (b"OTHER" + bytes(9), "does not begin as one"),
        (b"VWRS\x01" + bytes(8) + b"\xff\xff\xff\x01", "ends too early"),  # four million shots that are not there
        (b"VWRS\x01" + bytes(8) + b"\x01\x01" + b"\x00\x00\x00\x02\x00\x00" + bytes(8), "coefficients"),
    ],
)
def test_what_is_wrong_is_said(body, cause):
    with pytest.raises(BadInput, match=cause):
        read(with_checksum(body), "a.mkv")


def test_too_large_ones_are_not_looked_at():
    began = time.perf_counter()
    with pytest.raises(BadInput, match="too many"):
        read(bytes(sidecar.MOST_BYTES + 1), "a.mkv")
    assert time.perf_counter() - began < 0.1


@given(st.floats(0.02, 500))
def test_levels_are_told_to_a_32nd_of_an_octave(value):
    assert level(step(value)) == pytest.approx(value, rel=0.022)


def test_coefficients_are_told_to_half_a_step():
    wanted = torch.linspace(-0.4, 0.4, 22)[None]
    for fineness in range(MOST_FINENESS + 1):
        told = coefficients(PlaneFilter(0, b"", fineness, steps(wanted, fineness)))
        assert (told - wanted).abs()[0, 1:].max() <= 0.5 / (32 << fineness) + 1e-6
        assert (told - wanted).abs()[0, 0] <= 0.5 / 64 + 1e-6
