"""Clips through a model and back, bit by bit; whatever is done to the file, never a wrong clip."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core.errors import BadInput, ModelRefused, UsageError, VidwrightError
from vidwright.data.seeding import generator
from vidwright.entropy import blocks
from vidwright.entropy.seal import seal
from vidwright.jobs import lossless
from vidwright.jobs.lossless import compress_lossless, decompress_lossless, negative_log_likelihood
from vidwright.models.generate import cnn_lstm


def one_hot(frame_BCHW: Tensor, classes: int) -> Tensor:
    """(B, K, H, W) of a frame in [0, 1]."""
    return F.one_hot((frame_BCHW[:, 0] * (classes - 1)).round().long(), classes).movedim(-1, 1).float()


class Gru(nn.Module):
    """A small convolutional GRU over one-hot frames: real floats whose sums are rounded."""

    def __init__(self, classes: int = 2, width: int = 8) -> None:
        super().__init__()
        self.classes, self.width, self.tilt = classes, width, 0.0
        self.gates = nn.Conv2d(classes + width, 2 * width, 3, padding=1)
        self.new = nn.Conv2d(classes + width, width, 3, padding=1)
        self.head = nn.Conv2d(width, classes, 1)
        random = generator(21, classes, width)
        for weight in self.parameters():
            nn.init.uniform_(weight, -0.6, 0.6, generator=random)

    def start(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        state_BCHW = torch.zeros(batch, self.width, *size)
        return self.head(state_BCHW), state_BCHW

    def step(self, frame_BCHW: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        seen = one_hot(frame_BCHW, self.classes)
        keep, read = self.gates(torch.cat([seen, state], 1)).sigmoid().chunk(2, 1)
        state = keep * state + (1 - keep) * self.new(torch.cat([seen, read * state], 1)).tanh()
        return 6 * self.head(state) + 3 * seen + self.tilt * seen, state


class Repeat(nn.Module):
    """What was there comes again, 55 times likelier than each other class: logits that every machine has exactly."""

    def start(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, None]:
        return torch.zeros(batch, 4, *size), None

    def step(self, frame_BCHW: Tensor, state: None) -> tuple[Tensor, None]:
        return 4 * one_hot(frame_BCHW, 4), None


@torch.no_grad()
def drawn(model: Gru, clips: int, frames: int, size: tuple[int, int], seed: int = 5) -> Tensor:
    """(N, T, 1, H, W) clips that follow the model."""
    random = generator(seed)
    logits, state = model.start(clips, size)
    made: list[Tensor] = []
    for _ in range(frames):
        rows = logits.movedim(1, -1).softmax(-1).flatten(0, -2)
        made.append(torch.multinomial(rows, 1, generator=random).view(clips, 1, *size).to(torch.uint8))
        logits, state = model.step(made[-1] / (model.classes - 1), state)
    return torch.stack(made, 1)


@pytest.fixture(scope="module")
def model() -> Gru:
    return Gru()


@pytest.fixture(scope="module")
def small(model) -> tuple[Tensor, bytes]:
    clip = drawn(model, 1, 3, (6, 7))[0]
    return clip, compress_lossless(clip, model)


@pytest.mark.parametrize(("classes", "size"), [(2, (16, 16)), (5, (9, 13)), (256, (5, 4)), (2, (1, 1))])
def test_a_clip_comes_back_exactly(classes, size):
    model = Gru(classes)
    clip = drawn(model, 1, 4, size)[0]
    back = decompress_lossless(compress_lossless(clip, model), model)
    assert back.dtype == torch.uint8 and back.shape == (4, 1, *size)
    assert torch.equal(back, clip)


@pytest.mark.parametrize("levels", [2, 8])
def test_the_generator_is_such_a_model(levels):
    torch.manual_seed(0)
    net = cnn_lstm.Net(cnn_lstm.Config(width=4, motions=1, reach=1, levels=levels))
    clip = torch.randint(0, levels, (3, 1, 18, 21), generator=generator(9)).to(torch.uint8)
    assert torch.equal(decompress_lossless(compress_lossless(clip, net), net), clip)
    pixels = clip / (levels - 1)
    assert torch.equal(net.quantised(pixels), clip.long())  # its steps are the codec's
    logits_TKHW = net(pixels[None])[0].detach()
    nats = F.cross_entropy(logits_TKHW, clip[:, 0].long(), reduction="sum")
    assert negative_log_likelihood(clip, net) == pytest.approx(float(nats), rel=1e-4)


def test_pixels_that_no_model_foresees_come_back_too(model):
    clip = torch.randint(0, 2, (3, 1, 11, 8), generator=generator(3)).to(torch.uint8)
    assert torch.equal(decompress_lossless(compress_lossless(clip, model), model), clip)


def test_sixty_four_clips_in_one_file_cost_their_likelihood(model, monkeypatch):
    clips = drawn(model, 64, 6, (16, 16))
    data = compress_lossless(clips, model)
    assert torch.equal(decompress_lossless(data, model), clips)
    nats = negative_log_likelihood(clips, model)
    likelihood = nats / 8 / torch.log(torch.tensor(2.0)).item()
    assert likelihood < len(data) < 1.01 * likelihood
    monkeypatch.setattr(blocks, "BLOCK_ENTRIES", 5000)  # many blocks instead of one
    pieces = compress_lossless(clips, model)
    assert len(pieces) > len(data) + 100
    assert torch.equal(decompress_lossless(pieces, model), clips)


def test_the_likelihood_is_the_models(model):
    clip = drawn(model, 1, 3, (8, 8))[0]
    with torch.no_grad():
        logits, state = model.start(1, (8, 8))
        expected = 0.0
        for frame in clip[:, None]:
            expected += float(F.cross_entropy(logits, frame[:, 0].long(), reduction="sum"))
            logits, state = model.step(frame, state)
    assert negative_log_likelihood(clip, model) == pytest.approx(expected, rel=1e-5)


def test_the_file_is_this(monkeypatch):
    """Golden bytes: whoever changes the format gives it another name. The checksum of no weights is SHA-256 of ""."""
    monkeypatch.setattr(lossless, "_torch_version", lambda: (2, 13, 0))
    monkeypatch.setattr(lossless, "_processor", lambda: 2)
    clip = torch.arange(3 * 5 * 6).remainder(4).view(3, 1, 5, 6).to(torch.uint8)
    data = compress_lossless(clip, Repeat())
    front = b"vwl1" + hashlib.sha256(b"").digest()[:4] + bytes([2, 13, 0, 2, 4, 0, 3, 5, 6])
    assert data.startswith(front)
    assert data[len(front) :].hex() == (
        "73c1d2ea9d0a56fac04b2f010ae9c2ff36bf71075791bb0006c112fb796adf06"
        "5bdbc4fdb3c998f900f13c009346963a39390d3639393939f9918d7b63b7"
    )
    assert torch.equal(decompress_lossless(data, Repeat()), clip)


def test_what_torch_was_set_to_makes_no_difference_and_stays(model):
    clip = drawn(model, 8, 5, (16, 16))  # large enough that some table feels the last bit of its logits
    data = compress_lossless(clip, model)
    other = Gru().to(memory_format=torch.channels_last).train()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert compress_lossless(clip, other) == data
            assert torch.equal(decompress_lossless(data, other), clip)
        assert torch.get_num_threads() == 2 and torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_num_threads(before)
        torch.set_float32_matmul_precision("highest")
    assert other.training and other.new.training
    assert other.gates.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.is_grad_enabled()


def test_another_process_decodes_it(model, tmp_path: Path):
    clips = drawn(model, 9, 3, (12, 10))
    (tmp_path / "clips.vwl").write_bytes(compress_lossless(clips, model))
    code = (
        "import sys; from test_lossless import *;"
        "torch.set_num_threads(3);"
        "back = decompress_lossless(Path(sys.argv[1]).read_bytes(), Gru());"
        "print(hashlib.sha256(back.numpy().tobytes()).hexdigest())"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "clips.vwl")],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == hashlib.sha256(clips.numpy().tobytes()).hexdigest()


def test_every_flipped_bit_is_found(model, small):
    _, data = small
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadInput) as caught:
            decompress_lossless(bytes(damaged), model, name="a.vwl")
        assert str(caught.value).startswith("a.vwl\n  cause: ") and str(caught.value).count("\n") == 2


def test_every_cut_and_every_addition_is_found(model, small):
    _, data = small
    for wrong in (*(data[:kept] for kept in range(len(data))), data + b"\0", data + data):
        with pytest.raises(BadInput):
            decompress_lossless(wrong, model)


@settings(deadline=None)
@given(st.binary(max_size=80), st.integers(0, 17))
def test_random_bytes_are_refused(tail, kept):
    with pytest.raises(VidwrightError):
        decompress_lossless((b"vwl1" + bytes([9, 9, 9, 9, 2, 13, 0, 2, 2, 0, 3, 5, 6]))[:kept] + tail, Gru())


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_a_forged_file_with_a_sound_seal_gives_no_clip(payload):
    """Whoever can compute a CRC can write any block; the pixels' own checksum is then what is left."""
    clip = torch.zeros(2, 1, 3, 3, dtype=torch.uint8)
    whole = compress_lossless(clip, Repeat())
    with pytest.raises(VidwrightError):
        decompress_lossless(seal(whole[:17], [payload]), Repeat())


@pytest.mark.parametrize("shape", [b"\0\xff\xff\x3f\xff\x7f\xff\x7f", b"\x01\x01\x80\x80\x01\x80\x80\x01"])
def test_a_forged_size_is_refused_before_it_costs_anything(shape):
    whole = compress_lossless(torch.zeros(1, 1, 3, 3, dtype=torch.uint8), Repeat())
    with pytest.raises(BadInput, match="claims more pixels"):
        decompress_lossless(seal(whole[:13] + shape, [b"1234"]), Repeat())


def test_other_weights_are_refused(model, small):
    other = Gru()
    with torch.no_grad():
        other.head.bias[0] += 1e-6
    with pytest.raises(ModelRefused, match=r"made with the weights [0-9a-f]{8}, and these are [0-9a-f]{8}"):
        decompress_lossless(small[1], other)


def test_other_probabilities_from_the_same_weights_are_named(small):
    """As another torch or another processor would give them, only more so."""
    other = Gru()
    other.tilt = 0.5
    with pytest.raises(ModelRefused, match=r"made by torch \d+\.\d+\.\d+ on .*; this is torch .* other probabilities"):
        decompress_lossless(small[1], other)


def test_what_is_no_clip_is_refused(model):
    clip = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    for wrong in (clip.float(), clip.bool(), clip[0], clip.expand(2, 3, 4, 4), clip[:0], clip[None, None]):
        with pytest.raises(UsageError, match="the clip"):
            compress_lossless(wrong, model)
    with pytest.raises(BadInput, match="holds the value 2, and the model knows the 2 classes 0 to 1"):
        compress_lossless(clip + 2, model)


def test_a_model_of_another_kind_is_refused():
    with pytest.raises(UsageError, match="no probabilities of pixels"):
        compress_lossless(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), nn.Linear(2, 2))  # type: ignore[arg-type]


def test_a_model_that_broke_is_refused(model):
    broken = Gru()
    with torch.no_grad():
        broken.head.bias[0] = torch.nan
    with pytest.raises(ModelRefused, match="not finite"):
        compress_lossless(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), broken)
