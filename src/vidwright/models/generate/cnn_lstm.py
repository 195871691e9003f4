"""The CNN-LSTM video generator: frames in, the probability of every pixel of the next frame out.

    frame t-1 --conv 64--conv 128--conv 256--conv 512-- label
       |  t-2    | 1/2      | 1/4      | 1/8      | 1/16  (+)
       |         |          |          |          '--> ConvLSTM 512 --------------.
       |         |          |          '--(+)-- ConvLSTM 256 <-- up x2 --'        |
       |         |          '--(+)-- ConvLSTM 128 <-- up x2 --'                  mean
       |         '--(+)-- ConvLSTM 64 <-- up x2 --'                               |
       |                      |                                                motions
       |                      |                                      M kernels of shifts, 9 down x 9 across
       |                      v                                                   |
       '-------------> moved by the motions <-------------------------------------'
                              |       '-- the moved state is what the ConvLSTM remembers
                              '-- 1x1: 128--64--32--K x 4, shuffle x 2 --softmax--> frame t

`Config(preset="next-frame")` is this `Net`; `Config(preset="document")` is `Classifier`, the same convolutions under
plain LSTMs of 512-256-128-64 units and a dense head of 128-64-32, which names what a clip shows. `width` scales all of
these numbers; 64 gives them as they stand.

An LSTM has no place for a picture: fed with flattened maps it forgets where things are. ConvLSTMs keep the map, in the
shape of a U, so that a wide state at low resolution knows what moves and a narrow one at high resolution knows how it
looks. The finest state is carried along by the motion that the coarsest one sees (the kernels are those of Finn et al.
2016, who moved pixels with them): what lies behind something else travels on unseen, and the head, whose convolutions
are 1x1, finds everything where it will be. Pixels are independent of each other given the past, which makes the
probability exact and cheap, and cannot say of two places "one or the other".

Shapes: B batch, T time, C channels, H height, W width; K intensity classes, M motions, R = 2 * reach + 1 shifts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card, Frame
from vidwright.core.errors import UsageError
from vidwright.nn.model import GenerativeModel, Usual
from vidwright.nn.recurrent import ConvLSTM, LSTMState
from vidwright.nn.shift import moved, shift_matrices, votes

#: Slope of the rectifiers below zero.
LEAK = 0.1
#: The coarsest map has a sixteenth of the picture's height and width; pictures are padded to whole positions of it.
STRIDE = 16
#: Seconds between generated frames that follow no clip.
INTERVAL = Fraction(1, 10)
#: Before training: half the log-odds of what is copied, and how much a motion likes the shifts in its direction.
COPY, LIKING = 2.0, 3.0


@dataclass(frozen=True, slots=True)
class Config:
    """`width` scales all layers, 64 being as printed; `num_classes` of clips; `levels` of intensity per pixel.

    Of "next-frame" alone: `levels`, and `motions` of at most `reach` pixels per frame and axis that may go on at once.
    """

    preset: Literal["next-frame", "document"] = "next-frame"
    width: int = 64
    num_classes: int = 10
    levels: int = 2
    motions: int = 4
    reach: int = 4

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        if self.preset not in ("next-frame", "document"):
            raise ValueError(f"preset must be next-frame or document, not {self.preset!r}")
        limits = (("width", 1, 256), ("num_classes", 1, 10_000), ("levels", 2, 256), ("motions", 1, 16))
        for name, least, most in (*limits, ("reach", 1, 16)):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from {least} to {most}")
        if self.preset == "next-frame" and self.width % (4 * self.motions):
            raise ValueError(f"width must be a multiple of four times the {self.motions} motions")


class Encoder(nn.Module):
    """Four convolutions, each at half the resolution of the one before and twice its width."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        widths = [width * 2**n for n in range(4)]
        # The first takes 2x2 pixels as channels: a 6x6 kernel of stride 2 at the cost of a 3x3.
        first = nn.Conv2d(4 * inputs, width, 3, padding=1)
        rest = [nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(widths)]
        self.convs = nn.ModuleList([first, *rest])

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        """Maps at 1/2, 1/4, 1/8 and 1/16 of the size, of width, 2, 4 and 8 times width channels."""
        x_BCHW = F.pixel_unshuffle(x_BCHW, 2).contiguous(memory_format=torch.channels_last)
        maps: list[Tensor] = []
        for conv in self.convs:
            x_BCHW = F.leaky_relu(conv(x_BCHW), LEAK)
            maps.append(x_BCHW)
        return maps


class Classifier(nn.Module):
    """What a clip shows: the printed layers in the printed order.

    Each frame's last map is averaged over its positions before the LSTMs, so that a clip of any size is the same to
    them and a thing counts alike wherever it is; flattened, the weights would belong to one size of picture. Layer
    norms between the LSTMs keep the signal of one scale through so many layers; even so a learning rate of 2e-3, which
    the convolutions alone learn well at, keeps it at chance for good, and 7e-4 does not.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        w = config.width
        self.encoder = Encoder(1, w)
        self.lstms = nn.ModuleList(
            nn.LSTM(a, b, batch_first=True) for a, b in itertools.pairwise([8 * w, 8 * w, 4 * w, 2 * w, w])
        )
        widths = [w, 2 * w, w, max(w // 2, 1), config.num_classes]
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.norms = nn.ModuleList(nn.LayerNorm(c) for c in (8 * w, 8 * w, 4 * w, 2 * w, w))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, a=LEAK)

    def forward(self, clip_BTCHW: Tensor) -> Tensor:
        """Class scores before the softmax, (B, num_classes), of a clip (B, T, 1, H, W) in [0, 1]."""
        frames = padded(clip_BTCHW.flatten(0, 1))
        x_BTC = self.encoder(frames)[-1].mean(dim=(2, 3)).unflatten(0, clip_BTCHW.shape[:2])
        for norm, lstm in zip(self.norms, self.lstms, strict=False):  # the last is the head's
            x_BTC, _ = lstm(norm(x_BTC))
        return dense(self.dense, self.norms[-1](x_BTC[:, -1]))


@dataclass(frozen=True, slots=True)
class State:
    """What the network knows of a clip so far; `step` makes the next one and leaves this one as it is.

    `size` of its pictures, `last` (B, 1, H, W) the newest of them, padded, `label` (B, 8 w) what was said of its class,
    and the ConvLSTMs' `memory`, fine to coarse.
    """

    size: tuple[int, int]
    last: Tensor
    label: Tensor
    memory: tuple[LSTMState, ...]


class Net(GenerativeModel):
    """The next frame's probabilities, from all frames before it and, if it is told, from the clip's class."""

    usual = Usual(length=20, size=(64, 64), rate=1 / INTERVAL, memory=20)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        w, m, shifts = config.width, config.motions, 2 * config.reach + 1
        widths = [w, 2 * w, 4 * w, 8 * w]
        self.encoder = Encoder(2, w)
        self.classes = nn.Embedding(config.num_classes, 8 * w)
        self.matches = nn.Conv2d(shifts**2, 8 * w, 1)
        self.lstms = nn.ModuleList(ConvLSTM(c, c) for c in widths)
        self.ups = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in itertools.pairwise(widths))
        self.motions = nn.Linear(8 * w, m * shifts**2)
        self.trust = nn.Parameter(torch.ones(()))
        dense_widths = [w + 4 * m, 2 * w, w, max(w // 2, 1), 4 * config.levels]
        self.dense = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in itertools.pairwise(dense_widths))
        self.copy = nn.Conv2d(m, config.levels, 1)
        self._begin_as_a_copy()

    @torch.no_grad()
    def _begin_as_a_copy(self) -> None:
        """Before training the prediction is the last frame, moved as it seems to move, over a dark ground.

        Each motion starts with a liking for shifts in a direction of its own, so that things which move differently
        find different ones.
        """
        angle_M = 2 * math.pi * (torch.arange(self.config.motions) + 0.5) / self.config.motions
        shift_R = torch.linspace(-1, 1, 2 * self.config.reach + 1)
        liking_MRR = angle_M.sin()[:, None, None] * shift_R[:, None] + angle_M.cos()[:, None, None] * shift_R
        self.motions.bias.copy_(LIKING * liking_MRR.flatten())
        nn.init.normal_(self.classes.weight, std=0.1)
        for layer in (self.motions, self.dense[-1]):
            layer.weight.mul_(0.1)  # pyright: ignore[reportOperatorIssue, reportCallIssue]
        nn.init.zeros_(self.dense[-1].bias)  # pyright: ignore[reportArgumentType]
        brightness_K = torch.linspace(-COPY, COPY, self.config.levels)
        self.copy.weight.copy_(
            (2 / self.config.motions * brightness_K)[:, None, None, None].expand_as(self.copy.weight)
        )
        self.copy.bias.copy_(-brightness_K)  # pyright: ignore[reportOptionalMemberAccess]

    def quantised(self, clip: Tensor) -> Tensor:
        """Pixels in [0, 1] as numbers of intensity classes, int64 of the same shape: equal parts of full scale."""
        return clip.mul(self.config.levels).long().clamp_(0, self.config.levels - 1)

    def intensity(self, classes: Tensor) -> Tensor:
        """The pixels in [0, 1] that classes stand for: equal steps from black to full scale."""
        return classes / (self.config.levels - 1)

    def forward(self, clip_BTCHW: Tensor, label: Tensor | None = None) -> Tensor:
        """Logits (B, T, K, H, W) of every frame given those before it, of the first given its class alone.

        `clip_BTCHW` is (B, T, 1, H, W) in [0, 1] and is quantised here. `label` is int64 (B,), or (B, D) for clips of
        D things; -1 says nothing, and neither does None.
        """
        x_BTCHW = self._seen(clip_BTCHW)
        state = self._nothing(x_BTCHW[:, 0], clip_BTCHW.shape[-2:], label)
        return self._run(torch.cat([state.last[:, None], x_BTCHW[:, :-1]], dim=1), state)[0]

    def start(self, batch: int, size: tuple[int, int], label: Tensor | None = None) -> tuple[Tensor, State]:
        """Logits (B, K, H, W) of the first frame of clips of `size` (height, width), and the state to go on from."""
        black_BCHW = padded(self.trust.new_zeros(batch, 1, *size))
        logits_BTKHW, state = self._run(black_BCHW[:, None], self._nothing(black_BCHW, size, label))
        return logits_BTKHW[:, 0], state

    def step(self, frame_BCHW: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B, K, H, W) of the frame after `frame_BCHW`, (B, 1, H, W) in [0, 1], and the state to go on from."""
        logits_BTKHW, state = self._run(self._seen(frame_BCHW[:, None]), state)
        return logits_BTKHW[:, 0], state

    @torch.inference_mode()
    def sample(
        self,
        *,
        label: int | Sequence[int] | None = None,
        clip: Iterable[Frame] = (),
        length: int,
        size: tuple[int, int],
        seed: int,
        temperature: float = 1.0,
    ) -> Generator[Frame, None, None]:
        """Draw `length` frames of `size` (height, width), one after the other, after those of `clip`.

        `label` is the class, or the classes of the things, that are to be seen; with `clip` the motion in it goes on.
        Below 1 a `temperature` draws likelier pixels, at 0 the likeliest. Raises `UsageError`.
        """
        labels = self._labels(label)
        logits_BKHW, state = self.start(1, size, labels)
        time, interval = -INTERVAL, INTERVAL
        for frame in clip:
            if (frame.height, frame.width) != size:
                sizes = f"{frame.width}x{frame.height}"
                raise UsageError("the clip", f"a frame of it is {sizes}", f"ask for samples of {sizes}")
            time, interval = frame.time, frame.duration or interval
            grey_BCHW = frame.data[:3].mean(dim=0).to(logits_BKHW.device)[None, None]
            logits_BKHW, state = self.step(grey_BCHW, state)
        random = torch.Generator().manual_seed(seed)
        for _ in range(length):
            time += interval
            drawn_BCHW = self.intensity(drawn(logits_BKHW, temperature, random))[:, None].to(logits_BKHW.device)
            yield Frame(drawn_BCHW[0].expand(3, -1, -1).float().cpu(), time, interval)
            logits_BKHW, state = self.step(drawn_BCHW, state)

    def _seen(self, clip: Tensor) -> Tensor:
        """Frames as the network sees them: quantised, padded, in its own dtype."""
        return padded(self.intensity(self.quantised(clip)).to(self.trust.dtype))

    def _labels(self, label: int | Sequence[int] | None) -> Tensor | None:
        """Classes as a user names them, (1, D). Raises `UsageError` for one that there is not."""
        if label is None:
            return None
        labels = [label] if isinstance(label, int) else list(label)
        count = self.config.num_classes
        if not all(0 <= each < count for each in labels):
            cause = f"the model knows {count} classes"
            raise UsageError(f"label {label}", cause, f"give numbers from 0 to {count - 1}")
        return torch.tensor([labels], device=self.trust.device)

    def _nothing(self, like_BCHW: Tensor, size: Sequence[int], label: Tensor | None) -> State:
        """The state before anything was seen: a black frame and empty memories."""
        batch, _, height, width = like_BCHW.shape
        memory = [self._lstm(n).start(like_BCHW.new_zeros(batch, 1, height >> n + 1, width >> n + 1)) for n in range(4)]
        told_BC = like_BCHW.new_zeros(batch, self.classes.embedding_dim)
        if label is not None:
            label_BD = label.reshape(batch, -1)
            told_BC = (self.classes(label_BD.clamp_min(0)) * (label_BD >= 0)[..., None]).sum(dim=1)
        return State((size[0], size[1]), torch.zeros_like(like_BCHW), told_BC, tuple(memory))

    def _run(self, x_BTCHW: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits of the frames that follow each of `x_BTCHW`, cut to size, and the state after the last.

        All but the recurrences runs over all frames at once.
        """
        shape = x_BTCHW.shape[:2]
        now_BCHW = x_BTCHW.flatten(0, 1)
        before_BCHW = torch.cat([state.last[:, None], x_BTCHW[:, :-1]], dim=1).flatten(0, 1)
        maps = [each.unflatten(0, shape) for each in self.encoder(torch.cat([now_BCHW, before_BCHW], dim=1))]
        votes_BRHW = votes(now_BCHW, before_BCHW, reach=self.config.reach, cell=STRIDE)
        told_BTCHW = self.matches(votes_BRHW).unflatten(0, shape) + state.label[:, None, :, None, None]
        memory = list(state.memory)
        shown_BTCHW, memory[3] = self.lstms[3](maps[3] + told_BTCHW, memory[3])
        down_NMHH, across_NMWW = self._motions(shown_BTCHW.flatten(0, 1), votes_BRHW, now_BCHW.shape)
        for n in (2, 1):
            shown_BTCHW, memory[n] = self.lstms[n](maps[n] + self._up(n, shown_BTCHW), memory[n])
        drive_BTGHW = self._lstm(0).drive(maps[0] + self._up(0, shown_BTCHW))
        moves = zip(down_NMHH.unflatten(0, shape).unbind(1), across_NMWW.unflatten(0, shape).unbind(1), strict=True)
        shown: list[Tensor] = []
        for drive_BGHW, (down_BMHH, across_BMWW) in zip(drive_BTGHW.unbind(1), moves, strict=True):
            memory[0] = self._carried(self._lstm(0).step(drive_BGHW, memory[0]), down_BMHH, across_BMWW)
            shown.append(memory[0][0])
        copies_NMHW = moved(now_BCHW[:, None], down_NMHH, across_NMWW)[:, 0]
        logits_NKHW = self._judged(torch.stack(shown, dim=1).flatten(0, 1), copies_NMHW)
        height, width = state.size
        logits_BTKHW = logits_NKHW[..., :height, :width].unflatten(0, shape)
        return logits_BTKHW, State(state.size, x_BTCHW[:, -1], state.label, tuple(memory))

    def _lstm(self, n: int) -> ConvLSTM:
        return self.lstms[n]  # pyright: ignore[reportReturnType]

    def _up(self, n: int, coarse_BTCHW: Tensor) -> Tensor:
        """The map of level n + 1 at the size and width of level n."""
        fine_BCHW = F.pixel_shuffle(self.ups[n](coarse_BTCHW.flatten(0, 1)), 2)
        return fine_BCHW.unflatten(0, coarse_BTCHW.shape[:2])

    def _motions(self, shown_NCHW: Tensor, votes_NRHW: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """What moves the picture on: for each motion the matrices of its shifts down and across.

        A motion is a distribution over shifts: what the pictures say, raised to a trust that is learned, times what
        the coarsest state says.
        """
        r = 2 * self.config.reach + 1
        vote_NR = votes_NRHW.float().mean(dim=(2, 3))
        vote_NR = (vote_NR / (vote_NR.sum(dim=1, keepdim=True) + 1e-3) + 1e-3).log()
        liking_NMR = self.motions(shown_NCHW.mean(dim=(2, 3))).float().unflatten(1, (-1, r * r))
        shifts_NMRR = (liking_NMR + self.trust * vote_NR[:, None]).softmax(dim=-1).unflatten(-1, (r, r))
        return shift_matrices(shifts_NMRR.sum(dim=3), shape[-2]), shift_matrices(shifts_NMRR.sum(dim=2), shape[-1])

    def _carried(self, state: LSTMState, down_BMHH: Tensor, across_BMWW: Tensor) -> LSTMState:
        """The finest state moved, each motion taking the channels that are its own."""
        both_BCHW = F.pixel_shuffle(torch.cat(state, dim=1), 2).unflatten(1, (-1, self.config.motions))
        both_BCHW = moved(both_BCHW, down_BMHH, across_BMWW).flatten(1, 2)
        both_BCHW = F.pixel_unshuffle(both_BCHW, 2).contiguous(memory_format=torch.channels_last)
        shown_BCHW, kept_BCHW = both_BCHW.chunk(2, dim=1)
        return shown_BCHW, kept_BCHW

    def _judged(self, shown_NCHW: Tensor, copies_NMHW: Tensor) -> Tensor:
        """Logits (N, K, H, W) of the state and the pictures, both where they will be."""
        x_NCHW = torch.cat([shown_NCHW, F.pixel_unshuffle(copies_NMHW, 2).to(shown_NCHW.dtype)], dim=1)
        return F.pixel_shuffle(dense(self.dense, x_NCHW), 2) + self.copy(copies_NMHW)


def dense(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """Dense layers (or their like in 1x1 convolutions) with rectifiers between them."""
    for layer in layers[:-1]:
        x = F.leaky_relu(layer(x), LEAK)
    return layers[-1](x)


def padded(x: Tensor) -> Tensor:
    """Black at the right and below, up to whole positions of the coarsest map."""
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE))


def drawn(logits_BKHW: Tensor, temperature: float, random: torch.Generator) -> Tensor:
    """Classes (B, H, W) int64, each pixel drawn by itself; at temperature 0 the likeliest."""
    if temperature <= 0:
        return logits_BKHW.argmax(dim=1)
    batch, classes, height, width = logits_BKHW.shape
    odds = (logits_BKHW.float().cpu() / temperature).softmax(dim=1).permute(0, 2, 3, 1).reshape(-1, classes)
    return torch.multinomial(odds, 1, generator=random).reshape(batch, height, width)


def build(config: Config) -> Net | Classifier:
    """The network of a preset."""
    return Classifier(config) if config.preset == "document" else Net(config)


CARD = Card(
    task="generate",
    summary="CNN and LSTM with a softmax: the next frame's pixels, or a clip's class",
    build=build,
    config=Config,
    weights=("next-frame", "digits", "still"),
    paper="ConvLSTM: Shi et al. 2015; transformation by kernels over shifts: Finn et al. 2016 (CDNA)",
)
