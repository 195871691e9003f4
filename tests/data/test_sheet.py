"""The contact sheet: its writing can be read, and each picture is where it should be."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
import torch

from vidwright.data.sheet import COLOURS, COLUMNS, DOT, DOTS, LETTERS, Cell, contact_sheet, written


def test_letters_are_all_different():
    assert len(DOTS) == 5 * len(LETTERS)
    drawn = {character: written(character) for character in LETTERS}
    assert len({dots.numpy().tobytes() for dots in drawn.values()}) == len(LETTERS)
    assert written("H")[::DOT, ::DOT].int().tolist() == [[1, 0, 1, 0]] * 2 + [[1, 1, 1, 0]] + [[1, 0, 1, 0]] * 2
    assert not written(" é").any() and written("ab").shape == (5 * DOT, 8 * DOT)
    assert written("").shape == (5 * DOT, 0)


def test_cells_are_framed_in_order():
    fates = ("train", "valid", "dropped")
    cells = [Cell(torch.full((3, 40, 60), 10 * n, dtype=torch.uint8), fates[n % 3], str(n)) for n in range(12)]
    with av.open(io.BytesIO(contact_sheet(cells))) as file:
        sheet = next(file.decode(video=0)).to_ndarray(format="rgb24")
    height, width = sheet.shape[0] // 2, sheet.shape[1] // COLUMNS
    for n, cell in enumerate(cells):
        row, column = divmod(n, COLUMNS)
        part = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
        assert tuple(part[0, 0]) == COLOURS[cell.fate]
        assert (part[39, 67] == 10 * n).all()
        assert (part[-11:] > 0).any()
    assert not np.any(sheet[height:, 2 * width :])  # the rest of the last row is empty
    with pytest.raises(ValueError, match="nothing to show"):
        contact_sheet([])
