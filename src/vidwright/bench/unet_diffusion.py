"""What `generate/flow` is measured against: a video U-Net that takes noise away, at the same data and processor time.

    x_t --1x7x7--> [block block attention in space, in time | 1/2] x levels --> middle --> the same upwards --> noise

Of the shape that is most often begun with: Ho et al. 2022 ("Video Diffusion Models"), a U-Net of convolutions in space
with attention in time at every level, 1,000 steps of a cosine schedule (Nichol and Dhariwal 2021), the noise as what is
predicted, by its absolute error. Sampled in 50 steps without fresh noise (Song et al. 2020, DDIM), which is kinder to
it than its thousand. Written here anew, for the benchmark alone.

Shapes: B clips, T frames, C channels, H height, W width; N = B T frames by themselves; V width of the condition.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.data.samples import Samples
from vidwright.data.seeding import generator
from vidwright.nn.attention import SpaceTimeAttention

#: Steps of training's schedule, and of sampling.
TIMES, STEPS = 1000, 50
#: Clips of a batch, and how often a class is not told.
BATCH, UNTOLD = 8, 0.1
LEARNING_RATE, DECAY = 3e-4, 0.995
#: How strictly samples keep to their class.
GUIDANCE = 2.0
GROUPS, HEADS = 8, 4
#: Seconds of processor time in which the pace of a CPU is found.
PACED = 30.0
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Shape:
    """`width` of the finest level and how many times that each has; `classes` that it can be told."""

    width: int = 32
    levels: tuple[int, ...] = (1, 2, 4)
    classes: int = 10


class Block(nn.Module):
    """Two convolutions with group norms, scaled and shifted by the condition, beside the input."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.first, self.second = (
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        self.norms = nn.ModuleList(nn.GroupNorm(GROUPS, outputs) for _ in range(2))
        self.modulate = nn.Linear(condition, 2 * outputs)
        self.beside = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x_NCHW: Tensor, told_NV: Tensor) -> Tensor:
        scale_NC, shift_NC = self.modulate(F.silu(told_NV)).chunk(2, dim=1)
        inner_NCHW = self.norms[0](self.first(x_NCHW)) * (scale_NC + 1)[..., None, None] + shift_NC[..., None, None]
        return self.beside(x_NCHW) + F.silu(self.norms[1](self.second(F.silu(inner_NCHW))))


class Attention(nn.Module):
    """Attention in space or in time, normalised in front and added."""

    def __init__(self, width: int, over: str) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.attention = SpaceTimeAttention(width, HEADS, over=over)  # pyright: ignore[reportArgumentType]

    def forward(self, x_NCHW: Tensor, frames: int) -> Tensor:
        tokens = self.norm(x_NCHW).permute(0, 2, 3, 1).unflatten(0, (-1, frames))
        return x_NCHW + self.attention(tokens).flatten(0, 1).permute(0, 3, 1, 2)


class Level(nn.Module):
    """What each level does, downwards or upwards: two blocks, attention in time, and in space where it is cheap."""

    def __init__(self, inputs: int, outputs: int, condition: int, *, space: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(inputs, outputs, condition), Block(outputs, outputs, condition)])
        self.attentions = nn.ModuleList(Attention(outputs, over) for over in (["space"] * space + ["time"]))

    def forward(self, x_NCHW: Tensor, told_NV: Tensor, frames: int) -> Tensor:
        for block in self.blocks:
            x_NCHW = block(x_NCHW, told_NV)
        for attention in self.attentions:
            x_NCHW = attention(x_NCHW, frames)
        return x_NCHW


class UNet(nn.Module):
    """The noise in clips, all of whose frames have as much."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        widths, condition = [shape.width * by for by in shape.levels], 4 * shape.width
        self.entry = nn.Conv2d(1, widths[0], 7, padding=3)
        self.first = Attention(widths[0], "time")
        self.time = nn.Sequential(nn.Linear(shape.width, condition), nn.GELU(), nn.Linear(condition, condition))
        self.labels = nn.Embedding(shape.classes + 1, condition)  # the last says nothing
        pairs = list(pairwise([widths[0], *widths]))
        self.falls = nn.ModuleList(Level(a, b, condition, space=n == len(pairs) - 1) for n, (a, b) in enumerate(pairs))
        self.shrinks = nn.ModuleList(nn.Conv2d(b, b, 4, stride=2, padding=1) for b in widths[:-1])
        self.middle = Level(widths[-1], widths[-1], condition, space=True)
        self.rises = nn.ModuleList(
            Level(2 * b, a, condition, space=n == len(pairs) - 1) for n, (a, b) in reversed(list(enumerate(pairs)))
        )
        self.grows = nn.ModuleList(nn.ConvTranspose2d(a, a, 4, stride=2, padding=1) for a, _ in reversed(pairs[1:]))
        self.exit = nn.Sequential(nn.GroupNorm(GROUPS, widths[0]), nn.SiLU(), nn.Conv2d(widths[0], 1, 1))

    def forward(self, x_BTCHW: Tensor, step_B: Tensor, label_B: Tensor) -> Tensor:
        """Of clips after `step` of `TIMES` steps of noise; a label of -1 says nothing."""
        frames = x_BTCHW.shape[1]
        half = self.shape.width // 2
        rate_F = torch.exp(-math.log(10_000) * torch.arange(half, device=step_B.device) / (half - 1))
        angle_BF = step_B[:, None] * rate_F
        label_B = torch.where(label_B < 0, self.shape.classes, label_B)
        told_BV = self.time(torch.cat([angle_BF.sin(), angle_BF.cos()], dim=1)) + self.labels(label_B)
        told_NV = told_BV.repeat_interleave(frames, dim=0)
        x_NCHW = self.first(self.entry(x_BTCHW.flatten(0, 1)), frames)
        kept: list[Tensor] = []
        for n, level in enumerate(self.falls):
            x_NCHW = level(x_NCHW, told_NV, frames)
            kept.append(x_NCHW)
            if n < len(self.shrinks):
                x_NCHW = self.shrinks[n](x_NCHW)
        x_NCHW = self.middle(x_NCHW, told_NV, frames)
        for n, level in enumerate(self.rises):
            x_NCHW = level(torch.cat([x_NCHW, kept.pop()], dim=1), told_NV, frames)
            if n < len(self.grows):
                x_NCHW = self.grows[n](x_NCHW)
        return self.exit(x_NCHW).unflatten(0, (-1, frames))


@dataclass(frozen=True, slots=True)
class Trained:
    """A network, the clips that it has seen, and the processor time that took."""

    net: UNet
    clips: int
    seconds: float


def trained(
    samples: Samples,
    seconds: float,
    *,
    shape: Shape | None = None,
    device: torch.device = CPU,
    watch: Callable[[int, float], None] | None = None,
) -> Trained:
    """A network after so many seconds of a CPU's time on clips of `samples`; its average over steps.

    On an accelerator it learns from as many clips as it would in that time on the CPU, by its pace in `PACED` seconds.
    `watch` is told of each step and its loss.
    """
    if device.type == "cpu":
        return _trained(samples, lambda seen, spent: spent >= seconds, shape or Shape(), device, watch)
    paced = trained(samples, PACED, shape=shape)
    clips = seconds * paced.clips / paced.seconds
    made = _trained(samples, lambda seen, spent: seen >= clips, shape or Shape(), device, watch)
    return replace(made, seconds=seconds)


def _trained(
    samples: Samples,
    enough: Callable[[int, float], bool],
    shape: Shape,
    device: torch.device,
    watch: Callable[[int, float], None] | None,
) -> Trained:
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
    net = UNet(shape).to(device)
    average = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(DECAY))
    optimiser = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    spent, seen = 0.0, 0
    for number in count():
        batch = [samples.sample(0, number * BATCH + k) for k in range(BATCH)]
        began = time.process_time()
        clip_BTCHW = torch.stack([each["clip"] for each in batch]).to(device).float().div(127.5).sub(1)
        label_B = torch.stack([each["labels"][0] for each in batch])
        loss = _loss(net, clip_BTCHW, label_B, generator(1, number))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        average.update_parameters(net)
        spent, seen = spent + time.process_time() - began, seen + BATCH
        if watch is not None:
            watch(number + 1, float(loss.detach()))
        if enough(seen, spent):
            break
    assert isinstance(average.module, UNet)
    return Trained(average.module.eval(), seen, spent)


@torch.inference_mode()
def sampled(net: UNet, labels: Tensor, frames: int, side: int, seeds: Sequence[int], *, number: int = STEPS) -> Tensor:
    """Clips (B, T, C, H, W) in [0, 1] of classes, each from its own seed, in a number of steps."""
    sources = [torch.Generator().manual_seed(seed) for seed in seeds]
    device = net.entry.weight.device
    x_BTCHW = torch.stack([torch.randn(frames, 1, side, side, generator=source) for source in sources]).to(device)
    labels = labels.to(device)
    steps = torch.linspace(TIMES - 1, 0, number + 1).round()
    for now, then in pairwise(steps.tolist()):
        step_B = torch.full((len(labels),), now, device=device)
        noise = net(x_BTCHW, step_B, labels)
        untold = net(x_BTCHW, step_B, torch.full_like(labels, -1))
        noise = untold + GUIDANCE * (noise - untold)
        signal, spread = _share(torch.tensor(now))
        clean = ((x_BTCHW - spread * noise) / signal).clamp(-1, 1)
        noise = (x_BTCHW - signal * clean) / spread
        signal, spread = _share(torch.tensor(then))
        x_BTCHW = signal * clean + spread * noise
    return (x_BTCHW + 1).div(2).clamp(0, 1).cpu()


def _loss(net: UNet, clip_BTCHW: Tensor, label_B: Tensor, random: torch.Generator) -> Tensor:
    step_B = torch.randint(TIMES, (len(clip_BTCHW),), generator=random).float().to(clip_BTCHW.device)
    noise = torch.randn(clip_BTCHW.shape, generator=random).to(clip_BTCHW.device)
    signal, spread = (share[:, None, None, None, None] for share in _share(step_B))
    label_B = torch.where(torch.rand(len(label_B), generator=random) < UNTOLD, -1, label_B).to(clip_BTCHW.device)
    return F.l1_loss(net(signal * clip_BTCHW + spread * noise, step_B, label_B), noise)


def _share(step: Tensor) -> tuple[Tensor, Tensor]:
    """How much of the signal and of the noise is there after a step: the cosine schedule, from 1 to nearly 0."""
    angle = ((step / TIMES + 0.008) / 1.008 * math.pi / 2).clamp(max=math.pi / 2 - 1e-3)
    return angle.cos(), angle.sin()
