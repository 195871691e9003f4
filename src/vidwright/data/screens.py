"""What screens show, as clips: pages of text that stand still or scroll.

Shapes: T frames, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vidwright.vision.page import draw_page


def screen(frames: int, size: tuple[int, int], random: torch.Generator) -> Tensor:
    """uint8 (T, 3, H, W) of `size` (height, width): a page that stands still in a third of all cases, else scrolls.

    By a whole number of rows from frame to frame, up or down, as programs scroll.
    """
    height, width = size
    seed = int(torch.randint(2**31, (), generator=random))
    speed = max(int(torch.randint(-6, 13, (), generator=random)), 0)
    page = draw_page(height + speed * (frames - 1), width, seed)
    tops = [speed * n for n in range(frames)]
    shown = torch.stack([page[:, top : top + height] for top in tops])
    return shown.flip(0) if seed % 2 else shown
