"""Editing real files: what changes, what must not, in pieces and as a whole."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as F

import media
import scenes
from doing import listing, pictures
from vidwright.core.errors import BadInput, UsageError, VidwrightError
from vidwright.io import open_video, probe
from vidwright.io.stills import encode_still
from vidwright.jobs import cache
from vidwright.jobs.changes import Border, Change, Colours, Crop, Fill, Key, Keys, Mask, Picture, Steady
from vidwright.jobs.edit import Edit, edit
from vidwright.jobs.region import Region
from vidwright.jobs.run import run
from vidwright.jobs.work import Local
from writing import furthest, packets, times

HERE = Local(threads=1)
SIZE = (96, 64)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("vidwright.jobs.planning.SEGMENT_SECONDS", Fraction(1, 5))


def textured(frames: int, size: tuple[int, int] = SIZE, pace: int = 2) -> Tensor:
    """A pan over details of several sizes, (T, 3, H, W)."""
    width, height = size
    random = torch.Generator().manual_seed(1)
    layers = [torch.rand(1, 3, height // step, 3 * width // step, generator=random) for step in (3, 8, 20)]
    large = [F.interpolate(layer, (height, 3 * width), mode="bicubic") for layer in layers]
    wide = torch.stack(large).mean(0)[0].clamp(0, 1)
    return torch.stack([wide[..., pace * n : pace * n + width] for n in range(frames)])


def clip(folder: Path, frames_TCHW: Tensor, name: str = "in.mkv") -> Path:
    return scenes.write(folder / name, frames_TCHW, crf=None, codec="ffv1", pixel_format="yuv444p")


def job(source: Path, output: Path, *changes: Change, **options) -> Edit:
    return Edit(input=source, output=output, changes=changes, **{"codec": "ffv1"} | options)


def mask_of(n: int, size: tuple[int, int] = SIZE) -> Tensor:
    """A square that crosses the picture against the pan."""
    mask = torch.zeros(size[1], size[0], dtype=torch.bool)
    left = 10 + 2 * n
    mask[20:40, left : left + 16] = True
    return mask


def masks(folder: Path, count: int) -> Path:
    frames_TCHW = torch.stack([mask_of(n).float().expand(3, -1, -1) for n in range(count)])
    return clip(folder, frames_TCHW, "mask.mkv")


def psnr(one: Tensor, other: Tensor) -> float:
    return float(-10 * (one - other).square().mean().log10())


def test_what_is_removed_is_what_lies_behind_and_nothing_else_is_touched(tmp_path):
    truth = textured(24)
    seen = torch.stack(
        [torch.where(mask_of(n), torch.tensor([0.9, 0.1, 0.1])[:, None, None], x) for n, x in enumerate(truth)]
    )
    source, mask = clip(tmp_path, seen), masks(tmp_path, 24)
    report = run(job(source, tmp_path / "out.mkv", Change(region=Region.mask(mask))), on=HERE)
    before, after = list(open_video(source)), list(open_video(report.output))
    assert len(after) == 24 and report.warnings == () and report.details["segments"] > 3
    for n, (one, other) in enumerate(zip(before, after, strict=True)):
        assert one.time == other.time
        outside = ~mask_of(n).expand(3, -1, -1)
        assert torch.equal(one.data[outside], other.data[outside])
    made = torch.cat([frame.data[:, mask_of(n)] for n, frame in enumerate(after)], 1)
    hidden = torch.cat([x[:, mask_of(n)] for n, x in enumerate(truth)], 1)
    assert psnr(made, hidden) > 27
    rows = report.details["filled"]
    assert len(rows) == 24 and all(copied > 0.9 for _, _, copied in rows)
    assert rows[5][:2] == [0.2, round(float(mask_of(5).float().mean()), 5)]


@pytest.mark.slow
def test_killed_or_parallel_it_gives_the_same_frames(tmp_path, forks):
    source, mask = clip(tmp_path, textured(24)), masks(tmp_path, 24)
    change = Change(region=Region.mask(mask), feather=3)
    whole = run(job(source, tmp_path / "whole.mkv", change), on=HERE).output
    assert pictures(run(job(source, tmp_path / "two.mkv", change), on=Local(workers=2, threads=1)).output) == pictures(
        whole
    )
    assert pictures(run(job(source, tmp_path / "threads.mkv", change), on=Local(threads=3)).output) == pictures(whole)
    timed = forks.run(job(source, tmp_path / "timed.mkv", change), segment="1/5")
    killed = job(source, tmp_path / "killed.mkv", change)
    assert forks.run(killed, segment="1/5", kill_after=0.6 * timed["seconds"])["status"] != 0
    assert forks.run(killed, segment="1/5")["status"] == 0
    assert pictures(killed.output) == pictures(whole)


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path, forks):
    change = Change(region=Region.box((100, 60, 140, 100)), put=Fill(model="none"))
    peaks: list[int] = []
    for frames in (80, 320):
        source = clip(tmp_path, textured(frames, (320, 180), pace=1), f"{frames}.mkv")
        done = forks.run(job(source, tmp_path / f"{frames}.out.mkv", change), segment="1")
        assert done["status"] == 0
        peaks.append(done["peak"])
    assert peaks[1] < 1.1 * peaks[0]


def test_part_of_a_job_is_part_of_the_whole(tmp_path):
    source, mask = clip(tmp_path, textured(24)), masks(tmp_path, 24)
    change = Change(region=Region.mask(mask), feather=2)
    whole = run(job(source, tmp_path / "whole.mkv", change), on=HERE)
    part = run(job(source, tmp_path / "part.mkv", change, start=0.4, stop=0.6), on=HERE)
    assert pictures(part.output) == pictures(whole.output)[10:15]
    video = edit(open_video(source), [change])
    for one, other in zip(video, open_video(whole.output), strict=True):
        assert (one.data.clamp(0, 1) - other.data).abs().max() < 2 / 255  # to which a file of Y'CbCr rounds


def test_all_other_streams_are_kept(tmp_path):
    source = media.clip(tmp_path / "in.mkv", frames=12, size=(96, 64), audio=1, subtitles=True, chapters=2)
    report = run(
        job(source, tmp_path / "out.mkv", Change(region=Region.box((10, 10, 40, 40)), put=Fill(model="none"))), on=HERE
    )
    assert packets(report.output, "audio", 0) == packets(source, "audio", 0)
    assert packets(report.output, "subtitle", 0) == packets(source, "subtitle", 0)
    assert probe(report.output).streams.chapters == 2 and furthest(report.output, times(source)) <= Fraction(1, 1000)


def test_a_box_is_followed_and_found_again_by_the_next_run(tmp_path):
    truth, shape = textured(20, pace=1), mask_of(0)
    random = torch.Generator().manual_seed(2)
    thing = torch.rand(3, 20, 16, generator=random)
    seen = truth.clone()
    for n in range(20):
        seen[n, :, 20:40, 20 + 2 * n : 36 + 2 * n] = thing
    source = clip(tmp_path, seen)
    change = Change(region=Region.box((37, 17, 59, 43), t=0.4).track(), put=Mask())
    assert shape.any()
    shown = run(job(source, tmp_path / "mask.mkv", change), on=HERE).output
    ious = []
    for n, frame in enumerate(open_video(shown)):
        real = torch.zeros(64, 96, dtype=torch.bool)
        real[20:40, 20 + 2 * n : 36 + 2 * n] = True
        found = frame.data[0] > 0.5
        ious.append(float((found & real).sum() / (found | real).sum()))
    assert sum(ious) / len(ious) > 0.6
    (kept,) = cache.folder().iterdir()
    stamp = kept.stat().st_mtime_ns
    run(job(source, tmp_path / "again.mkv", change), on=HERE)
    assert list(cache.folder().iterdir()) == [kept] and kept.stat().st_mtime_ns == stamp
    assert pictures(tmp_path / "again.mkv") == pictures(shown)


def test_a_painted_frame_is_carried_to_the_others(tmp_path):
    frames = textured(16)
    source = clip(tmp_path, frames)
    painted = (frames[8] * 255).round() / 255
    painted[:, 20:40, 30:50] = painted[[2, 0, 1], 20:40, 30:50]
    (tmp_path / "key.png").write_bytes(encode_still(painted, format="png"))
    change = Change(put=Keys(keys=(Key(path=tmp_path / "key.png", at=0.32),)))
    out = [frame.data for frame in open_video(run(job(source, tmp_path / "out.mkv", change), on=HERE).output)]
    for n in (2, 8, 14):
        wanted = (frames[n] * 255).round() / 255
        left = 30 + 2 * (8 - n)
        wanted[:, 20:40, left : left + 20] = wanted[[2, 0, 1], 20:40, left : left + 20]
        assert psnr(out[n], wanted) > 30 > psnr(frames[n], wanted)


def test_a_wider_picture_shows_what_other_frames_show_there(tmp_path):
    source = clip(tmp_path, textured(20))
    report = run(job(source, tmp_path / "out.mkv", Change(put=Border(sides=(0, 0, 16, 0)))), on=HERE)
    info = probe(report.output).info
    assert (info.width, info.height) == (112, 64)
    wide = textured(20, (112, 64))
    first = next(iter(open_video(report.output))).data
    original = next(iter(open_video(source))).data
    assert torch.equal(first[..., :96], original)
    behind = textured(28)[8]  # the pan has come to it by then
    assert psnr(first[..., 96:112], behind[..., 80:96]) > 25 and wide.shape[-1] == 112


def test_frames_of_another_shape_follow_the_region(tmp_path):
    source = clip(tmp_path, textured(6))
    report = run(
        job(source, tmp_path / "out.mkv", Change(region=Region.box((70, 0, 96, 64)), put=Crop(aspect="1:2"))), on=HERE
    )
    for before, after in zip(open_video(source), open_video(report.output), strict=True):
        assert torch.equal(after.data, before.data[..., 64:96])


def test_other_pictures_and_colours_go_where_the_region_is(tmp_path):
    source = clip(tmp_path, textured(4))
    (tmp_path / "red.png").write_bytes(
        encode_still(torch.tensor([1.0, 0, 0])[:, None, None].expand(3, 8, 8), format="png")
    )
    changes = [
        Change(region=Region.box((0, 0, 48, 64)), put=Picture(path=tmp_path / "red.png"), strength=0.5),
        Change(region=Region.box((48, 0, 96, 64)), put=Colours(path=tmp_path / "red.png")),
    ]
    before = list(open_video(source))
    for one, other in zip(before, edit(open_video(source), changes), strict=True):
        half = one.data / 2 + torch.tensor([0.5, 0, 0])[:, None, None]
        assert torch.allclose(other.data[..., :48], half[..., :48], atol=1e-4)
        assert (other.data[..., 48:].mean((1, 2)) - torch.tensor([1.0, 0, 0])).abs().max() < 0.15


def test_flicker_is_taken_out_by_the_original(tmp_path):
    frames = textured(12)
    flicker = torch.tensor([0.1 * (-1) ** n for n in range(12)])[:, None, None, None]
    original, edited = clip(tmp_path, frames * 0.6, "a.mkv"), clip(tmp_path, frames * 0.6 + 0.2 + flicker, "b.mkv")
    steady = list(edit(open_video(edited), [Change(put=Steady(path=original))]))
    levels = torch.stack([frame.data.mean() for frame in steady])
    rough = torch.stack([frame.data.mean() for frame in open_video(edited)])
    assert levels.diff().abs().mean() < rough.diff().abs().mean() / 4
    assert psnr(steady[5].data, frames[5] * 0.6 + 0.2) > 30


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (Region.box((200, 10, 220, 30)), "the region is empty"),
        (Region.box((0, 0, 500, 500)), "the region is all of every frame"),
        (Region.box((10, 10, 20, 20), t=99).track(), "the video ends at"),
        (Region(shapes=(Region.box((1, 1, 5, 5)).shapes), start=50), "the region is empty"),
    ],
)
def test_regions_that_make_no_sense_are_refused_in_words(tmp_path, region, words):
    source = clip(tmp_path, textured(6))
    with pytest.raises(UsageError, match=words) as found:
        run(job(source, tmp_path / "out.mkv", Change(region=region, put=Fill(model="none"))), on=HERE)
    assert len(str(found.value).splitlines()) == 3 and "out.mkv" not in listing(tmp_path)


def test_what_cannot_be_used_is_refused_before_any_work(tmp_path):
    source = clip(tmp_path, textured(6))
    (tmp_path / "key.png").write_bytes(encode_still(torch.zeros(3, 8, 8), format="png"))
    (tmp_path / "no.png").write_bytes(b"no picture")
    cases = [
        ((), UsageError, "no change was asked for"),
        ((Change(put=Keys(keys=(Key(path=tmp_path / "key.png", at=0),))),), BadInput, "it is 8x8, the video 96x64"),
        ((Change(region=Region.mask(tmp_path / "no.png")),), BadInput, "no.png"),
        ((Change(region=Region.mask(tmp_path / "absent.png")),), BadInput, "absent.png"),
        ((Change(put=Border(aspect="3:2")),), UsageError, "has this shape already"),
        ((Change(put=Border(aspect="wide")),), UsageError, "no shape of pictures"),
    ]
    for changes, kind, words in cases:
        with pytest.raises(kind, match=words):
            run(job(source, tmp_path / "out.mkv", *changes), on=HERE)
        assert isinstance(kind, type) and issubclass(kind, VidwrightError)
    assert [name for name in listing(tmp_path) if name.startswith("out")] == []
    with pytest.raises(ValidationError):
        Border(sides=(-1, 0, 0, 0))


def test_the_job_is_json_and_back(tmp_path):
    change = Change(
        region=Region.box((1, 2, 30, 40), t=0.4).track(shadows=True).grow(6), put=Fill(), strength=0.5, feather=4
    )
    one = job(tmp_path / "a.mkv", tmp_path / "b.mkv", change, Change(put=Border(aspect="21:9")))
    assert Edit.model_validate_json(one.model_dump_json()) == one
