"""Like one clip: the search against brute force, what comes back as it was, and what becomes another."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from vidwright.core import Frame
from vidwright.core.errors import UsageError
from vidwright.metrics.copies import copied
from vidwright.models.generate import patches
from vidwright.models.generate.patches import COARSEST, REACH, Config, Net

#: Frames, rows and columns of a clip that has two levels.
SHAPE = (8, 28, 40)


def scene(seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> Tensor:
    """A pattern of several sizes that glides to the right, (T, H, W, C)."""
    random = torch.Generator().manual_seed(seed)
    frames, height, width = shape
    layers = [torch.rand(1, 3, n, 2 * n, generator=random) for n in (4, 8, 14)]
    wide = sum(
        torch.nn.functional.interpolate(layer, size=(height, width + frames), mode="bicubic") for layer in layers
    )
    picture = (wide / 3).clamp(0, 1)[0]
    return torch.stack([picture[:, :, n : n + width] for n in range(frames)]).permute(0, 2, 3, 1).contiguous()


def clip(seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> list[Frame]:
    return [
        Frame(picture.permute(2, 0, 1), Fraction(n, 25), Fraction(1, 25))
        for n, picture in enumerate(scene(seed, shape))
    ]


def made(like: list[Frame], length: int = 8, size: tuple[int, int] = (28, 40), **options: object) -> Tensor:
    frames = list(Net(Config()).sample(**{"like": like, "length": length, "size": size, "seed": 0} | options))
    assert [frame.time for frame in frames] == [Fraction(n, 25) for n in range(length)]
    return torch.stack([frame.data for frame in frames])


def error(a: Tensor, b: Tensor) -> float:
    return float((a - b).square().mean())


def test_without_variation_it_is_the_clip():
    like = clip()
    assert error(made(like, variation=0.0), torch.stack([frame.data for frame in like])) < 1e-6


def test_with_variation_no_frame_is_copied_and_seeds_differ():
    like = clip()
    source = torch.stack([frame.data for frame in like])
    one, other = made(like, seed=1), made(like, seed=2)
    assert copied(one, source) == copied(other, source) == [] and error(one, other) > 1e-3
    assert torch.equal(made(like, seed=1), one)


def test_every_pixel_is_about_one_of_the_clip():
    """Votes of like patches: a colour that the clip does not have would come from somewhere else."""
    like = clip()
    colours = torch.stack([frame.data for frame in like]).permute(0, 2, 3, 1).reshape(-1, 3)
    found = made(like, seed=1).permute(0, 2, 3, 1).reshape(-1, 3)[::17]
    assert torch.cdist(found, colours).min(dim=1).values.mean() < 0.02


@pytest.mark.parametrize(
    ("length", "size"), [(14, (28, 40)), (8, (28, 64)), (5, (20, 24)), (1, (28, 40)), (0, (28, 40))]
)
def test_other_lengths_and_shapes(length, size):
    if length:
        found = made(clip(), length=length, size=size)
        assert found.shape == (length, 3, *size) and bool((found >= 0).all() and (found <= 1).all())
    else:
        assert list(Net(Config()).sample(like=clip(), length=0, size=size, seed=0)) == []


def test_the_ends_of_a_loop_are_as_near_as_other_neighbours():
    like = clip()
    opened, closed = made(like, variation=0.0), made(like, variation=0.0, loop=True)
    steps = max(error(a, b) for a, b in itertools.pairwise(closed))
    assert error(closed[0], closed[-1]) <= 1.2 * steps < error(opened[0], opened[-1])


def test_a_drift_is_bent_into_a_ring():
    """A ground that moves on would jump at the seam; the step there is like any other."""
    video = made(clip(1, (24, 40, 60)), length=24, size=(40, 60), variation=0.0, loop=True)
    steps = -10 * (video - video.roll(1, 0)).square().flatten(1).mean(dim=1).log10()
    assert steps[0] > steps[1:].mean() - 1


def test_an_analogy_has_the_layout_of_one_and_the_colours_of_the_other():
    ramp = torch.linspace(0, 0.6, 40)
    matter = [frame.with_data(0.4 * frame.data + ramp) for frame in clip(0)]  # brighter to the right
    content = [frame.with_data(0.1 * frame.data + ramp.flip(0)) for frame in clip(1)]  # brighter to the left
    found = made(matter, content=content, variation=0.0)
    assert found[..., :15].mean() > found[..., 25:].mean() + 0.1
    colours = torch.stack([frame.data for frame in matter]).permute(0, 2, 3, 1).reshape(-1, 3)
    assert torch.cdist(found.permute(0, 2, 3, 1).reshape(-1, 3)[::17], colours).min(dim=1).values.mean() < 0.02


def brute(guess: Tensor, keys: Tensor, alpha: float) -> Tensor:
    """By the patches' pixels, written out: the guess's at each place, the keys' inside."""
    basis = patches.components(keys)
    query, key = (patches.described(each, basis, loop=False) for each in (guess, keys))
    inner = patches.interior(keys.shape)
    far = torch.cdist(query.double(), key[inner].double()).square()
    weight = alpha * float(key[inner].var(dim=0).sum()) + far.min(dim=0).values
    return (far / weight).argmin(dim=1), inner, far


def test_the_exact_search_is_brute_force():
    keys = scene(0, (4, 18, 20))
    guess = keys + 0.05 * torch.randn(keys.shape, generator=torch.Generator().manual_seed(3))
    wanted, inner, _ = brute(guess, keys, 0.005)
    found = patches.exactly(guess, keys, patches.components(keys), loop=False, alpha=0.005)
    assert (found == inner[wanted]).double().mean() > 0.99  # ties and rounding


def test_components_keep_distances():
    """What a few components leave out of the distance of patches is little."""
    keys = scene(0, (6, 20, 24))
    basis = patches.components(keys)
    inner = patches.interior(keys.shape)
    described = patches.described(keys, basis, loop=False)[inner]
    plain = torch.nn.functional.unfold(
        keys.permute(0, 3, 1, 2), kernel_size=(2 * REACH[1] + 1, 2 * REACH[2] + 1)
    ).transpose(1, 2)  # (T, places, pixels) of single frames
    stacked = torch.cat([plain[:-2], plain[1:-1], plain[2:]], dim=2).flatten(0, 1)
    ratio = torch.cdist(described[:50], described[50:90]) / torch.cdist(stacked[:50], stacked[50:90])
    assert ratio.mean() > 0.75 and ratio.max() < 1.001


def test_patch_match_comes_near_the_exact_search():
    keys = scene(0, (6, 24, 30))
    guess = scene(0, (6, 24, 30)).roll(3, dims=2)
    random = torch.Generator().manual_seed(0)
    inner = patches.interior(keys.shape)
    field = inner[torch.randint(len(inner), (guess[..., 0].numel(),), generator=random)].int()
    basis = patches.components(keys)
    query, key = (patches.described(each, basis, loop=False) for each in (guess, keys))

    def cost(field: Tensor) -> float:
        return float((query - key[field.long()]).square().sum(dim=1).mean())

    costs = [cost(field)]
    for _ in range(6):
        field = patches.nearly(guess, keys, basis, field, loop=False, random=random)
        costs.append(cost(field))
    best = float(torch.cdist(query, key[inner]).square().min(dim=1).values.mean())
    assert all(b <= a for a, b in itertools.pairwise(costs))
    assert costs[-1] - best < 0.1 * (costs[0] - best)


def test_votes_of_the_clip_s_own_places_are_the_clip():
    keys = scene(0, (5, 18, 22))
    places = torch.arange(keys[..., 0].numel(), dtype=torch.int)
    inside = patches.inside(patches.coordinates(places, (5, 18, 22)), (5, 18, 22))
    found = patches.voted(inside, keys, (5, 18, 22), (1, 1, 1), loop=False)
    assert error(found, keys) < 1e-10


@pytest.mark.parametrize(
    ("like", "words"),
    [
        (clip(0, (3, 28, 40)), "it has 3 frames of 40x28"),
        (clip(0, (8, COARSEST - 1, 40)), f"give one of 4 frames of {COARSEST}x{COARSEST} or more"),
        ([], "it has 0 frames of no size"),
        ([*clip(), *clip(0, (4, 30, 40))], "all of one size"),
    ],
)
def test_what_cannot_be_learned_from_is_said(like, words):
    with pytest.raises(UsageError, match=words):
        made(like)


def test_what_memory_does_not_hold_is_refused(monkeypatch):
    with pytest.raises(UsageError, match="more than memory holds"):
        next(Net(Config()).sample(like=clip(), length=10**6, size=(1080, 1920), seed=0))
    monkeypatch.setattr(patches, "MOST", 1000)
    with pytest.raises(UsageError, match="the clip to be like"):
        made(clip())
