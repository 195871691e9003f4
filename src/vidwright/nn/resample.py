"""Classical resampling of pictures.

Shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def lanczos(x_BCHW: Tensor, scale: int) -> Tensor:
    """Enlarge by a whole factor with the three-lobed Lanczos kernel, fp32; rings may leave the input's range."""
    return lanczos_to(x_BCHW, (x_BCHW.shape[-2] * scale, x_BCHW.shape[-1] * scale))


def lanczos_to(x_BCHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize to `size` (H, W) with the same kernel, which widens where a picture shrinks so that nothing aliases."""
    return F.interpolate(x_BCHW, size=size, mode="lanczos", antialias=True)
