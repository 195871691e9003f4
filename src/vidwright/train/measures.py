"""Everything that the package can say of pictures beside what they should have been.

Shapes: T frames, C = 3 channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from vidwright.core.errors import UsageError
from vidwright.metrics.dtssd import DtSsd
from vidwright.metrics.lpips import Lpips
from vidwright.metrics.metric import Metric
from vidwright.metrics.ms_ssim import MsSsim
from vidwright.metrics.psnr import studio_luma
from vidwright.metrics.ssim import Ssim
from vidwright.metrics.vmaf import vmaf
from vidwright.metrics.warping_error import WarpingError


def measured(clips: Iterable[tuple[Tensor, Tensor]], *, lpips: Path | None = None) -> dict[str, float | None]:
    """SSIM, MS-SSIM, dtSSD, warping error, VMAF and LPIPS of clips and what they should have been, means over frames.

    `clips` are pairs of uint8 (T, 3, H, W) R'G'B'. None is "not measured": LPIPS without the user's `lpips` weights,
    VMAF without the extra `metrics`, MS-SSIM and VMAF of pictures too small for them.
    """
    metrics: list[Ssim | MsSsim | DtSsd | WarpingError | Lpips] = [Ssim(), MsSsim(), DtSsd(), WarpingError()]
    if lpips is not None:
        metrics.append(Lpips(lpips))
    found: dict[str, float | None] = {"lpips": None, "vmaf": None}
    scores: list[float] | None = []
    for output_TCHW, target_TCHW in clips:
        metrics = [metric for metric in metrics if _updated(metric, output_TCHW, target_TCHW)]
        scores = None if scores is None else _vmaf(scores, output_TCHW, target_TCHW)
    if scores:
        found["vmaf"] = sum(scores) / len(scores)
    return found | {"ms_ssim": None} | {metric.name: metric.result() for metric in metrics}


def _updated(metric: Metric, output_TCHW: Tensor, target_TCHW: Tensor) -> bool:
    """Show a metric one clip; whether it could measure it."""
    pairs = zip(output_TCHW.float() / 255, target_TCHW.float() / 255, strict=True)
    try:
        for number, (output_CHW, target_CHW) in enumerate(pairs):
            if isinstance(metric, DtSsd | WarpingError):
                metric.update(output_CHW, target_CHW, cut=number == 0)
            else:
                metric.update(output_CHW, target_CHW)
    except ValueError:  # the pictures are smaller than it can do
        return False
    return True


def _vmaf(scores: list[float], output_TCHW: Tensor, target_TCHW: Tensor) -> list[float] | None:
    try:
        return [*scores, *vmaf(_lumas(output_TCHW), _lumas(target_TCHW)).frames]
    except (UsageError, ValueError):
        return None


def _lumas(x_TCHW: Tensor) -> Iterable[Tensor]:
    return (studio_luma(x_CHW.float() / 255).round().byte() for x_CHW in x_TCHW)
