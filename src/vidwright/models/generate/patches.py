"""Videos like one clip, without training: every patch of the result is one of the clip's, at every scale.

    clip --> pyramid ------------------------------ keys, values -----------------.
    coarsest frames (+ noise) --> guess --> nearest patches --> votes --> guess --+--> larger --> ... --> frames

From coarse to fine, each patch of the guess, blurred as it is, looks for the nearest of the clip's patches blurred in
the same way, and those put their sharp pixels there: VGPNN (Haim et al. 2022, "Diverse generation from a single video
made possible"; images: Granot et al. 2022). What differs at the coarsest level, by noise, another shape, a time that
closes to a ring, or the frames of another clip, becomes another video of the same matter.

The search is exact at the coarsest level, where patches that nothing looks like yet are preferred, so that all of the
clip is used; then it goes on from the level before, by PatchMatch (Barnes et al. 2009), and above `SEARCHED` places it
only carries on. Patches are compared by a few principal components: a tenth of the bytes of their pixels.

Shapes: T frames, H height, W width, C = 3 channels; N = T H W places, D components. Places are counted through time,
rows and columns; a field (N,) names for each place of the guess the place of the clip that its patch comes from.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core import Card, Frame
from vidwright.core.errors import UsageError
from vidwright.nn.model import GenerativeModel, Usual
from vidwright.nn.resample import resized
from vidwright.nn.threads import together

#: Frames, rows and columns; and parts of them.
Shape = tuple[int, int, int]
Scale = tuple[float, float, float]

#: Half a patch in frames, rows and columns: patches are 3 x 7 x 7.
REACH: Shape = (1, 3, 3)
#: Principal components of patches, and how many patches they are found from.
COMPONENTS, SAMPLED = 16, 4000
#: Each level has so much of the sides of the next finer one; the coarsest has about so many lines, and at least so many
#: frames, as far as the clip has them.
STEP, COARSEST, FEWEST = 0.7, 18, 8
#: Places of the coarsest level, among which the search is exact.
EXACT = 8_000
#: How often the guess is made anew at the coarsest level, and at finer ones with a search and without.
ROUNDS, SEARCHES, CARRIES = 5, 2, 1
#: The most places of a level whose patches are looked for, for two descriptions of 64 bytes a place have to lie in
#: memory: 64 frames of 480x270. Loops that are only carried on above 144 lines have seams of 1 to 6 dB.
SEARCHED = 2**23
#: Places that are compared at a time: their descriptions stay in the cache.
TOGETHER = 2**14
#: Half of what a patch gives of its pixels at the coarsest level, at finer ones, and at those without a search.
COARSE_VOTES, VOTES, CARRIED = (1, 2, 2), (1, 1, 1), (0, 1, 1)
#: What the coarsest guess is at a variation of 1: noise in parts of the spread of the clip's pixels, and places moved
#: by up to so much of the sides. Noise alone gives a clip with one thing in it back as it was.
NOISE, MOVED = 0.5, 0.15
#: The part of a clip in which a loop passes from its end to its beginning.
BLENDED = 0.2
#: The most places of a result, or of a clip: 514 frames of 480x272.
MOST = 2**26


@dataclass(frozen=True, slots=True)
class Config:
    """How the clip is used: at an `alpha` near 0 all of its patches, at a large one only those that fit best."""

    alpha: float = 0.005

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 1e6:
            raise ValueError("alpha must be above 0")


class Net(GenerativeModel):
    """A network without weights, whose only knowledge is the clip it is given."""

    usual = Usual(length=None, size=None, rate=Fraction(25))

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    @torch.inference_mode()
    def sample(
        self,
        *,
        like: Iterable[Frame],
        content: Iterable[Frame] | None = None,
        variation: float = 1.0,
        loop: bool = False,
        length: int,
        size: tuple[int, int],
        seed: int,
    ) -> Generator[Frame, None, None]:
        """Draw `length` frames of `size` (height, width) whose patches are those of `like`, one shot.

        `variation` is the noise that they begin with: at 0, and the clip's own length and size, it is the clip. With
        `content` they begin with the frames of that clip instead. `loop`: the last frame leads back to the first.
        Raises `UsageError` for clips that are too short or small to learn from, and for more than memory holds.
        """
        frames = list(like)
        clip_THWC = _stacked(frames, "the clip to be like")
        wanted = (length, *size)
        for what, shape in (("the clip to be like", _shape(clip_THWC)), ("the result", wanted)):
            if math.prod(shape) > MOST:
                cause = f"{shape[0]} frames of {shape[2]}x{shape[1]} are more than memory holds"
                step = f"at most {MOST // math.prod(shape[1:])} frames of this size, or smaller ones"
                raise UsageError(what, cause, step)
        begun = None if content is None else _stacked(list(content), "the clip with the content")
        interval = frames[0].duration or 1 / self.usual.rate
        for n, picture_HWC in enumerate(self._made(clip_THWC, begun, wanted, variation, loop, seed) if length else ()):
            yield Frame(picture_HWC.permute(2, 0, 1).clamp(0, 1), n * interval, interval, frames[0].colour)

    def _made(
        self, clip: Tensor, begun: Tensor | None, wanted: Shape, variation: float, loop: bool, seed: int
    ) -> Tensor:
        """The result, (T, H, W, C)."""
        random = torch.Generator().manual_seed(seed)
        scales = levels((clip.shape[0], clip.shape[1], clip.shape[2]))
        shapes = [_scaled(wanted, scale) for scale in scales]
        values = resized(clip, _scaled(clip.shape, scales[0]))
        guess = values if begun is None else coloured(begun, values)
        guess = resized(ring(guess), shapes[0], loop=True) if loop else resized(guess, shapes[0])
        guess = displaced(guess, variation * MOVED, random)
        guess = guess + variation * NOISE * values.std() * torch.randn(guess.shape, generator=random)
        field = torch.empty(0, dtype=torch.int)
        basis = components(values)
        for _ in range(ROUNDS):
            field = exactly(guess, values, basis, loop=loop, alpha=self.config.alpha)
            guess = voted(field, values, shapes[0], COARSE_VOTES, loop=loop)
        for (coarse, fine), (before, shape) in zip(itertools.pairwise(scales), itertools.pairwise(shapes), strict=True):
            keys_shape = _scaled(clip.shape, fine)
            keys = resized(resized(clip, _scaled(clip.shape, coarse)), keys_shape)
            field = enlarged(field, before, _scaled(clip.shape, coarse), shape, keys_shape, loop=loop)
            values, guess = resized(clip, keys_shape), resized(guess, shape, loop=loop)
            searched = max(math.prod(shape), math.prod(keys_shape)) <= SEARCHED
            basis = components(values) if searched else basis
            for number in range(SEARCHES if searched else CARRIES):
                if searched:  # the guess is as blurred as the keys before the first votes, then as sharp as the clip
                    field = nearly(guess, values if number else keys, basis, field, loop=loop, random=random)
                guess = voted(field, values, shape, VOTES if searched else CARRIED, loop=loop)
        return guess[: wanted[0], : wanted[1], : wanted[2]]  # which levels are large enough for a patch to lie in


def levels(shape: Sequence[int]) -> list[Scale]:
    """How much of time, height and width each level has, the coarsest first; the last has all. Time shrinks less."""
    frames, *sides = shape
    count = max(math.floor(math.log(COARSEST / min(sides)) / math.log(STEP)), 0)
    least = min(FEWEST / frames, 1.0)
    found: list[Scale] = []
    for number in range(count, -1, -1):
        side = STEP**number
        found.append((max(side**0.5, least), side, side))
    while math.prod(_scaled(shape, found[0])) > EXACT and found[0][0] > least:
        found[0] = (max(found[0][0] * 0.9, least), *found[0][1:])
    return found


def coloured(clip_THWC: Tensor, like_THWC: Tensor) -> Tensor:
    """A clip with the mean and the spread of another's colours, so that it finds patches for all of its own."""
    (mean, spread), (wanted, wide) = (
        (each.mean(dim=(0, 1, 2)), each.std(dim=(0, 1, 2))) for each in (clip_THWC, like_THWC)
    )
    return (clip_THWC - mean) / spread.clamp_min(1e-3) * wide + wanted


def ring(clip_THWC: Tensor) -> Tensor:
    """A shorter clip without an end: its last frames pass over into what comes before its first."""
    blended = max(round(len(clip_THWC) * BLENDED), 1)
    share_T111 = torch.linspace(0, 1, blended + 2)[1:-1, None, None, None]
    first = torch.lerp(clip_THWC[-blended:], clip_THWC[:blended], share_T111)
    return torch.cat([first, clip_THWC[blended:-blended]])


def displaced(clip_THWC: Tensor, most: float, random: torch.Generator) -> Tensor:
    """A clip whose parts are moved smoothly, by `most` of the sides, alike in all frames; none moves off its edge."""
    moves_12yx = torch.rand(1, 2, 4, 4, generator=random).mul_(2).sub_(1)
    moves_12yx[:, 0, :, [0, -1]] = moves_12yx[:, 1, [0, -1]] = 0
    if not most:
        return clip_THWC
    x_TCHW = clip_THWC.permute(0, 3, 1, 2)
    size = (clip_THWC.shape[1], clip_THWC.shape[2])
    moves_1HW2 = F.interpolate(moves_12yx, size=size, mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    identity = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    grid_1HW2 = F.affine_grid(identity, [1, 1, *size], align_corners=False) + 2 * most * moves_1HW2
    grid_THW2 = grid_1HW2.expand(len(x_TCHW), -1, -1, -1)
    return F.grid_sample(x_TCHW, grid_THW2, padding_mode="border", align_corners=False).permute(0, 2, 3, 1)


def exactly(guess: Tensor, keys: Tensor, basis: Tensor, *, loop: bool, alpha: float) -> Tensor:
    """The field of the nearest patches, each measured against how near any patch of the guess comes to it.

    So a patch of the clip that nothing resembles is preferred to one that all resemble, and all of the clip is used.
    """
    query_ND, key_MD = described(guess, basis, loop=loop), described(keys, basis, loop=False)
    inner_M = interior(keys.shape)
    key_MD = key_MD[inner_M]
    parts = query_ND.split(max(2**25 // len(key_MD), 1))
    least_M = torch.full((len(key_MD),), math.inf)
    for part_ND in parts:
        least_M = torch.minimum(least_M, _squares(part_ND, key_MD).amin(dim=0))
    spread = float(key_MD.var(dim=0).sum())
    weight_M = 1 / (alpha * spread + least_M.clamp_min(0))
    found = [_squares(part_ND, key_MD).mul_(weight_M).argmin(dim=1) for part_ND in parts]
    return inner_M[torch.cat(found)].int()


def nearly(guess: Tensor, keys: Tensor, basis: Tensor, field: Tensor, *, loop: bool, random: torch.Generator) -> Tensor:
    """The field made better: by what neighbours found, and by looking around what was found."""
    query_ND, key_MD = described(guess, basis, loop=loop), described(keys, basis, loop=False)
    shape, clip = _shape(guess), _shape(keys)
    whole_M = torch.zeros(len(key_MD), dtype=torch.bool)
    whole_M[interior(clip)] = True
    strides = clip[1] * clip[2], clip[2], 1

    def far(candidate_N: Tensor) -> Tensor:
        far_N = torch.empty(len(candidate_N))

        def measure(first: int) -> None:
            part = slice(first, first + TOGETHER)
            difference_ND = key_MD.index_select(0, candidate_N[part]).sub_(query_ND[part])
            torch.sum(difference_ND.square_(), dim=1, out=far_N[part])

        together(measure, range(0, len(candidate_N), TOGETHER))
        return far_N

    best_N = far(field)

    def tried(candidate_N: Tensor) -> None:
        nonlocal field, best_N
        candidate_N = candidate_N.clamp_(0, len(key_MD) - 1)
        far_N = far(candidate_N)
        nearer = (far_N < best_N) & whole_M.index_select(0, candidate_N)
        field, best_N = torch.where(nearer, candidate_N, field), torch.where(nearer, far_N, best_N)

    for axis, by in ((2, 1), (2, -1), (1, 1), (1, -1), (0, 1), (0, -1)):
        tried((_beside(field.view(shape), axis, by, loop=loop) + by * strides[axis]).flatten())
    for part in (8, 32):
        jump_3N = torch.rand(3, len(field), generator=random).mul_(2).sub_(1)
        steps = [(max(side // part, 1) * row).round_().int() for side, row in zip(clip, jump_3N, strict=True)]
        tried(field + sum(step.mul_(stride) for step, stride in zip(steps, strides, strict=True)))
    return field


def voted(field: Tensor, values: Tensor, shape: Shape, reach: Shape, *, loop: bool) -> Tensor:
    """The mean of what the patches around each place have for it, up to `reach` places away."""
    clip = _shape(values)
    pixels_MC = values.reshape(-1, values.shape[-1])
    named = field.view(shape)
    total_THWC = torch.zeros(*shape, values.shape[-1])
    later, down, across = (range(-each, each + 1) for each in reach)

    def count(n: int) -> None:
        sum_NC = total_THWC[n].view(-1, values.shape[-1])
        for by, *step in itertools.product(later, down, across):
            # The patch that lies so far back has this place so far on; at the edges the nearest that there is.
            source = (n - by) % shape[0] if loop else min(max(n - by, REACH[0]), shape[0] - REACH[0] - 1)
            of, (row, column) = _shifted(named[source], step)
            at = of + (((by if loop else n - source) * clip[1] + row) * clip[2] + column)
            sum_NC += pixels_MC.index_select(0, at.flatten())

    together(count, range(shape[0]))
    return total_THWC.div_(len(later) * len(down) * len(across))


def enlarged(
    field: Tensor, before: Shape, clip_before: Shape, shape: Shape, clip: Shape, *, loop: bool = False
) -> Tensor:
    """The field at a finer level: patches beside one another there come from places beside one another."""
    place = torch.stack(torch.meshgrid(*[torch.arange(side, dtype=torch.int) for side in shape], indexing="ij"))
    place = place.flatten(1)
    coarse = [(row * old).div(new, rounding_mode="floor") for row, old, new in zip(place, before, shape, strict=True)]
    # At the edges patches reach outside, and what was found for them is worth less; a loop has none in time.
    coarse = [
        row if loop and axis == 0 else row.clamp(reach, old - reach - 1)
        for axis, (row, old, reach) in enumerate(zip(coarse, before, REACH, strict=True))
    ]
    at = (coarse[0] * before[1] + coarse[1]) * before[2] + coarse[2]
    from_3N = coordinates(field.index_select(0, at), clip_before)
    moved: list[Tensor] = []
    for axis in range(3):
        inner = place[axis] - coarse[axis] * shape[axis] / before[axis]
        moved.append((from_3N[axis] * clip[axis] / clip_before[axis] + inner).round_().int())
    return inside(torch.stack(moved), clip)


def components(clip: Tensor) -> Tensor:
    """The directions (D, 3 C, 7, 7) in which patches of a clip differ most, from a few thousand of them."""
    shape, (later, down, across) = _shape(clip), REACH
    inner = interior(shape)
    chosen = inner[:: max(len(inner) // SAMPLED, 1)]
    pixels_MC = clip.reshape(-1, clip.shape[-1])
    offsets = [
        (t * shape[1] + y) * shape[2] + x
        for t in range(-later, later + 1)
        for y in range(-down, down + 1)
        for x in range(-across, across + 1)
    ]
    patch_NPC = pixels_MC[chosen[:, None] + torch.tensor(offsets)]
    sides = [2 * each + 1 for each in REACH]
    patch_NF = patch_NPC.unflatten(1, sides).permute(0, 1, 4, 2, 3).flatten(1)
    patch_NF = patch_NF - patch_NF.mean(dim=0)
    covariance = patch_NF.T @ patch_NF
    basis_FD = torch.linalg.eigh(covariance).eigenvectors[:, -COMPONENTS:]
    return basis_FD.T.reshape(-1, sides[0] * clip.shape[-1], sides[1], sides[2]).contiguous()


def described(clip: Tensor, basis: Tensor, *, loop: bool) -> Tensor:
    """Each place's patch by its components, (N, D); past an edge is the nearest pixel, past a loop's end its begin."""
    later, down, across = REACH
    x_TCHW = clip.permute(0, 3, 1, 2)
    ends = (x_TCHW[-later:], x_TCHW[:later]) if loop else (x_TCHW[:1], x_TCHW[-1:])
    x_TCHW = F.pad(torch.cat([ends[0], x_TCHW, ends[1]]), (across, across, down, down), mode="replicate")
    sides = 2 * later + 1
    stacked = torch.cat([x_TCHW[n : len(x_TCHW) - sides + 1 + n] for n in range(sides)], dim=1)
    found = F.conv2d(stacked.contiguous(memory_format=torch.channels_last), basis)
    return found.permute(0, 2, 3, 1).reshape(-1, len(basis))


def interior(shape: Sequence[int]) -> Tensor:
    """The places whose whole patch lies inside, in order."""
    ranges = [torch.arange(reach, side - reach) for reach, side in zip(REACH, shape, strict=False)]
    later, down, across = torch.meshgrid(*ranges, indexing="ij")
    return ((later * shape[1] + down) * shape[2] + across).flatten()


def _stacked(frames: Sequence[Frame], what: str) -> Tensor:
    """Frames as (T, H, W, C). Raises `UsageError` unless there are enough of one size."""
    least = [2 * reach + 1 for reach in REACH]
    sides = {(frame.height, frame.width) for frame in frames}
    if len(frames) < least[0] + 1 or len(sides) != 1 or min(min(side) for side in sides) < COARSEST:
        has = f"it has {len(frames)} frames of {' and '.join(f'{w}x{h}' for h, w in sorted(sides)) or 'no size'}"
        raise UsageError(
            what, has, f"give one of {least[0] + 1} frames of {COARSEST}x{COARSEST} or more, all of one size"
        )
    return torch.stack([frame.data[:3].permute(1, 2, 0).float() for frame in frames])


def _squares(a_ND: Tensor, b_MD: Tensor) -> Tensor:
    return torch.addmm(b_MD.square().sum(dim=1), a_ND, b_MD.T, alpha=-2).add_(a_ND.square().sum(dim=1)[:, None])


def _shape(clip_THWC: Tensor) -> Shape:
    return clip_THWC.shape[0], clip_THWC.shape[1], clip_THWC.shape[2]


def _scaled(shape: Sequence[int], scale: Scale) -> Shape:
    frames, height, width = (max(round(side * by), 2 * r + 2) for side, by, r in zip(shape, scale, REACH, strict=False))
    return frames, height, width


def coordinates(field: Tensor, shape: Shape) -> Tensor:
    """A field as frame, row and column, (3, N)."""
    row = field.div(shape[2], rounding_mode="floor")
    frame = row.div(shape[1], rounding_mode="floor")
    return torch.stack([frame, row - frame * shape[1], field - row * shape[2]])


def inside(place_3N: Tensor, shape: Shape) -> Tensor:
    """Places as a field, moved to the nearest whose whole patch lies inside."""
    frame, row, column = (
        each.clamp(reach, side - reach - 1) for each, reach, side in zip(place_3N, REACH, shape, strict=True)
    )
    return (frame * shape[1] + row) * shape[2] + column


def _beside(named: Tensor, axis: int, by: int, *, loop: bool) -> Tensor:
    """What the place before (1) or after (-1) has found; where there is none, what the place itself has."""
    moved = named.roll(by, axis)
    if not (loop and axis == 0):
        edge = 0 if by > 0 else -1
        moved.select(axis, edge).copy_(named.select(axis, edge))
    return moved


def _shifted(named_HW: Tensor, by: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
    """A frame's field `by` rows and columns back, and how far back that is: only patches that lie inside have a say."""
    back: list[Tensor] = []
    for axis, (step, side) in enumerate(zip(by, named_HW.shape, strict=True)):
        line = torch.arange(side, dtype=torch.int)
        source = (line - step).clamp(REACH[1 + axis], side - REACH[1 + axis] - 1)
        named_HW = named_HW.index_select(axis, source)
        back.append((line - source).view(*[-1 if each == axis else 1 for each in range(2)]))
    return named_HW, back


CARD = Card(
    task="generate",
    summary="Like one clip, from its own patches: variations, other shapes, loops, analogies",
    build=Net,
    config=Config,
    paper="Haim et al. 2022 (VGPNN); Barnes et al. 2009 (PatchMatch)",
)
