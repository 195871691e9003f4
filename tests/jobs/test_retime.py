"""Frames at another rate: from any times, across no cut, without repeats, and the same from anywhere in the middle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import media
from vidwright.core import Frame, Needs
from vidwright.core.errors import UsageError
from vidwright.jobs.retime import HIGHEST_RATE, LONGEST_GAP, LOOKAHEAD, MOST_REPEATS, SAME, WARMUP, retimed, target_rate
from vidwright.jobs.segments import HAIR, plan
from vidwright.nn.model import InterpolationModel
from vidwright.train.interpolation import blend

#: A grey of every frame, far enough apart to be no repeat.
STEP = 0.02


class Blend(InterpolationModel):
    """The interpolator whose results can be told beforehand; remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Fraction, Fraction]] = []

    def between(self, first: Frame, second: Frame, times: Sequence[Fraction]) -> list[Frame]:
        assert all(first.time < time < second.time for time in times)
        self.asked.append((first.time, second.time))
        return blend(first, second, times)


def grey(value: float, time: Fraction, duration: Fraction | None = None, *, cut: bool = False) -> Frame:
    return Frame(torch.full((3, 4, 6), float(value)), time, duration, cut=cut)


def source(rate: Fraction, values: Sequence[float], cuts: Iterable[int] = ()) -> list[Frame]:
    return [grey(value, n / rate, 1 / rate, cut=n in cuts) for n, value in enumerate(values)]


def ramp(count: int) -> list[float]:
    return [STEP * n for n in range(count)]


def run(frames: Iterable[Frame], rate: Fraction | int, origin: Fraction = Fraction(0)) -> list[Frame]:
    return list(retimed(iter(frames), Blend(), Fraction(rate), origin=origin))


def values(frames: Iterable[Frame]) -> list[float]:
    return [round(float(frame.data.mean()) / STEP, 3) for frame in frames]


def test_24_to_60_is_on_the_beat_and_passes_what_is_on_it():
    given = source(Fraction(24), ramp(9))
    made = run(given, 60)
    assert [frame.time for frame in made] == [Fraction(n, 60) for n in range(len(made))] and len(made) == 23
    assert {frame.duration for frame in made} == {Fraction(1, 60)}
    for n in range(0, 20, 5):
        assert made[n].data is given[2 * n // 5].data
    assert values(made)[:20] == [round(0.4 * n, 3) for n in range(20)]
    assert values(made)[20:] == [8, 8, 8]  # the last frame has nothing to move to


def test_twice_the_rate_puts_one_between_each_two():
    made = run(source(Fraction(25), ramp(4)), 50)
    assert values(made) == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3]


def test_uneven_times_become_even():
    moments = [Fraction(n, 1000) for n in (0, 41, 55, 130, 310, 333)]
    made = run([grey(float(time), time) for time in moments], 100)
    assert [frame.time for frame in made] == [Fraction(n, 100) for n in range(len(made))]
    for frame in made[:34]:
        assert float(frame.data.mean()) == pytest.approx(min(float(frame.time), 0.333), abs=1e-3)


def test_times_rounded_to_milliseconds_are_on_the_beat():
    given = [grey(STEP * n, Fraction(round(1000 * n / 30), 1000), Fraction(33, 1000)) for n in range(10)]
    made = run(given, 60)
    assert [made[2 * n].data is given[n].data for n in range(10)] == [True] * 10 and len(made) == 20


def test_nothing_is_made_across_a_cut():
    model = Blend()
    given = source(Fraction(24), ramp(8), cuts=(0, 3, 4))
    made = list(retimed(given, model, Fraction(60), origin=Fraction(0)))
    assert not {Fraction(3, 24), Fraction(4, 24)} & {second for _, second in model.asked}
    assert values(made)[5:11] == [2, 2, 2, 3, 3, 4]
    assert [n for n, frame in enumerate(made) if frame.cut] == [0, 8, 10]


def test_a_shot_that_begins_as_the_last_one_ended_begins_all_the_same():
    model = Blend()
    made = list(
        retimed(source(Fraction(25), [0, STEP, STEP, 2 * STEP], cuts=(2,)), model, Fraction(50), origin=Fraction(0))
    )
    assert [n for n, frame in enumerate(made) if frame.cut] == [4]
    assert values(made) == [0, 0.5, 1, 1, 1, 1.5, 2, 2]


@pytest.mark.parametrize("jitter", [0.0, 0.9 * SAME])
def test_film_in_television_moves_again(jitter):
    """24 frames in 30: every fifth repeats the one before, and is made anew between its neighbours."""
    shown = [0, 1, 2, 3, 3 + jitter / STEP, 4, 5, 6, 7, 7 - jitter / STEP, 8, 9]
    made = values(run(source(Fraction(30), [STEP * n for n in shown]), 60))
    assert made[6:11] == [3, 3.25, 3.5, 3.75, 4] and made[16:21] == [7, 7.25, 7.5, 7.75, 8]


def test_a_still_picture_is_held_and_only_its_end_moves():
    repeats = MOST_REPEATS + 1
    made = run(given := source(Fraction(25), [0, STEP, *[2 * STEP] * (repeats + 1), 3 * STEP]), 50)
    assert values(made) == [0, 0.5, 1, 1.5, *[2] * (2 * repeats + 1), 2.5, 3, 3]
    assert made[8].data is given[4].data
    fewer = run(source(Fraction(25), [0, STEP, *[2 * STEP] * repeats, 3 * STEP]), 50)
    assert len(set(values(fewer))) == len(fewer) - 1  # all of it moves, but for the end of the last frame


def test_what_moves_in_a_corner_is_no_repeat():
    given = [Frame(torch.zeros(3, 90, 120), Fraction(n, 25), Fraction(1, 25)) for n in range(4)]
    for n, frame in enumerate(given):
        frame.data[:, 80:84, 10 * n : 10 * n + 4] = 1
    made = run(given, 50)
    assert [made[2 * n].data is given[n].data for n in range(4)] == [True] * 4


def test_a_long_gap_is_held():
    late = LONGEST_GAP + Fraction(1, 10)
    made = values(run([grey(0, Fraction(0)), grey(STEP, late), grey(2 * STEP, late + LONGEST_GAP)], 10))
    assert made == [0] * 6 + [1, 1.2, 1.4, 1.6, 1.8, 2]


@pytest.mark.parametrize(("duration", "count"), [(None, 1), (Fraction(1, 25), 2), (Fraction(1), 50), (Fraction(0), 1)])
def test_one_frame_is_shown_for_as_long_as_it_lasts(duration, count):
    made = run([grey(0.5, Fraction(3), duration)], 50, Fraction(3))
    assert [frame.time for frame in made] == [3 + Fraction(n, 50) for n in range(count)]


def test_no_frames_make_none():
    assert run([], 60) == []


def test_alpha_is_kept_and_blended():
    given = source(Fraction(25), ramp(2))
    given = [frame.with_data(torch.cat([frame.data, torch.full((1, 4, 6), n / 2)])) for n, frame in enumerate(given)]
    made = run(given, 50)
    assert [frame.data.shape for frame in made] == [(4, 4, 6)] * 4
    assert [float(frame.data[3].mean()) for frame in made] == [0, 0.25, 0.5, 0.5]


def test_frames_are_asked_for_when_they_are_needed():
    taken: list[Fraction] = []

    def watched() -> Iterator[Frame]:
        for frame in source(Fraction(25), [0, 0, 0, *ramp(9)]):
            taken.append(frame.time)
            yield frame

    for frame in retimed(watched(), Blend(), Fraction(50), origin=Fraction(0)):
        assert taken[-1] - frame.time <= Fraction(LOOKAHEAD, 25)


@given(
    gaps=st.lists(st.integers(5, 90), min_size=1, max_size=24),
    kinds=st.lists(st.sampled_from("mmmrrrc"), min_size=24, max_size=24),
    rate=st.sampled_from([Fraction(25), Fraction(60), Fraction(60000, 1001)]),
    seconds=st.sampled_from([Fraction(1, 10), Fraction(1, 4), Fraction(1)]),
)
@settings(max_examples=40, deadline=None)
def test_segments_make_the_frames_of_the_whole(gaps, kinds, rate, seconds):
    """Frames that move, repeat or cut, at any times: each segment's are what a run over all of them gives."""
    times, shown, cuts = [Fraction(0)], [0.0], [0]
    for n, (gap, kind) in enumerate(zip(gaps, kinds, strict=False), start=1):
        times.append(times[-1] + Fraction(gap, 1000))
        shown.append(shown[-1] + (kind != "r"))
        cuts += [n] * (kind == "c")
    end = times[-1] + Fraction(1, 25)
    until = [*times[1:], end]
    given = [
        grey(STEP * value, time, next_ - time, cut=n in cuts)
        for n, (value, time, next_) in enumerate(zip(shown, times, until, strict=True))
    ]
    whole = run(given, rate)
    needs = Needs(warmup=WARMUP, lookahead=LOOKAHEAD)
    made: list[Frame] = []
    for segment in plan(times, cuts, needs, end=end, rate=rate, seconds=seconds):
        part = run(given[segment.first : segment.last], rate, segment.begin)
        made += part[: segment.frames]
        assert len(part) >= segment.frames
    assert [(frame.time, frame.cut) for frame in made] == [(frame.time, frame.cut) for frame in whole]
    assert all(torch.equal(a.data, b.data) for a, b in zip(made, whole, strict=True))


def test_numbers_in_the_picture_stay_with_their_times():
    """Twice the rate of a clip whose 4th frame repeats its 3rd: every other frame is one of the source."""
    numbers = [0, 1, 2, 3, 3, 5, 6, 7]
    pictures = [torch.from_numpy(media.picture(n)).permute(2, 0, 1).float() / 255 for n in numbers]
    made = run([Frame(data, Fraction(n, 25), Fraction(1, 25)) for n, data in enumerate(pictures)], 50)
    read = [media.read_barcode(frame.data) for frame in made[::2]]
    assert [*read[:4], *read[5:]] == [0, 1, 2, 3, 5, 6, 7]
    assert not torch.equal(made[8].data, pictures[4])


@pytest.mark.parametrize(
    ("text", "source_rate", "wanted"),
    [
        ("60", 24, 60),
        ("x2", 25, 50),
        ("X2.5", 24, 60),
        ("x3/2", 24, 36),
        ("60000/1001", 24, Fraction(60000, 1001)),
        ("59.94", Fraction(30000, 1001), Fraction(60000, 1001)),
        ("29.97", 25, Fraction(30000, 1001)),
        ("23.98", 12, Fraction(24000, 1001)),
        ("23.976", 12, Fraction(24000, 1001)),
        ("119.88", 50, Fraction(120000, 1001)),
        ("47.95", 24, Fraction(48000, 1001)),
        ("24.5", 24, Fraction(49, 2)),
        ("59.50", 24, Fraction(119, 2)),
        (" 50 ", Fraction(25), 50),
    ],
)
def test_rates_as_people_write_them(text, source_rate, wanted):
    assert target_rate(text, Fraction(source_rate)) == wanted


@given(numerator=st.integers(1, 480), denominator=st.integers(1, 40), source_rate=st.fractions(Fraction(1, 50), 200))
@settings(max_examples=60, deadline=None)
def test_a_rate_is_what_is_written_or_refused(numerator, denominator, source_rate):
    rate = Fraction(numerator, denominator)
    if rate > source_rate:
        assert target_rate(str(rate), source_rate) == rate
        assert target_rate(f"x{rate / source_rate}", source_rate) == rate
    else:
        with pytest.raises(UsageError, match="makes nothing"):
            target_rate(str(rate), source_rate)


@pytest.mark.parametrize("text", ["", "x", "fast", "60/0", "nan", "inf", "x-2", "-60", "0", "25", "x1", "24", "1e9"])
def test_rates_that_make_no_sense(text):
    with pytest.raises(UsageError) as error:
        target_rate(text, Fraction(25))
    assert len(str(error.value).splitlines()) == 3 and f"--fps {text}" in str(error.value)


def test_beats_are_further_apart_than_hairs():
    assert Fraction(1, HIGHEST_RATE) > 2 * HAIR
