"""The camera's motion between pictures, against motions that were made."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.vision.camera import aligned_flow, camera_motion, chained, furthest, places, scaled
from vidwright.vision.flow import flow_between

SIZE = (120, 160)


def texture(seed: int, size: tuple[int, int] = (240, 320)) -> Tensor:
    """A picture (H, W) in [0, 1] with details of many sizes."""
    random = torch.Generator().manual_seed(seed)
    layers = [
        F.interpolate(torch.rand(1, 1, *(side // step for side in size), generator=random), size, mode="bicubic")
        for step in (4, 10, 30)
    ]
    return torch.stack(layers).mean(0)[0, 0].clamp(0, 1)


def motion(dx: float, dy: float, angle: float = 0.0, scale: float = 1.0, tilt: float = 0.0) -> Tensor:
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    return torch.tensor([[cosine, -sine, dx], [sine, cosine, dy], [tilt, 0, 1]], dtype=torch.float64)


def seen(picture_HW: Tensor, camera_33: Tensor) -> Tensor:
    """What is at camera(p) for each pixel p of a view of `SIZE` in the picture's middle, uint8."""
    offset = torch.tensor([(big - small) / 2 for big, small in zip(picture_HW.shape, SIZE, strict=True)])
    where_2HW = places(camera_33, SIZE) + offset.flip(0)[:, None, None]
    size_2 = torch.tensor(picture_HW.shape[::-1])[:, None, None]
    grid_1HW2 = ((2 * where_2HW + 1) / size_2 - 1).permute(1, 2, 0)[None]
    view = F.grid_sample(picture_HW[None, None], grid_1HW2.float(), mode="bicubic", align_corners=False)
    return view[0, 0].clamp(0, 1).mul(255).round().to(torch.uint8)


@pytest.mark.parametrize(
    "truth_33",
    [motion(3, -2), motion(-14, 5), motion(1, 1, 0.03, 1.02), motion(0, 0, 0, 1, 1e-4)],
    ids=["pan", "fast pan", "turn and zoom", "tilt"],
)
def test_finds_the_motion_of_the_camera(truth_33: Tensor) -> None:
    # A view through the camera shows at p what the other shows at camera(p), so the way from it is the camera's.
    first, second = seen(texture(1), truth_33), seen(texture(1), torch.eye(3, dtype=torch.float64))
    error = places(camera_motion(first, second), SIZE) - places(truth_33, SIZE)
    assert error.square().sum(0).sqrt().mean() < 0.15


def test_what_is_hidden_is_not_looked_at() -> None:
    first, second = seen(texture(1), motion(4, 0)), seen(texture(1), motion(0, 0))
    known = torch.ones(SIZE, dtype=torch.bool)
    known[20:110, 20:140] = False
    other = seen(texture(2), motion(0, 0))
    first[~known], second[~known] = other[~known], other[~known]  # something large that moves with the picture's frame
    found = places(camera_motion(first, second, known), SIZE) - places(motion(4, 0), SIZE)
    assert found.abs().mean() < 0.3


def test_nothing_to_follow_is_a_camera_that_stands_still() -> None:
    flat = torch.full(SIZE, 90, dtype=torch.uint8)
    assert torch.equal(camera_motion(flat, flat), torch.eye(3, dtype=torch.float64))


def test_scaled_is_the_same_motion_of_larger_pictures() -> None:
    small_33 = motion(3, -2, 0.02, 1.01)
    large_33 = scaled(small_33, (2, 2))
    centre = torch.tensor([2 * 10 + 0.5, 2 * 20 + 0.5, 1], dtype=torch.float64)  # of the four pixels that were one
    x, y = (small_33 @ torch.tensor([10, 20, 1], dtype=torch.float64))[:2].tolist()
    moved = large_33 @ centre
    assert torch.allclose(moved[:2] / moved[2], torch.tensor([2 * x + 0.5, 2 * y + 0.5], dtype=torch.float64))


def test_flow_in_a_fast_pan_is_found_from_the_camera() -> None:
    truth_33 = motion(-26, 9)
    first, second = seen(texture(3), truth_33), seen(texture(3), motion(0, 0))
    truth_2HW = places(truth_33, SIZE) - places(motion(0, 0), SIZE)
    inner = (slice(None), slice(20, -20), slice(35, -35))

    def error(flow_2HW: Tensor) -> float:
        return float((flow_2HW - truth_2HW)[inner].square().sum(0).sqrt().mean())

    camera_33 = camera_motion(first, second)
    assert error(aligned_flow(first, second, camera_33)) < 0.3
    assert error(aligned_flow(first, second, camera_33)) < error(flow_between(first, second))


def test_motions_are_chained_both_ways() -> None:
    cameras = [motion(3, 0), motion(2, 1), motion(0, -4)]
    ways = chained(cameras, 1)
    assert list(ways) == [-1, 0, 1, 2]
    where = {offset: tuple(round(number, 9) for number in way_33[:2, 2].tolist()) for offset, way_33 in ways.items()}
    assert where == {-1: (-3, 0), 0: (0, 0), 1: (2, 1), 2: (2, -3)}


def test_the_corner_that_is_moved_furthest() -> None:
    assert furthest(motion(3, -4), SIZE) == pytest.approx(5)
    wider = torch.diag(torch.tensor([1.1, 1, 1], dtype=torch.float64))
    assert furthest(wider, SIZE) == pytest.approx(0.1 * (SIZE[1] - 1))
