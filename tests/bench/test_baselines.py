"""What needs no weights does what it says: against Pillow's kernels, on noise, and on motion that is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import scenes
from vidwright.bench import baselines
from vidwright.core.errors import UsageError
from vidwright.data.degrade import to_bytes
from vidwright.data.fields import weave
from vidwright.metrics.psnr import psnr


@pytest.fixture(scope="module")
def clip():
    """A texture that moves by 2 pixels a frame, uint8."""
    return to_bytes(scenes.scene(3, 9, (96, 64), pace=2) * 255)


@pytest.mark.parametrize(("enlarged", "kernel"), [("bicubic", Image.BICUBIC), ("lanczos", Image.LANCZOS)])
def test_kernels_are_those_of_pillow(clip, enlarged, kernel):
    found = getattr(baselines, f"{enlarged}_enlarged")(clip[:1], 2)[0]
    image = Image.fromarray(clip[0].permute(1, 2, 0).numpy()).resize((192, 128), kernel)
    wanted = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    assert int((found.int() - wanted.int()).abs().max()) <= 1  # Pillow rounds between its two passes


@pytest.mark.parametrize("sigma", [25, 10])
@pytest.mark.parametrize("name", list(baselines.DENOISERS))
def test_filters_remove_noise_or_are_not_there(clip, name, sigma):
    clip, random = clip[:4], torch.Generator().manual_seed(0)
    noisy = to_bytes(clip + sigma * torch.randn(clip.shape, generator=random))
    try:
        found = baselines.by_filter(noisy, baselines.DENOISERS[name][sigma])
    except UsageError as error:
        assert name == "hqdn3d" and name in str(error)
    else:
        assert found.shape == clip.shape
        assert psnr(found, clip, peak=255) > psnr(noisy, clip, peak=255) + 1.5


@pytest.mark.parametrize("settings", baselines.MINTERPOLATE.values(), ids=list(baselines.MINTERPOLATE))
def test_minterpolate_makes_the_frames_between(clip, settings):
    kept, wanted = clip[::2], clip[1::2]
    found = baselines.by_minterpolate(kept, settings)
    assert found.shape == wanted.shape
    # In each pair it is nearer to the frame between than either neighbour is, so no pair is shifted.
    for number, made in enumerate(found):
        near = psnr(made, wanted[number], peak=255)
        assert near > max(psnr(kept[number + k], wanted[number], peak=255) for k in (0, 1))


def test_reflection_needs_three_frames(clip):
    with pytest.raises(ValueError, match="three frames"):
        baselines.by_minterpolate(clip[:2], baselines.MINTERPOLATE["minterpolate"])


def test_frames_and_bytes_are_inverse(clip):
    frames = list(baselines.as_frames(clip))
    assert [frame.time * baselines.RATE for frame in frames] == list(range(9))
    assert torch.equal(baselines.as_bytes(frames), clip)


def test_bob_keeps_the_rows_of_each_field_and_fills_between(clip):
    early, late = baselines.bob(weave(clip[:2]))
    assert torch.equal(early[:, ::2], clip[0, :, ::2]) and torch.equal(late[:, 1::2], clip[1, :, 1::2])
    between = (early[:, 2].float() + early[:, 4].float()) / 2
    assert torch.equal(early[:, 3], to_bytes(between))
    assert torch.equal(late[:, 0], late[:, 1])  # the first row has none above it


def test_deinterlacers_are_shown_fields_in_their_order(clip):
    woven = weave(clip[:8])
    seen = []

    def way(frames):
        for frame in frames:
            seen.append((frame.time, frame.duration, frame.field_order))
            yield from (frame, frame)

    found = baselines.by_fields(way, woven)
    assert torch.equal(found, woven.repeat_interleave(2, 0))
    assert seen == [(n / baselines.RATE, 1 / baselines.RATE, "top") for n in range(4)]


def test_interpolators_are_asked_for_the_middle_of_each_pair(clip):
    asked = []

    def way(first, second, times):
        asked.append((first.time, second.time, times))
        return [first]

    assert torch.equal(baselines.between(way, clip[::2]), clip[:-1:2])
    seconds = 1 / baselines.RATE
    assert asked == [(2 * n * seconds, 2 * (n + 1) * seconds, [(2 * n + 1) * seconds]) for n in range(4)]
