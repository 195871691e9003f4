"""A network that tells what was painted."""

from __future__ import annotations

import pytest
import torch

from vidwright.models.edit.translation import LEAST_WIDTH, WIDTH_SCALE, Config, Net


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net(Config()).eval().requires_grad_(False)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (33, 64)])
def test_before_it_learns_nothing_is_painted_and_all_is_as_unsure(net: Net, size: tuple[int, int]) -> None:
    painted_BCHW, width_B1HW = net(torch.rand(2, 3, *size))
    assert painted_BCHW.shape == (2, 3, *size) and width_B1HW.shape == (2, 1, *size)
    assert not painted_BCHW.any() and torch.allclose(width_B1HW, torch.tensor(WIDTH_SCALE + LEAST_WIDTH))


def test_widths_stay_finite_and_above_a_code_value_whatever_it_has_learned(net: Net) -> None:
    for bias in (-1e6, 1e6):
        torch.nn.init.constant_(net.body.exit.bias, bias)
        width_B1HW = net(torch.rand(1, 3, 16, 16))[1]
        assert torch.isfinite(width_B1HW).all() and bool((width_B1HW >= LEAST_WIDTH).all())


@pytest.mark.parametrize("fields", [{"widths": ()}, {"widths": (0, 8)}, {"widths": (10**6,)}, {"depth": 0}])
def test_a_config_that_makes_no_network_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Config(**fields)
