"""A critic judges patches by their details, each by itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.nn.critic import PatchCritic
from vidwright.train.losses import hinge_discriminator


def critic(channels: int = 8) -> PatchCritic:
    torch.manual_seed(0)
    return PatchCritic(channels)


def pictures(count: int, height: int = 32, width: int = 48) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def soft(picture_BCHW: Tensor) -> Tensor:
    return F.avg_pool2d(picture_BCHW, 3, stride=1, padding=1)


def test_there_is_a_score_for_each_four_by_four_pixels():
    x = pictures(2)
    assert critic()(x, soft(x)).shape == (2, 1, 8, 12)


@pytest.mark.parametrize("changed", [0, 1])
def test_a_score_is_of_26_pixels_around_it(changed):
    net, x = critic(), pictures(1, 64, 64)
    given, other = [x, soft(x)], [x.clone(), soft(x)]
    other[changed][..., 32, 32] += 1
    _, _, rows, columns = (net(*other) - net(*given)).abs().gt(1e-7).nonzero().unbind(1)
    # Score n sees pixels 4n - 11 to 4n + 14: of 32 those from n = 5 on, up to n = 10.
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 10, 5, 10)


def test_it_learns_to_tell_soft_pictures_from_true_ones():
    net, x = critic(), pictures(4)
    descent = torch.optim.AdamW(net.parameters(), 3e-3)
    base = soft(x)
    made = base + 0.5 * (x - base)
    for _ in range(30):
        descent.zero_grad()
        hinge_discriminator(net(x, base), net(made, base)).backward()
        descent.step()
    assert net(x, base).mean() > 0.5 and net(made, base).mean() < -0.5
