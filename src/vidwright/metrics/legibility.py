"""Whether clips show what they were to show, as somebody reads them frame by frame.

Shapes: B clips, T frames, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Legibility:
    """Shares of clips: `middle` frame read as the label, `alike` all frames read as one and the same class.

    `confidence` is the mean chance that the reader gives to what it reads, and `frames` the share of all frames that
    are read as the label.
    """

    middle: float
    alike: float
    confidence: float
    frames: float


def legibility(scores_BTK: Tensor, labels_B: Tensor) -> Legibility:
    """How clips are read; `scores` are a reader's for each frame, before the softmax. Raises `ValueError` for none."""
    if scores_BTK.numel() == 0 or len(scores_BTK) != len(labels_B):
        raise ValueError(f"expected scores (B, T, K) of as many clips as labels, got {tuple(scores_BTK.shape)}")
    chance_BT, read_BT = scores_BTK.float().softmax(dim=-1).max(dim=-1)
    right_BT = read_BT == labels_B[:, None].to(read_BT.device)
    return Legibility(
        middle=_share(right_BT[:, right_BT.shape[1] // 2]),
        alike=_share((read_BT == read_BT[:, :1]).all(dim=1)),
        confidence=float(chance_BT.double().mean()),
        frames=_share(right_BT),
    )


def _share(true: Tensor) -> float:
    return float(true.double().mean())
