"""What a clip teaches a cleaner of itself: the noise of one frame says nothing of another's.

    frames t - r .. t + r ----network----> clean frame t  <-- squared error -->  frames t - r - 1 and t + r + 1,
                                                             where trusted        moved onto t along optical flow

The target is as noisy as the input, but by noise that the network cannot foresee: what comes nearest to all that it
might be is their mean, the clean frame. Lehtinen et al. 2018 (Noise2Noise); over aligned frames of one film Ehret et
al. 2019 ("Model-blind video denoising via frame-to-frame training"). A frame that the network looks at would teach it
to copy that frame, so the targets lie just outside of its window.

All hangs on two things. Noise has to be new in each frame: codecs copy it from one to the next, and there is nothing to
learn then. And what is taken for the same place has to be: flow is found on cleaned frames, and a place is trusted
where those, smoothed, agree.

What the held-out targets say is true to the clean frames nobody has: the errors against the frame before and against
the frame after share nothing but the error against the truth, which is what their product comes to on average.
That is so as far as motion is followed exactly: what alignment blurs is not seen, so the figure is too good. It said
+0.27 to +1.08 dB on 14 clips under noise; against the clean frames 12 gained 0.05 to 0.30 and two lost 0.02 and 0.03.

Where nothing is trusted the network is held to what it made before. Without that it forgot what it knew of such places:
a dark clip lost 0.39 dB and not gained 0.07.

Shapes: B batch, T frames of a window or a piece, N of its frames with targets on both sides, S = 2 sides, C channels,
H height, W width; flow is (dx, dy) in pixels, so B2HW.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.data import augment
from vidwright.data.degrade import to_bytes
from vidwright.data.loader import Batch
from vidwright.data.seeding import integer
from vidwright.models.enhance import cleaner
from vidwright.nn.warp import inside, warp
from vidwright.train.adapt import MARGIN as GAIN
from vidwright.train.adapt import OPTIMISER, divided
from vidwright.train.cleaning import cleaned
from vidwright.train.optimiser import Optimiser
from vidwright.vision.flow import optical_flows

#: Samples in a batch, the side of their crops, and what the search for motion is shown around them.
SAMPLES, PATCH, MARGIN = 6, 80, 24

#: Places are compared as means over squares of this side, and trusted up to a difference of so many code values, and so
#: many for each of the noise's standard deviation, of which cleaning leaves some.
SQUARE, DIFFERENT, NOISE_LEFT = 7, 2.0, 0.1

#: Pixels by which the way there and back may miss its beginning.
MISSED = 0.5

#: Nearer than so many standard deviations to black or white, noise was cut off, and its mean is not the clean frame.
CUT = 2.0

#: Code values of the noise's standard deviation below which nothing would be won.
LEAST_NOISE = 3.0

#: From this correlation on, noise is not new in each frame.
CORRELATED = 0.1

#: Places in held-out frames that tell enough to judge by: noise makes what fewer say a matter of chance.
FEWEST_PLACES = 4000

#: The least mean squared error that is told from none, in code values: 48 dB.
LEAST_ERROR = 1.0


@dataclass(frozen=True, slots=True)
class Aligned:
    """A piece `seen` (T, 3, H, W) with its `targets` (N, S, 3, H, W), uint8, and where they are `trusted`, bool.

    `noise` is the mean square of what cleaning took from trusted places, in code values, and `shared` the mean product
    of that and what it took there from their targets.
    """

    seen: Tensor
    plain: Tensor
    targets: Tensor
    trusted: Tensor
    noise: float
    shared: float


class FrameToFrame:
    """A lesson for a cleaner of a clip's pieces, uint8 (T, 3, H, W) each.

    `noise` is its standard deviation in code values, as far as `net` takes it away, and `correlation` that of one
    frame's with another's. Raises `ValueError` for another network, for fewer than two pieces with frames outside of
    the network's window on both sides, where those cannot be followed, and where there is hardly any noise, or none
    that is new in each frame.
    """

    optimiser: ClassVar[Optimiser] = replace(OPTIMISER, learning_rate=1e-3)
    judged: ClassVar[str] = "against those before and after"
    margin: ClassVar[float] = GAIN

    def __init__(self, net: nn.Module, pieces: Sequence[Tensor]) -> None:
        if not isinstance(net, cleaner.Net):
            raise ValueError("the network is no cleaner")
        self._radius, self._margin = net.config.radius, MARGIN if net.config.align else 0
        away = self._radius + 1
        found = [align(net, piece_TCHW, away) for piece_TCHW in pieces if len(piece_TCHW) > 2 * away]
        self._learned, self._held = divided(found)
        if sum(int(piece.trusted.all(dim=1).sum()) for piece in self._held) < FEWEST_PLACES:
            raise ValueError("too little of it can be followed from frame to frame")
        noise = math.fsum(piece.noise for piece in found) / len(found)
        self.noise = math.sqrt(noise)
        if self.noise < LEAST_NOISE:
            raise ValueError(f"hardly any noise: {self.noise:.1f} code values of 255")
        self.correlation = math.fsum(piece.shared for piece in found) / len(found) / noise
        if self.correlation > CORRELATED:
            raise ValueError(f"noise is not new in each frame: its correlation is {self.correlation:.0%}")

    def learning(self, net: nn.Module) -> list[nn.Parameter]:
        """All parameters but those of the estimate, whose truth nobody tells here."""
        return [p for name, p in net.named_parameters() if not name.startswith("estimate.")]

    def batch(self, random: torch.Generator) -> Batch:
        """Crops: windows "seen" (B, T, 3, H, W) and "targets" (B, S, 3, H, W) uint8, "trusted" (B, S, 1, H, W)."""
        samples = [self._sample(random) for _ in range(SAMPLES)]
        return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error against both targets where they are trusted, as a part of the noise's."""
        made_BCHW = net(batch["seen"].float() / 255, margin=self._margin)
        inner = (..., *(slice(self._margin, side - self._margin) for side in batch["seen"].shape[-2:]))
        error_BSCHW = made_BCHW[:, None] - batch["targets"][inner].float() / 255
        trusted_BS1HW = batch["trusted"][inner].float()
        parts_BS1HW = trusted_BS1HW / trusted_BS1HW.sum(dim=1, keepdim=True).clamp(min=1)
        noisy_BCHW = (error_BSCHW.square() * parts_BS1HW).sum(dim=1)
        change_BCHW = made_BCHW - batch["plain"][inner].float() / 255
        stay_BCHW = change_BCHW.square() * (1 - trusted_BS1HW.amax(dim=1))
        unit = 255**2 / self.noise**2
        return {"noisy": unit * noisy_BCHW.mean(), "stay": unit * stay_BCHW.mean()}

    @torch.inference_mode()
    def quality(self, net: nn.Module) -> float:
        """PSNR in dB of held-out frames, as far as their targets on both sides tell it where both are trusted."""
        device = next(net.parameters()).device
        total = count = 0.0
        for piece in self._held:
            for n, (targets_SCHW, trusted_S1HW) in enumerate(zip(piece.targets, piece.trusted, strict=True)):
                made_CHW = net(self._window(piece, n)[None].to(device).float() / 255)[0].cpu()
                before_CHW, after_CHW = 255 * made_CHW.clamp(0, 1) - targets_SCHW.float()
                both_1HW = trusted_S1HW.all(dim=0)
                total += float((before_CHW * after_CHW * both_1HW).sum(dtype=torch.float64))
                count += 3 * float(both_1HW.sum())
        return 10 * math.log10(255**2 / max(total / max(count, 1), LEAST_ERROR))

    def _window(self, piece: Aligned, n: int) -> Tensor:
        """What the network looks at for the frame with targets `n`, which has `radius` + 1 others before it."""
        return piece.seen[n + 1 : n + 2 + 2 * self._radius]

    def _sample(self, random: torch.Generator) -> dict[str, Tensor]:
        """A crop of a window and of all that belongs to its middle frame, turned at random alike."""
        piece = self._learned[integer(len(self._learned), random)]
        n = integer(len(piece.targets), random)
        window = self._window(piece, n)
        trusted = piece.trusted[n].expand_as(piece.targets[n]).to(torch.uint8)
        whole = torch.cat([window, piece.plain[n : n + 1], piece.targets[n], trusted])
        side = PATCH + 2 * self._margin
        height, width = (min(side, have) // 2 * 2 for have in window.shape[-2:])
        crop = augment.flip(augment.crop(whole, (height, width), random), random)
        if height == width:
            crop = augment.transpose(crop, random)
        window, plain, targets, trusted = crop.split([len(window), 1, 2, 2])
        return {"seen": window, "plain": plain[0], "targets": targets, "trusted": trusted[:, :1].bool()}


@torch.inference_mode()
def align(net: cleaner.Net, piece_TCHW: Tensor, away: int) -> Aligned:
    """A piece, uint8 (T, 3, H, W), with the frames that are `away` before and after moved onto those between them."""
    frames = len(piece_TCHW)
    seen_TCHW, clean_TCHW = piece_TCHW.float(), cleaned(net, piece_TCHW).float()
    taken_TCHW = seen_TCHW - clean_TCHW
    middle = slice(away, frames - away)
    noise = taken_TCHW.square().mean().sqrt()
    spread_NCHW = _smooth(taken_TCHW[middle].square()).sqrt()
    level_NCHW = _smooth(clean_TCHW[middle])
    whole_N1HW = ((level_NCHW - 127.5).abs() < 127.5 - CUT * spread_NCHW).all(dim=1, keepdim=True)
    targets, trusted, shared, square = [], [], 0.0, 0.0
    for others in (slice(0, frames - 2 * away), slice(2 * away, frames)):
        flow_N2HW = optical_flows(clean_TCHW[middle] / 255, clean_TCHW[others] / 255)
        back_N2HW = optical_flows(clean_TCHW[others] / 255, clean_TCHW[middle] / 255)
        missed_N1HW = (flow_N2HW + warp(back_N2HW, flow_N2HW)).norm(dim=1, keepdim=True)
        moved_NCHW = warp(clean_TCHW[others], flow_N2HW, mode="bicubic")
        apart_N1HW = _smooth(moved_NCHW - clean_TCHW[middle]).abs().amax(dim=1, keepdim=True)
        alike_N1HW = apart_N1HW < DIFFERENT + NOISE_LEFT * noise
        trusted_N1HW = inside(flow_N2HW) & whole_N1HW & alike_N1HW & (missed_N1HW < MISSED)
        targets.append(to_bytes(warp(seen_TCHW[others], flow_N2HW, mode="bicubic")))
        trusted.append(trusted_N1HW)
        product_NCHW = taken_TCHW[middle] * warp(taken_TCHW[others], flow_N2HW, mode="bicubic")
        count = max(3 * int(trusted_N1HW.sum()), 1)
        shared += float((product_NCHW * trusted_N1HW).sum()) / count / 2
        square += float((taken_TCHW[middle].square() * trusted_N1HW).sum()) / count / 2
    plain = to_bytes(clean_TCHW[middle])
    return Aligned(piece_TCHW, plain, torch.stack(targets, dim=1), torch.stack(trusted, dim=1), square, shared)


def _smooth(x_NCHW: Tensor) -> Tensor:
    return F.avg_pool2d(x_NCHW, SQUARE, stride=1, padding=SQUARE // 2, count_include_pad=False)
