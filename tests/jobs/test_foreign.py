"""Whole jobs with weights from elsewhere: told by their content, at their own scale, with all of a source's bits."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch

import foreigners
import media
from doing import exact
from vidwright.core.errors import ModelRefused, OutOfMemory
from vidwright.io import probe
from vidwright.jobs.run import run
from vidwright.jobs.work import Local
from vidwright.nn import tile
from writing import numbers

HERE = Local(threads=1)


def nearest(path: Path) -> Path:
    """An ESRGAN that repeats pixels: all that it adds is nothing, and what is left hands three channels on."""
    state = {name: torch.zeros_like(tensor) for name, tensor in foreigners.esrgan(ups=1).items()}
    for name in ("conv_first", "conv_up1", "conv_hr", "conv_last"):
        for channel in range(3):
            state[f"{name}.weight"][channel, channel, 1, 1] = 1
    return foreigners.write(path, state)


def ramp(path: Path, size: tuple[int, int] = (640, 16)) -> np.ndarray:
    """Write two grey frames of ten bits that rise from black to white; their luma."""
    width, height = size
    luma = np.broadcast_to(np.linspace(64, 940, width).round(), (height, width))
    planes = np.concatenate([luma, np.full((height // 2, width), 512)]).astype(np.uint16)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25, width=width, height=height, pix_fmt="yuv420p10le")
        for _ in range(2):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p10le")))
        out.mux(stream.encode(None))
    return luma


def lumas(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as source:
        return [frame.to_ndarray()[: frame.height] for frame in source.decode(video=0)]


def test_a_source_of_ten_bits_keeps_them_in_bf16_too(tmp_path):
    luma = ramp(tmp_path / "in.mkv")
    model = str(nearest(tmp_path / "w.safetensors"))
    report = run(exact(tmp_path / "in.mkv", tmp_path / "out.mkv", model=model, dtype="bf16"), on=HERE)
    assert probe(report.output).info.pixel_format == "yuv420p10le"
    for found in lumas(report.output):
        assert np.abs(found.astype(int) - luma.repeat(2, 0).repeat(2, 1)).max() <= 1
        assert len(np.unique(found)) > 600  # of the 640 that there are; bf16 has no more than 256


def test_the_scale_is_that_of_the_file_where_none_is_asked_for(tmp_path):
    source = media.clip(tmp_path / "in.mp4", frames=3)
    model = foreigners.write(tmp_path / "w.safetensors", foreigners.compact(scale=3))
    report = run(exact(source, tmp_path / "out.mkv", model=str(model), scale=None), on=HERE)
    assert (probe(report.output).info.width, report.frames) == (3 * 64, 3)


def test_pictures_are_the_same_in_tiles_and_memory_that_runs_out_ends_a_job_cleanly(tmp_path, monkeypatch):
    source = media.clip(tmp_path / "in.mkv", frames=3, size=(160, 96))
    model = str(nearest(tmp_path / "w.safetensors"))
    whole = run(exact(source, tmp_path / "whole.mkv", model=model), on=HERE)
    monkeypatch.setattr(tile, "TILE_BYTES", 1)
    tiled = run(exact(source, tmp_path / "tiled.mkv", model=model), on=HERE)
    assert all(map(np.array_equal, lumas(whole.output), lumas(tiled.output)))
    assert numbers(tiled.output) == [0, 1, 2]

    def none_left(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(tile, "tiled", none_left)
    with pytest.raises(OutOfMemory, match=r"about \d+ MB have to be free") as error:
        run(exact(source, tmp_path / "none.mkv", model=model), on=HERE)
    assert error.value.exit_code == 6 and not (tmp_path / "none.mkv").exists()


def test_a_file_of_something_else_ends_a_job_before_it_begins(tmp_path):
    source = media.clip(tmp_path / "in.mp4", frames=2)
    model = foreigners.write(tmp_path / "w.safetensors", {"lora_down.weight": torch.zeros(4, 4)})
    with pytest.raises(ModelRefused, match=r"lora_down\.weight"):
        run(exact(source, tmp_path / "out.mkv", model=str(model)), on=HERE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "w.safetensors"]
