"""Which shots the filter after the decoder makes better, by how much of it, and whether that is worth its bytes.

    decoded pictures --network--> what each tap of the last layer adds --.
                                                                         +--> normal equations --> adapter, strengths
    source ------------------------------- what is missing --------------'

The last layer is linear in its channels. So the best scale of each is a system of equations as large as there are
channels, and what any strength would gain is known without trying it: all of it from a few pictures of a shot.

Shapes: N pictures, K taps and the bias, P = 3 planes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core.window import windows
from vidwright.io.cursor import Cursor
from vidwright.jobs.film import Film
from vidwright.jobs.restore import ADAPTER_STEPS, NET_BITS, codes, unit
from vidwright.jobs.segments import Segment
from vidwright.jobs.sidecar import OCTAVE_STEPS, PLANES, WHOLE, ShotFilter, Sidecar, size_of, written
from vidwright.jobs.trials import truth
from vidwright.models.compress.postfilter import Net
from vidwright.nn.phases import PLANE_OF_PHASE, phases

#: Pictures of a shot that are looked at, anywhere in it: at regular distances all might be of one layer of the GOP.
LOOKED_AT = 16
#: What luma and both chroma planes count: 6:1:1, as in the common test conditions of JVET.
WEIGHTS_P = torch.tensor([6.0, 1.0, 1.0], dtype=torch.float64) / 8
#: Decibels that twice the bytes are worth: at most a bit for each value, which is more than any codec gets out of them.
OCTAVE_GAIN = 20 * math.log10(2)
#: How near to what the network has learned an adapter stays where pictures do not tell.
RIDGE = 1e-3
#: Strengths that are tried.
STRENGTHS = torch.arange(0, WHOLE + 1, 15)
#: A mean squared error in codes of 8 bits that is as good as none.
LEAST_ERROR = 1e-3


@dataclass(frozen=True, slots=True)
class Sums:
    """Of each picture and plane: what is missing, squared (N, P); its products with what each tap adds, (N, P, K); and
    those of taps with each other, (N, P, K, K). Means over the plane's values, in codes of 8 bits.
    """

    missing: Tensor
    shared: Tensor
    added: Tensor

    def left(self, scales_PK: Tensor, strengths: Tensor) -> Tensor:
        """Mean squared errors (S, N, P) after so much of the taps, scaled, at each of S strengths (0 to 1)."""
        shared_NP = torch.einsum("npk,pk->np", self.shared, scales_PK)
        added_NP = torch.einsum("npkl,pk,pl->np", self.added, scales_PK, scales_PK)
        s_S11 = strengths.double()[:, None, None]
        return self.missing - 2 * s_S11 * shared_NP + s_S11.square() * added_NP


def gated(film: Film, chosen: Mapping[int, float], source: Cursor, net: Net, weights: bytes) -> Sidecar | None:
    """The filters of a film's shots encoded at the CRFs `chosen`; None where they are not worth their bytes.

    `source` reads what the film is made of, `weights` is the sha256 of the network's file.
    """
    codec, origin = net.config.codecs.index(film.settings.codec), film.span[0]
    shots: list[ShotFilter] = []
    gain, points, end = 0.0, film.points(chosen), 0
    for segment in film.plan.segments:
        began, end = end, max(end + 1, round(1000 * (segment.end - origin)))
        steps = film.grid.octaves(chosen[segment.number])
        shot = ShotFilter(end - began, round(steps * OCTAVE_STEPS))
        path = film.trials.file(segment.number, chosen[segment.number])
        found = sums(net, path, wanted(film, source, segment), segment.frames, codec, shot)
        shot, won = best(found, shot, points[segment.number].bytes)
        shots.append(shot)
        gain += won * segment.frames / film.plan.frames
    made = Sidecar(weights, codec, tuple(shots))
    all_bytes = sum(point.bytes for point in points.values())
    overhead = len(written(replace(made, shots=()))) / all_bytes
    return made if gain > OCTAVE_GAIN * math.log2(1 + overhead) else None


def wanted(film: Film, source: Cursor, segment: Segment) -> Iterator[Tensor]:
    """Phases of the pictures of a segment as they should be, in codes of 8 bits."""
    for picture in source.pictures(segment.start, segment.stop):
        own = truth(picture, film.settings)
        assert own.u is not None and own.v is not None  # the encoding is 4:2:0
        yield phases(own.y, own.u, own.v).float() * unit(own, NET_BITS)


@torch.inference_mode()
def sums(net: Net, path: Path, true: Iterable[Tensor], frames: int, codec: int, shot: ShotFilter) -> Sums:
    """What some pictures of a shot's file tell, against what they should be."""
    order = torch.randperm(frames, generator=torch.Generator().manual_seed(0))
    looked_at = {int(number) for number in order[:LOOKED_AT]}
    condition = net.conditions(torch.tensor([codec]), torch.tensor([shot.quantiser / OCTAVE_STEPS]))
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    with Cursor(path, keep=1) as coded:
        seen = ((own_PHW, net.scaled(own_PHW[None])) for own_PHW in map(codes, coded.pictures(0, frames)))
        near = windows(seen, net.config.radius, is_cut=lambda each: False)
        for number, (window, true_PHW) in enumerate(zip(near, true, strict=True)):
            if number in looked_at:
                missing_PHW = true_PHW - window[net.config.radius][0]
                parts_KPHW = net.parts([scaled for _, scaled in window], condition)
                rows.append(_products(parts_KPHW, net.bias, missing_PHW))
    return Sums(*(torch.stack(column) for column in zip(*rows, strict=True)))


def best(found: Sums, plain: ShotFilter, size: int) -> tuple[ShotFilter, float]:
    """The filter of a shot that takes `size` bytes, and what it gains in dB net of its own; `plain` where none does."""
    taps = found.shared.shape[-1] - 1
    steps_PK = _adapter(found)
    scales_PK = 1 + steps_PK.double() / ADAPTER_STEPS
    adapter = steps_PK[:, :taps].to(torch.int8).contiguous().numpy().tobytes()
    chosen, most = plain, 0.0
    for scales, own in ((torch.ones_like(scales_PK), b""), (scales_PK, adapter)):
        left_SNP = found.left(scales, STRENGTHS / WHOLE)
        gains_SP = 10 * (found.missing + LEAST_ERROR).log10() - 10 * (left_SNP + LEAST_ERROR).log10()
        gain_P, place_P = gains_SP.mean(dim=1).max(dim=0)
        y, u, v = (int(strength) for strength in STRENGTHS[place_P])
        shot = replace(plain, strength_y=y, strength_u=u, strength_v=v, adapter=own)
        cost = OCTAVE_GAIN * math.log2(1 + size_of(shot) / size)
        net_gain = float((gain_P * WEIGHTS_P).sum()) - cost
        if net_gain > most:
            chosen, most = shot, net_gain
    return chosen, most


def _products(parts_KPHW: Tensor, bias_P: Tensor, missing_PHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The sums of one picture; the bias is one more tap."""
    bias_KPHW = bias_P[None, :, None, None].expand_as(parts_KPHW[:1])
    all_KPHW = torch.cat([parts_KPHW, bias_KPHW])
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    for plane in range(PLANES):
        own = [phase for phase, belongs in enumerate(PLANE_OF_PHASE) if belongs == plane]
        taps_KM, missing_M = all_KPHW[:, own].flatten(1), missing_PHW[own].flatten()
        count = missing_M.numel()
        shared_K, added_KK = taps_KM @ missing_M, taps_KM @ taps_KM.T
        rows.append(
            (missing_M.square().mean(dtype=torch.float64), shared_K.double() / count, added_KK.double() / count)
        )
    missing_P, shared_PK, added_PKK = (torch.stack(column) for column in zip(*rows, strict=True))
    return missing_P, shared_PK, added_PKK


def _adapter(found: Sums) -> Tensor:
    """The scales that leave least of each plane in all pictures alike, as steps away from 1, (P, K); none of the bias.

    Each picture is divided by what it misses, so that all count alike, as in a mean of PSNRs.
    """
    weight_NP = 1 / (found.missing + LEAST_ERROR)
    added_PKK = torch.einsum("np,npkl->pkl", weight_NP, found.added)
    shared_PK = torch.einsum("np,npk->pk", weight_NP, found.shared)
    rest_PK = (shared_PK - added_PKK.sum(dim=-1))[:, :-1]  # what is still to be explained with all scales at 1
    taps_PKK = added_PKK[:, :-1, :-1]
    size_P = taps_PKK.diagonal(dim1=-2, dim2=-1).mean(dim=-1).clamp(min=1e-12)
    ridge_PKK = RIDGE * size_P[:, None, None] * torch.eye(taps_PKK.shape[-1], dtype=torch.float64)
    best_PK = _solved(taps_PKK + ridge_PKK, rest_PK)
    return F.pad((best_PK * ADAPTER_STEPS).round().clamp(-128, 127), (0, 1))


def _solved(a_PKK: Any, b_PK: Tensor) -> Tensor:
    return torch.linalg.solve(a_PKK, b_PK)  # pyright: ignore
