"""What generated clips of two digits are worth: whether both can be read, and what continuations become.

    frame --parts of joined ink--> two of a digit's size? --each as one digit of 16 in 32x32--> reader --> a pair
                                        no: not read

The pair that all frames that can be read speak for is what a clip shows.

Shapes: N clips, T frames, C = 1 channel, H height, W width, D = 2 digits, K classes; clips are in [0, 1].
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.bench.generate import SIZE, TOGETHER, Figure, drawn_clips
from vidwright.data.moving_mnist import SMALL, resized, test_set
from vidwright.models.generate.flow import Net

Parts = np.ndarray[Any, np.dtype[np.int32]]

#: What is brighter is ink, and so many of its pixels are more than a speck.
INK, SPECK = 0.2, 12
#: The side of a digit, and of the box in it that MNIST fits its ink into, with what smoothing adds.
SIDE, BOX = 28, 22


def figures(net: Net, reader: nn.Module, folder: Path, *, clips: int, seeds: int) -> Iterator[Figure]:
    """Of clips with the digits of real ones, and of the second halves of these; `reader` names the digit of a picture.

    Raises `BadInput` for a folder without MNIST's files.
    """
    frames = net.config.length
    samples = test_set(folder, frames=frames)
    made = [samples.sample(0, k) for k in range(clips)]
    truth, labels = torch.stack([each["clip"] for each in made]).float() / 255, torch.stack([e["labels"] for e in made])
    began = time.process_time()
    told = [drawn_clips(net, clips, seed, told=labels) for seed in range(seeds)]
    seconds = time.process_time() - began
    task = "from two classes"
    for way, group in {"real": [truth], "one by one": told}.items():
        for measure, part in {"both digits read": slice(None), "of the later half": slice(frames // 2, None)}.items():
            right = tuple(both_read(reader, clip[:, part], labels) for clip in group)
            yield Figure(task, measure, way, right, "higher")
        ink = tuple(float(clip.sum(dim=(-3, -2, -1)).mean()) for clip in group)
        yield Figure(task, "ink, pixels", way, ink)
    yield Figure(task, "clips per CPU-second", "one by one", (seeds * clips / seconds,), "higher")

    given, task = frames // 2, "continuation, half of the frames given"
    count, rest = min(clips, TOGETHER), truth[:TOGETHER, given:]
    before = {n - given: 2 * truth[:count, n] - 1 for n in range(given)}
    ours = [drawn_clips(net, count, seed, given=before, length=frames - given) for seed in range(seeds)]
    copies = [truth[:count, given - 1 : given].expand_as(rest)]
    for way, group in {"ours": ours, "copy last": copies, "black": [torch.zeros_like(rest)]}.items():
        errors = tuple(float((clip - rest).double().square().mean()) for clip in group)
        yield Figure(task, "MSE", way, errors, "lower")


def both_read(reader: nn.Module, clip_NTCHW: Tensor, labels_ND: Tensor) -> float:
    """The share of clips that are read as the two digits of their labels; one that is never read is wrong."""
    pairs = [pair(reader, clip_TCHW) for clip_TCHW in clip_NTCHW]
    right = [read == tuple(sorted(label)) for read, label in zip(pairs, labels_ND.tolist(), strict=True)]
    return sum(right) / len(right)


@torch.inference_mode()
def pair(reader: nn.Module, clip_TCHW: Tensor) -> tuple[int, int] | None:
    """The two digits of a clip, the smaller first; None if they lie apart in no frame."""
    found = [parts for frame_HW in clip_TCHW[:, 0] if (parts := apart(frame_HW)) is not None]
    if not found:
        return None
    one_FK, other_FK = reader(torch.cat(found)[:, None]).log_softmax(dim=-1).unflatten(0, (-1, 2)).unbind(1)
    both_FKK = one_FK[:, :, None] + other_FK[:, None]
    score_KK = torch.maximum(both_FKK, both_FKK.mT).sum(dim=0)  # which is which may change from frame to frame
    pairs = itertools.combinations_with_replacement(range(len(score_KK)), 2)
    return max(pairs, key=lambda each: float(score_KK[each]))


def apart(frame_HW: Tensor) -> Tensor | None:
    """The two digits of a frame as pictures of one, (2, 1, H, W) of `SMALL`; None where there are not two apart."""
    ink = frame_HW.numpy() > INK
    parts, count = cast("tuple[Parts, int]", ndimage.label(ink, structure=np.ones((3, 3))))
    digits = [part for n in range(1, count + 1) if (part := parts == n).sum() >= SPECK]
    if len(digits) != 2 or any(max(np.ptp(axis) + 1 for axis in part.nonzero()) > BOX for part in digits):
        return None
    return torch.stack([_alone(frame_HW, torch.from_numpy(part)) for part in digits])


def rows(net: Net, *, seed: int = 0, clips: int = 5) -> list[list[Tensor]]:
    """Pairs of classes, every other frame: pictures of a contact sheet."""
    labels = torch.tensor([[n % net.config.classes, (n + 5) % net.config.classes] for n in range(clips)])
    made = drawn_clips(net, clips, seed, told=labels)
    return [[frame_CHW.expand(3, -1, -1) for frame_CHW in clip_TCHW[::2]] for clip_TCHW in made]


def _alone(frame_HW: Tensor, part_HW: Tensor) -> Tensor:
    """The digit under a mask as MNIST has it, its centre of mass in the middle, of `SMALL`'s size: (1, H, W)."""
    digit_HW = frame_HW * part_HW
    room = F.pad(digit_HW, (SIDE,) * 4)
    places_P2 = digit_HW.nonzero() + 0.5  # as MNIST has it, between pixels where its size is even
    weight_P1 = digit_HW[digit_HW > 0][:, None]
    middle = (places_P2 * weight_P1).sum(dim=0) / weight_P1.sum()
    top, left = (middle + SIDE // 2).round().int().tolist()
    own = room[top : top + SIDE, left : left + SIDE].mul(255).round().to(torch.uint8)
    small = torch.from_numpy(resized(own.numpy()[None], SMALL["digit"]))
    return F.pad(small.float() / 255, ((SIZE[1] - SMALL["digit"]) // 2,) * 4)
