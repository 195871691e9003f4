"""Shifts are found where pictures moved, and move what they are given as slicing would."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vidwright.nn.shift import CERTAINTY, moved, shift_matrices, votes

REACH, CELL = 3, 16


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def sliced(x_HW: Tensor, down: int, across: int) -> Tensor:
    """Moved by whole pixels, zeros coming in: by slices alone."""
    out_HW = torch.zeros_like(x_HW)
    height, width = x_HW.shape
    to_rows = slice(max(down, 0), height + min(down, 0))
    to_columns = slice(max(across, 0), width + min(across, 0))
    from_rows = slice(max(-down, 0), height + min(-down, 0))
    from_columns = slice(max(-across, 0), width + min(-across, 0))
    out_HW[to_rows, to_columns] = x_HW[from_rows, from_columns]
    return out_HW


def one(shift: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor([[shift + REACH]]), 2 * REACH + 1).float()


shifts = st.integers(-REACH, REACH)


@settings(max_examples=25, deadline=None)
@given(down=shifts, across=shifts)
def test_certain_shifts_move_by_whole_pixels(down, across):
    x_HW = noise(9, 7)
    out = moved(x_HW[None, None, None], shift_matrices(one(down), 9), shift_matrices(one(across), 7))
    assert torch.equal(out[0, 0, 0], sliced(x_HW, down, across))


def test_a_kernel_mixes_its_shifts():
    x_HW, kernel = noise(8, 8), torch.tensor([[[0.0, 0.25, 0.0, 0.0, 0.0, 0.75, 0.0]]])
    out = moved(x_HW[None, None, None], shift_matrices(kernel, 8), shift_matrices(one(1), 8))[0, 0, 0]
    torch.testing.assert_close(out, 0.25 * sliced(x_HW, -2, 1) + 0.75 * sliced(x_HW, 2, 1))


def test_each_motion_moves_its_own_maps():
    x_NGMHW = noise(2, 3, 2, 8, 6)
    down = shift_matrices(torch.stack([torch.cat([one(1), one(-2)], 1)[0], torch.cat([one(0), one(3)], 1)[0]]), 8)
    across = shift_matrices(torch.cat([one(0), one(2)], 1).expand(2, -1, -1), 6)
    out = moved(x_NGMHW, down, across)
    for n, m, by in [(0, 0, (1, 0)), (0, 1, (-2, 2)), (1, 0, (0, 0)), (1, 1, (3, 2))]:
        for g in range(3):
            assert torch.equal(out[n, g, m], sliced(x_NGMHW[n, g, m], *by))
    assert torch.equal(moved(x_NGMHW[:, :, :1], down, across)[:, :, 0], out[:, :, 0])


@settings(max_examples=25, deadline=None)
@given(down=shifts, across=shifts, seed=st.integers(0, 100))
def test_votes_name_the_shift_that_happened(down, across, seed):
    before_HW = (noise(48, 48, seed=seed) > 0.7).float()
    now_HW = sliced(before_HW, down, across)
    cells = votes(now_HW[None, None], before_HW[None, None], reach=REACH, cell=CELL)
    assert cells.shape == (1, (2 * REACH + 1) ** 2, 3, 3)
    assert divmod(int(cells[0, :, 1, 1].argmax()), 2 * REACH + 1) == (down + REACH, across + REACH)
    # And `moved` understands them so.
    shares = cells[0, :, 1, 1].unflatten(0, (2 * REACH + 1, -1)) / cells[0, :, 1, 1].sum()
    down_matrix = shift_matrices(shares.sum(dim=1)[None, None], 48)
    across_matrix = shift_matrices(shares.sum(dim=0)[None, None], 48)
    out_HW = moved(before_HW[None, None, None], down_matrix, across_matrix)[0, 0, 0]
    torch.testing.assert_close(out_HW, now_HW, atol=0.01, rtol=0)


def test_votes_weigh_as_much_as_there_is_to_see():
    now = torch.zeros(1, 1, 16, 32)
    now[..., 4:8, 20:24] = 1.0
    cells = votes(now, now, reach=REACH, cell=CELL)
    torch.testing.assert_close(cells.sum(dim=1)[0, 0], torch.tensor([0.0, 16 / 256]))


def test_votes_are_a_softmax_of_squared_errors():
    now_HW, before_HW = noise(32, 16), noise(32, 16, seed=1)
    errors = [
        (now_HW - sliced(before_HW, down, across))[16:].square().sum() for down in (-1, 0, 1) for across in (-1, 0, 1)
    ]
    cells = votes(now_HW[None, None], before_HW[None, None], reach=1, cell=CELL)
    wanted = (-CERTAINTY * torch.stack(errors)).softmax(dim=0) * now_HW[16:].mean()
    torch.testing.assert_close(cells[0, :, 1, 0], wanted, rtol=1e-4, atol=1e-7)
