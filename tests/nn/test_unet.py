"""The U-Net: its formula, any size, every level in use."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vidwright.nn.norm import ChannelLayerNorm
from vidwright.nn.unet import UNet


def picture(height: int, width: int, channels: int = 3) -> torch.Tensor:
    return torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(0))


def built(**options) -> UNet:
    torch.manual_seed(0)
    return UNet(3, 2, [8, 12, 16], depth=1, **options)


def test_with_two_levels_it_is_its_formula():
    torch.manual_seed(0)
    net, x = UNet(3, 2, [8, 12], depth=2), picture(6, 8)
    fine = net.encoder[0](F.conv2d(x, net.entry.weight, net.entry.bias, padding=1))
    down, up = net.downs[0], net.ups[0][0]  # type: ignore[index]
    blocks = F.pixel_unshuffle(fine, 2)
    coarse = net.middle(F.conv2d(blocks, down.weight.flatten(1)[..., None, None], down.bias))
    raised = F.pixel_shuffle(F.conv2d(coarse, up.weight, up.bias), 2)
    expected = net.exit(net.decoder[0](fine + raised))
    torch.testing.assert_close(net(x), expected)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 8), (7, 5), (8, 12), (9, 13)])
def test_any_size_is_padded_by_its_border_and_cut_back(height, width):
    net, x = built(), picture(height, width)
    rows = torch.arange(-(-height // 4) * 4).clamp(max=height - 1)
    columns = torch.arange(-(-width // 4) * 4).clamp(max=width - 1)
    y = net(x)
    assert y.shape == (2, 2, height, width)
    assert torch.equal(y, net(x[..., rows, :][..., columns])[..., :height, :width])


def test_one_width_is_a_plain_residual_network():
    net, x = UNet(3, 2, [8], depth=1), picture(5, 7)
    torch.testing.assert_close(net(x), net.exit(net.middle(net.entry(x))))


def test_a_shift_by_whole_coarse_pixels_shifts_the_result():
    net, x = built(), picture(80, 80)
    moved = net(x.roll((4, 8), (-2, -1)))
    inner = slice(36, 52)  # what no border reaches: the net sees 25 pixels far, and 8 are shifted
    torch.testing.assert_close(
        moved[..., inner, inner], net(x).roll((4, 8), (-2, -1))[..., inner, inner], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(("widths", "depth"), [([4], 2), ([4, 4], 1), ([4, 4, 4], 1), ([4, 4], 3)], ids=str)
def test_it_looks_no_further_than_its_reach(widths, depth):
    torch.manual_seed(0)
    net, x = UNet(3, 2, widths, depth=depth).double(), picture(160, 4).double()
    changed = x.clone()
    changed[..., 80, :] += 1
    rows = (net(changed) - net(x)).abs().amax(dim=(0, 1, 3)).nonzero()
    far = max(80 - int(rows.min()), int(rows.max()) - 80)
    assert net.reach % net.multiple == 0 and far <= net.reach < far + 3 * net.multiple


@pytest.mark.parametrize("options", [{}, {"norm": ChannelLayerNorm}, {"act": "gelu", "condition": 4}], ids=str)
def test_every_parameter_learns(options):
    net = built(**options)
    condition = (torch.ones(2, 4),) if "condition" in options else ()
    net(picture(8, 8), *condition).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_bf16_in_channels_last_is_near_fp32():
    net, x = built(), picture(16, 16)
    exact = net(x)
    net, x = (
        net.bfloat16().to(memory_format=torch.channels_last),
        x.to(torch.bfloat16, memory_format=torch.channels_last),
    )
    assert (net(x).float() - exact).square().mean() < 1e-3 * exact.square().mean()
