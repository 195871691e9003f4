"""What the deinterlacer promises beyond the contract of all models."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from tiny import randomise
from vidwright.core import Frame
from vidwright.data.fields import weave
from vidwright.models.enhance import deinterlacer
from vidwright.models.enhance.deinterlacer import Config, Net

CONFIG = Config(widths=(8, 8))


def interlaced(size: tuple[int, int] = (12, 10), count: int = 4, order: str = "top") -> list[Frame]:
    x_TCHW = torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(0))
    return [Frame(data, Fraction(n, 25), Fraction(1, 25), field_order=order) for n, data in enumerate(x_TCHW)]


def rows_of(frame: Frame, parity: int) -> torch.Tensor:
    return frame.data[:, parity::2]


@pytest.mark.parametrize("size", [(12, 10), (11, 9), (1, 3)], ids=str)
@pytest.mark.parametrize(("order", "early"), [("top", 0), ("bottom", 1)])
def test_the_rows_that_were_filmed_stay_to_the_bit(size, order, early):
    given = interlaced(size, order=order)
    made = list(randomise(Net(CONFIG)).to(torch.bfloat16).stream(given))
    for n, frame in enumerate(given):
        for frame_out, parity in ((made[2 * n], early), (made[2 * n + 1], 1 - early)):
            assert torch.equal(rows_of(frame_out, parity), rows_of(frame, parity))
            assert frame_out.field_order == "progressive"


def test_what_is_not_marked_is_taken_for_top_field_first():
    net, given = randomise(Net(CONFIG)), interlaced()
    unmarked = [replace(frame, field_order="progressive") for frame in given]
    for a, b in zip(net.stream(given), net.stream(unmarked), strict=True):
        assert torch.equal(a.data, b.data)


def test_bottom_field_first_is_top_field_first_upside_down():
    net = randomise(Net(CONFIG))
    given = interlaced((12, 10), order="bottom")
    turned = [replace(frame, data=frame.data.flip(-2), field_order="top") for frame in given]
    for a, b in zip(net.stream(given), net.stream(turned), strict=True):
        assert torch.equal(a.data, b.data.flip(-2))


def test_a_change_of_the_order_is_a_new_beginning():
    net = randomise(Net(CONFIG))
    first, then = interlaced(count=2), interlaced(count=3, order="bottom")
    apart = [*net.stream(first), *net.stream(then)]
    for a, b in zip(net.stream([*first, *then]), apart, strict=True):
        assert torch.equal(a.data, b.data)


def test_training_starts_from_the_mean_of_the_candidates():
    """Of a picture that stands still and whose rows are all alike, nothing is missing."""
    x_BTCHW = torch.rand(1, 1, 3, 1, 10).expand(1, 3, 3, 12, 10)
    torch.testing.assert_close(Net(CONFIG)(x_BTCHW), x_BTCHW[:, :2], rtol=0, atol=1e-6)


def test_candidates_are_the_rows_at_the_missing_places():
    """Each row holds 100 times the number of its field, plus its own."""
    numbers = torch.arange(6.0).view(6, 1, 1, 1) * 100 + torch.arange(8.0).view(1, 1, 8, 1)
    frames = weave(numbers.expand(6, 3, 8, 4).contiguous())[None]
    first, second = deinterlacer.candidates(*frames.unbind(1))[0, :, :, 0, :, 0]
    assert first.tolist() == [[201, 203, 205, 206], [101, 103, 105, 107], [301, 303, 305, 307]]
    assert second.tolist() == [[301, 302, 304, 306], [200, 202, 204, 206], [400, 402, 404, 406]]


@pytest.mark.parametrize("height", [1, 7, 16, 33])
def test_large_pictures_in_stripes_are_the_pictures_as_a_whole(monkeypatch, height):
    net, x = Net(CONFIG).requires_grad_(False), torch.rand(1, 3, 3, height, 12)
    torch.nn.init.normal_(net.unet.exit.weight)
    whole = net(x)
    monkeypatch.setattr(deinterlacer, "STRIPE_POSITIONS", 4 * 6)
    torch.testing.assert_close(net(x), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "word"),
    [({"widths": ()}, "widths"), ({"widths": (10**9,)}, "widths"), ({"depth": 0}, "depth"), ({"depth": 99}, "depth")],
)
def test_configs_out_of_bounds_are_refused(change, word):
    with pytest.raises(ValueError, match=f"{word} must be"):
        Config(**change)
