"""What generated clips of two digits are worth: whether both can be read, and what continuations become.

Shapes: N clips, T frames, C = 1 channel, H height, W width, D = 2 digits, K classes; clips are in [0, 1].
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from vidwright.bench.generate import TOGETHER, Figure, drawn_clips
from vidwright.data.moving_mnist import test_set
from vidwright.models.generate.flow import Net
from vidwright.train.recipes.cnn_lstm import named

#: Frames that are read, from the middle of a clip.
READ = 10


def figures(net: Net, reader: nn.Module, folder: Path, *, clips: int, seeds: int) -> Iterator[Figure]:
    """Of clips with the digits of real ones, and of the second halves of these; `reader` names both digits at once.

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
        read = [_read(reader, clip) == named(labels) for clip in group]
        yield Figure(task, "both digits read", way, tuple(float(each.double().mean()) for each in read), "higher")
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


def rows(net: Net, *, seed: int = 0, clips: int = 5) -> list[list[Tensor]]:
    """Pairs of classes, every other frame: pictures of a contact sheet."""
    labels = torch.tensor([[n % net.config.classes, (n + 5) % net.config.classes] for n in range(clips)])
    made = drawn_clips(net, clips, seed, told=labels)
    return [[frame_CHW.expand(3, -1, -1) for frame_CHW in clip_TCHW[::2]] for clip_TCHW in made]


@torch.inference_mode()
def _read(reader: nn.Module, clip_NTCHW: Tensor) -> Tensor:
    """The pair that the middle frames show, as a class (N,)."""
    start = max((clip_NTCHW.shape[1] - READ) // 2, 0)
    parts = clip_NTCHW[:, start : start + READ].split(TOGETHER)
    return torch.cat([reader(part).argmax(dim=1) for part in parts])
