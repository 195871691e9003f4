"""Masks: drawn from shapes, made larger, softer and simpler, and put between others.

Places are pixels (x, y) from the picture's left upper corner, so the first pixel's middle is (0.5, 0.5).

Shapes: H rows, W columns; masks are bool (H, W).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

#: Parts of a pixel to which OpenCV draws, as powers of two.
_FINE = 4


def polygon(size: tuple[int, int], corners: Sequence[tuple[float, float]]) -> Tensor:
    """The pixels whose middle lies inside of a polygon, or about so."""
    canvas = np.zeros(size, np.uint8)
    points = np.array([[(x - 0.5) * 2**_FINE, (y - 0.5) * 2**_FINE] for x, y in corners]).round().astype(np.int32)
    cv2.fillPoly(canvas, [points], 1, shift=_FINE)
    return torch.from_numpy(canvas > 0)


def box(size: tuple[int, int], left: float, top: float, right: float, bottom: float) -> Tensor:
    """The pixels whose middle lies in a rectangle."""
    y_H1, x_1W = _centres(size)
    return (x_1W >= left) & (x_1W < right) & (y_H1 >= top) & (y_H1 < bottom)


def ellipse(size: tuple[int, int], x: float, y: float, across: float, down: float) -> Tensor:
    """The pixels whose middle lies in an ellipse around (x, y) with these radii."""
    y_H1, x_1W = _centres(size)
    return ((x_1W - x) / across) ** 2 + ((y_H1 - y) / down) ** 2 <= 1


def stroke(size: tuple[int, int], width: float, points: Sequence[tuple[float, float]]) -> Tensor:
    """The pixels that a round brush of `width` covers on its way along the points."""
    y_H1, x_1W = _centres(size)
    covered = torch.zeros(size, dtype=torch.bool)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[-1]], strict=True):
        length = max((x1 - x0) ** 2 + (y1 - y0) ** 2, 1e-12)
        along = (((x_1W - x0) * (x1 - x0) + (y_H1 - y0) * (y1 - y0)) / length).clamp(0, 1)
        off = (x_1W - x0 - along * (x1 - x0)) ** 2 + (y_H1 - y0 - along * (y1 - y0)) ** 2
        covered |= off <= (width / 2) ** 2
    return covered


def grown(mask_HW: Tensor, pixels: float) -> Tensor:
    """The mask and all that is at most so far away from it; below 0 it shrinks by as much."""
    if not pixels or not bool(mask_HW.any()):
        return mask_HW
    return distance(mask_HW) <= pixels if pixels > 0 else distance(~mask_HW) > -pixels


def distance(mask_HW: Tensor) -> Tensor:
    """How far each pixel is from the nearest one of a mask, fp32 (H, W); 0 inside, infinite where the mask is empty."""
    if not bool(mask_HW.any()):
        return torch.full(mask_HW.shape, torch.inf)
    outside = (~mask_HW).numpy().astype(np.uint8)
    return torch.from_numpy(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


def signed(mask_HW: Tensor) -> Tensor:
    """How far outside of the nearest rim each pixel is, below 0 inside; as far as can be where there is no rim."""
    most = sum(mask_HW.shape)
    outside_HW, inside_HW = (distance(each_HW).clamp(max=most) for each_HW in (mask_HW, ~mask_HW))
    return torch.where(mask_HW, 0.5 - inside_HW, outside_HW - 0.5)


def feathered(mask_HW: Tensor, pixels: float) -> Tensor:
    """Opacity (H, W) in [0, 1]: 1 in the mask, falling to 0 over so many pixels around it."""
    if pixels <= 0:
        return mask_HW.float()
    return (1 - distance(mask_HW) / (pixels + 1)).clamp(0, 1)


def hull(mask_HW: Tensor) -> Tensor:
    """The smallest mask without dents around another: a form that says less of what lies in it."""
    points = cv2.findNonZero(mask_HW.numpy().astype(np.uint8))
    if points is None:
        return mask_HW
    canvas = np.zeros(tuple(mask_HW.shape), np.uint8)
    cv2.fillConvexPoly(canvas, cv2.convexHull(points), 1)
    return torch.from_numpy(canvas > 0) | mask_HW


def bounds(mask_HW: Tensor) -> Tensor:
    """The smallest upright rectangle around a mask."""
    rows, columns = mask_HW.any(1), mask_HW.any(0)
    if not bool(rows.any()):
        return mask_HW
    (top, *_), (left, *_) = rows.nonzero()[:, 0].tolist(), columns.nonzero()[:, 0].tolist()
    bottom, right = int(rows.nonzero()[-1, 0]), int(columns.nonzero()[-1, 0])
    out = torch.zeros_like(mask_HW)
    out[top : bottom + 1, left : right + 1] = True
    return out


def between(first_HW: Tensor, second_HW: Tensor, part: float) -> Tensor:
    """The mask on the way from one to another, at a `part` from 0 to 1: each rim moves evenly (shape-based
    interpolation, Raya and Udupa 1990), after the one was moved so that its middle is where it should be by then."""
    if not (bool(first_HW.any()) and bool(second_HW.any())):
        return first_HW if part < 0.5 else second_HW
    there, here = (_middle(mask_HW) for mask_HW in (second_HW, first_HW))
    shift = there - here
    depths = [signed(_moved(m, s)) for m, s in ((first_HW, part * shift), (second_HW, (part - 1) * shift))]
    return torch.lerp(depths[0], depths[1], part) < 0


def cleaned(mask_HW: Tensor, pixels: int) -> Tensor:
    """A mask without specks that are thinner than so many pixels, with dents and gaps of that size closed."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (pixels, pixels))
    codes = cv2.erode(mask_HW.numpy().astype(np.uint8), kernel)
    # OpenCV's own opening does not turn the kernel round: one of even size would move the mask by a pixel.
    codes = cv2.dilate(codes, cv2.flip(kernel, -1), anchor=(pixels - 1 - pixels // 2,) * 2)
    closing = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1,) * 2)
    return torch.from_numpy(cv2.morphologyEx(codes, cv2.MORPH_CLOSE, closing) > 0)


def solid(mask_HW: Tensor, pixels: int) -> Tensor:
    """A mask without specks, with gaps of so many pixels closed, and without holes."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1,) * 2)
    codes = np.pad(cleaned(mask_HW, 2).numpy().astype(np.uint8), pixels + 1)
    codes = cv2.morphologyEx(codes, cv2.MORPH_CLOSE, kernel)
    rims, _ = cv2.findContours(codes, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(codes, rims, -1, 1, cv2.FILLED)
    inner = slice(pixels + 1, -pixels - 1)
    return torch.from_numpy(codes[inner, inner] > 0)


def touching(mask_HW: Tensor, seed_HW: Tensor) -> Tensor:
    """The connected parts of a mask that have a pixel in common with another."""
    _, labels = cv2.connectedComponents(mask_HW.numpy().astype(np.uint8))
    parts = torch.from_numpy(labels)
    kept = parts[mask_HW & seed_HW].unique()
    return torch.isin(parts, kept) & mask_HW


def parts(mask_HW: Tensor) -> list[Tensor]:
    """The connected parts of a mask, as masks."""
    count, labels = cv2.connectedComponents(mask_HW.numpy().astype(np.uint8))
    return [torch.from_numpy(labels == number) for number in range(1, count)]


def resized(mask_HW: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask stretched to another size: each pixel is what lies under its middle."""
    if tuple(mask_HW.shape) == size:
        return mask_HW
    codes = mask_HW.numpy().astype(np.float32)
    shrinking = size[0] * size[1] < codes.size
    way = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return torch.from_numpy(cv2.resize(codes, size[::-1], interpolation=way)) >= 0.5


def _centres(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    height, width = size
    return torch.arange(height)[:, None] + 0.5, torch.arange(width)[None] + 0.5


def _middle(mask_HW: Tensor) -> Tensor:
    return mask_HW.nonzero().double().mean(0).flip(0)


def _moved(mask_HW: Tensor, shift: Tensor) -> Tensor:
    """A mask moved by (x, y) pixels, to whole ones."""
    move = np.array([[1, 0, round(float(shift[0]))], [0, 1, round(float(shift[1]))]], dtype=np.float64)
    codes = mask_HW.numpy().astype(np.uint8)
    return torch.from_numpy(cv2.warpAffine(codes, move, codes.shape[::-1], flags=cv2.INTER_NEAREST) > 0)
