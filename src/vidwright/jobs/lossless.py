"""A model that gives exact probabilities is a lossless codec: each pixel costs what the model finds it unlikely.

    clips --frame--> model.step --logits--> integer tables --.
       '------------- the next frame's classes -------------> rANS --> blocks --> file
    file --> blocks --> rANS --classes of the next frame--> clips, and into model.step for the frame after

Writer and reader run one and the same loop, `_walk`, over the same operations: a float32 copy of the model on the CPU,
one thread, the same clips side by side. Only integer tables reach the coder. The floats behind them are equal where
torch's version and the kind of processor are; where they are not, a checksum over the pixels says so, and no wrong clip
is ever given.

A file is "vwl1", the fields of `_HEADER`, and sealed blocks (`entropy/seal.py`, `entropy/blocks.py`): about 30
bytes besides the pixels.

Shapes: N clips, T frames, B clips side by side, K classes, H height, W width.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core.errors import BadInput, ModelRefused, UsageError
from vidwright.entropy.blocks import BlockReader, BlockWriter, OtherSymbols
from vidwright.entropy.fields import Layout, Raw, Source, Whole
from vidwright.entropy.seal import seal, unseal
from vidwright.nn.threads import one_torch_thread

MAGIC = b"vwl1"
#: Clips of a file that run side by side. Part of the format, because the batch decides how sums are rounded.
TOGETHER = 8
#: A file may be a stranger's, and must not be able to ask for all memory: logits of one step, pixels of all clips.
MOST_LOGITS = 2**28
MOST_PIXELS = 2**31

#: Kinds of processor by torch's names for what it computes with; a file holds the place in this list.
_PROCESSORS = ("another processor", "DEFAULT", "AVX2", "AVX512", "NEON", "SVE256", "VSX", "ZVECTOR")


class FrameDistribution(Protocol):
    """A network (`nn.Module`) that gives the distribution of each pixel of the next frame, those before it known.

    `start` gives the logits (B, K, H, W) of the first frame and a state; `step` takes the frame that came, (B, 1, H, W)
    in [0, 1] in K equal steps, and gives the next ones. Both are pure functions of their arguments and the weights.
    """

    def start(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, Any]: ...
    def step(self, frame_BCHW: Tensor, state: Any) -> tuple[Tensor, Any]: ...
    def parameters(self) -> Iterator[Any]: ...
    def buffers(self) -> Iterator[Tensor]: ...
    def state_dict(self) -> dict[str, Any]: ...
    def eval(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Header:
    """What the decoder must know; `clips` is 0 for a clip by itself."""

    weights: bytes
    torch_major: int
    torch_minor: int
    torch_patch: int
    processor: int
    classes: int
    clips: int
    frames: int
    height: int
    width: int

    @property
    def batches(self) -> list[int]:
        """How many clips run side by side, batch by batch."""
        count = max(self.clips, 1)
        return [min(TOGETHER, count - first) for first in range(0, count, TOGETHER)]

    @property
    def too_large(self) -> bool:
        """Whether no such file is written."""
        area = self.height * self.width
        return (
            self.batches[0] * self.classes * area > MOST_LOGITS or max(self.clips, 1) * self.frames * area > MOST_PIXELS
        )


_HEADER = Layout(
    _Header,
    weights=Raw(4),
    torch_major=Whole(0, 999),
    torch_minor=Whole(0, 999),
    torch_patch=Whole(0, 999),
    processor=Whole(0, len(_PROCESSORS) - 1),
    classes=Whole(2, 256),
    clips=Whole(0, 2**20),
    frames=Whole(1, 2**20),
    height=Whole(1, 2**14),
    width=Whole(1, 2**14),
)


def compress_lossless(clip: Tensor, model: FrameDistribution) -> bytes:
    """The file of `clip` under `model`: uint8 classes, one clip (T, 1, H, W) or several alike (N, T, 1, H, W).

    A clip of K classes holds 0 to K - 1: a grey clip as it is when the model knows 256, a binarised one as 0 and 1.
    The size is the model's negative log-likelihood to 0.1 %, and some 30 bytes, which several clips share. Decoding
    takes the same weights, torch version and kind of processor: decode once before you delete the source. Torch's
    thread count is 1 while this runs. Raises `UsageError` for a tensor or a model of another kind, `BadInput` for
    values that are no class, `ModelRefused` for logits that are not finite.
    """
    clips_NTHW = _as_clips(clip)
    with _reproducible(model) as plain:
        header = _header(clip, plain)
        writer, frames = BlockWriter(), _frames(clips_NTHW)

        def exchange(logits_BKHW: Tensor) -> Tensor:
            frame_BHW = next(frames)
            writer.put(frame_BHW.flatten(), _by_pixel(logits_BKHW))
            return frame_BHW

        for _ in _walk(plain, header, exchange):
            pass
    return seal(MAGIC + _HEADER.write(header), writer.finish())


def decompress_lossless(data: bytes, model: FrameDistribution, *, name: str | Path = "the lossless file") -> Tensor:
    """The clip in `data`, exactly as `compress_lossless` got it; `name` is what errors call the file.

    Raises `BadInput` for a file that is foreign or damaged, before the model runs, and `ModelRefused` when the model's
    weights are not those that made it, or when this machine computes other probabilities from them.
    """
    header, blocks = _open(data, name)
    with _reproducible(model) as plain:
        if (mine := _fingerprint(plain)) != header.weights:
            cause = f"it was made with the weights {header.weights.hex()}, and these are {mine.hex()}"
            raise ModelRefused(name, cause, "load the weights that made it")
        reader = BlockReader(blocks)

        def exchange(logits_BKHW: Tensor) -> Tensor:
            return reader.take(_by_pixel(logits_BKHW)).view_as(logits_BKHW[:, 0])

        try:
            frames = list(_walk(plain, header, exchange))
            reader.finish()
        except OtherSymbols as error:
            raise _other_machine(name, header) from error
        except ValueError as error:
            raise BadInput(name, f"it is damaged: {error}", "get another copy of it") from error
    parts = [torch.stack(frames[at : at + header.frames], 1) for at in range(0, len(frames), header.frames)]
    clips_NTCHW = torch.cat(parts)[:, :, None]
    return clips_NTCHW if header.clips else clips_NTCHW[0]


def negative_log_likelihood(clip: Tensor, model: FrameDistribution) -> float:
    """Nats that `clip` costs by the model's own logits; arguments and errors are those of `compress_lossless`."""
    clips_NTHW = _as_clips(clip)
    nats: list[float] = []
    with _reproducible(model) as plain:
        header, frames = _header(clip, plain), _frames(clips_NTHW)

        def exchange(logits_BKHW: Tensor) -> Tensor:
            frame_BHW = next(frames)
            nats.append(float(F.cross_entropy(logits_BKHW.double(), frame_BHW.long(), reduction="sum")))
            return frame_BHW

        for _ in _walk(plain, header, exchange):
            pass
    return sum(nats)


def _walk(model: FrameDistribution, header: _Header, exchange: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
    """The frames (B, H, W) of all clips, B clips at a time; `exchange` gives each for its logits (B, K, H, W)."""
    size = header.height, header.width
    for batch in header.batches:
        logits_BKHW, state = model.start(batch, size)
        for left in reversed(range(header.frames)):
            if logits_BKHW.shape != (batch, header.classes, *size):
                shape = tuple(logits_BKHW.shape)
                raise ModelRefused("the model", f"it gives logits of the shape {shape}", "use a next-frame model")
            frame_BHW = exchange(logits_BKHW)
            yield frame_BHW
            if left:
                logits_BKHW, state = model.step(frame_BHW[:, None].float() / (header.classes - 1), state)


def _frames(clips_NTHW: Tensor) -> Iterator[Tensor]:
    """The frames (B, H, W) in the order of `_walk`."""
    for clips_BTHW in torch.split(clips_NTHW, TOGETHER):
        yield from clips_BTHW.unbind(1)


def _by_pixel(logits_BKHW: Tensor) -> Tensor:
    """A row for each pixel of all clips, in reading order."""
    return logits_BKHW.movedim(1, -1).flatten(0, 2)


def _open(data: bytes, name: str | Path) -> tuple[_Header, list[bytes]]:
    """Header and blocks of a file, after all of it was checked."""
    source = Source(data, name)
    if data[:3] != MAGIC[:3]:
        raise BadInput(name, "it is not a lossless file of vidwright", "check which file it is")
    if (magic := source.take(len(MAGIC))) != MAGIC:
        raise BadInput(name, f"its version {magic[3:]!r} is unknown, or it is damaged", "update vidwright to read it")
    header = _HEADER.read(source)
    blocks = unseal(data[: len(data) - source.left], source)
    if header.too_large:
        raise source.damaged("it claims more pixels than any such file holds")
    return header, blocks


def _header(clip: Tensor, model: FrameDistribution) -> _Header:
    """The header of a new file; raises `BadInput` for a clip that the model cannot code."""
    frames, _, height, width = clip.shape[-4:]
    classes = model.start(1, (height, width))[0].shape[1]
    if (most := int(clip.max())) >= classes:
        cause = f"it holds the value {most}, and the model knows the {classes} classes 0 to {classes - 1}"
        raise BadInput("the clip", cause, f"bring it to {classes} classes, or use a model that knows more")
    header = _Header(
        _fingerprint(model),
        *_torch_version(),
        processor=_processor(),
        classes=classes,
        clips=clip.shape[0] if clip.dim() == 5 else 0,
        frames=frames,
        height=height,
        width=width,
    )
    if header.too_large:
        raise BadInput("the clip", "it has more pixels than fit one file", "compress it in parts, or smaller")
    return header


def _as_clips(clip: Tensor) -> Tensor:
    """`clip` as (N, T, H, W); raises `UsageError` for a tensor of another kind."""
    if clip.dtype != torch.uint8 or clip.dim() not in (4, 5) or clip.shape[-3] != 1 or clip.numel() == 0:
        kind = f"{str(clip.dtype).removeprefix('torch.')} {tuple(clip.shape)}"
        raise UsageError(
            "the clip", f"it is {kind}", "give uint8 (T, 1, H, W), or (N, T, 1, H, W), of at least a pixel"
        )
    return clip.cpu().reshape(-1, clip.shape[-4], *clip.shape[-2:])


def _other_machine(name: str | Path, header: _Header) -> ModelRefused:
    made = _machine(header.torch_major, header.torch_minor, header.torch_patch, header.processor)
    here = _machine(*_torch_version(), _processor())
    cause = f"it was made by {made}; this is {here}, where the same weights give other probabilities"
    return ModelRefused(name, cause, "decode it with the torch, and on the kind of machine, that made it")


def _machine(major: int, minor: int, patch: int, processor: int) -> str:
    return f"torch {major}.{minor}.{patch} on {_PROCESSORS[processor]}"


def _torch_version() -> tuple[int, int, int]:
    numbers = re.findall(r"\d+", torch.__version__)
    return int(numbers[0]), int(numbers[1]), int(numbers[2])


def _processor() -> int:
    kind = torch.backends.cpu.get_cpu_capability()
    return _PROCESSORS.index(kind) if kind in _PROCESSORS else 0


def _fingerprint(model: FrameDistribution) -> bytes:
    """Four bytes of the SHA-256 of the names, shapes and values of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.digest()[:4]


@contextmanager
def _reproducible(model: FrameDistribution) -> Generator[FrameDistribution]:
    """A copy of `model` and a setting of torch in which all that decides rounding is as in every other run.

    The copy is float32, on the CPU, for use and not for training, and its weights lie in the plain order: with weights
    in the order of `channels_last`, which `load` gives them, torch runs other code, which rounds otherwise.
    """
    if not hasattr(model, "start"):
        step = "use one that predicts frames, such as generate/cnn_lstm with its preset next-frame"
        raise UsageError("the model", "it gives no probabilities of pixels", step)
    plain = copy.deepcopy(model)
    plain.eval()
    for tensor in (*plain.parameters(), *plain.buffers()):
        dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
        tensor.data = torch.empty(tensor.shape, dtype=dtype).copy_(tensor.detach())
    precision = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("highest")
        with one_torch_thread(), torch.no_grad(), torch.autocast("cpu", enabled=False):
            yield plain
    finally:
        torch.set_float32_matmul_precision(precision)
