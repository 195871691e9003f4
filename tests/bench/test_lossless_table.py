"""The table counts real files, of codecs that gave the pixels back."""

from __future__ import annotations

import json
import lzma

import pytest
import torch
from torch import Tensor, nn

from vidwright.bench import lossless
from vidwright.bench.lossless import lossless_table
from vidwright.core.errors import JobFailed
from vidwright.data.seeding import generator
from vidwright.jobs.lossless import compress_lossless


class Still(nn.Module):
    """Each pixel stays as it is with the probability 0.9526 (logits 3 apart)."""

    def start(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, None]:
        return torch.zeros(batch, 2, *size), None

    def step(self, frame_BCHW: Tensor, state: None) -> tuple[Tensor, None]:
        return torch.cat([1 - frame_BCHW, frame_BCHW], 1) * 3, None


@pytest.fixture(scope="module")
def clips() -> Tensor:
    """Three clips of ten frames, the first noise, each later one with a twentieth of its pixels changed."""
    random = generator(8)
    flips = torch.rand(3, 10, 1, 32, 32, generator=random) < 0.047
    flips[:, 0] = torch.rand(3, 1, 32, 32, generator=random) < 0.5
    return flips.cumsum(1).remainder(2).to(torch.uint8)


def test_ours_is_the_likelihood_and_beats_codecs_that_know_less(clips):
    table = lossless_table(clips, Still())
    ours, *others = table.costs
    assert [cost.codec for cost in others] == ["ffv1", "x264", "vp9", "xz"]
    assert ours.file == len(compress_lossless(clips, Still()))
    assert 0 < table.excess < 0.05
    assert ours.stream < min(cost.stream for cost in others)
    for cost in others:
        assert cost.stream < cost.file and cost.streams < cost.files
    # The clips were made by the model's own law: a bit for a pixel of the first frame, its entropy for the others.
    entropy = 3 * 1024 * (1 + 9 * 0.2749) / 8
    assert table.likelihood == pytest.approx(entropy, rel=0.05)
    xz = lzma.compress(clips.numpy().tobytes(), preset=9 | lzma.PRESET_EXTREME)
    assert others[-1].file == len(xz)


def test_the_table_reads_as_text_and_as_json(clips):
    table = lossless_table(clips[:1, :2], Still())
    lines = str(table).splitlines()
    assert lines[0] == "1 clips of 2 frames, 32x32; bytes"
    assert lines[1].split() == ["codec", "stream", "file", "streams", "files", "bits/pixel", "of", "ours"]
    assert [line.split()[0] for line in lines[3:]] == [cost.codec for cost in table.costs]
    assert lines[3].split()[-1] == "1.00"
    back = json.loads(json.dumps(table.as_dict()))
    assert back["costs"][0]["file"] == table.costs[0].file and back["likelihood"] == table.likelihood


def test_a_codec_that_loses_is_no_row(clips, monkeypatch):
    monkeypatch.setattr(lossless, "decompress_lossless", lambda data, model: clips[:1, :2] ^ 1)
    with pytest.raises(JobFailed, match="other pixels"):
        lossless_table(clips[:1, :2], Still())
