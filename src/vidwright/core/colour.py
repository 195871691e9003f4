"""How code values become light: primaries, transfer, matrix, range and depth."""

from __future__ import annotations

from dataclasses import dataclass, replace

#: ITU-T H.273 code points that this package names; FFmpeg uses the same numbers.
UNSPECIFIED = 2
BT709 = 1
BT470BG = 5
BT601 = 6
BT2020 = 9
RGB_MATRIX = 0

#: Luma weights (Kr, Kb) of each H.273 matrix coefficient that is a plain linear Y'CbCr.
LUMA_WEIGHTS: dict[int, tuple[float, float]] = {
    BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),  # FCC
    BT470BG: (0.299, 0.114),
    BT601: (0.299, 0.114),
    7: (0.212, 0.087),  # SMPTE 240M
    BT2020: (0.2627, 0.0593),
}


@dataclass(frozen=True, slots=True)
class Colour:
    """Colour description of a picture.

    `primaries`, `transfer`, `matrix` are H.273 code points (2 = not tagged); `full_range` is False for
    studio swing (16..235 in 8 bits), True for 0..255, None when not tagged; `bits` per component.
    """

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED
    full_range: bool | None = None
    bits: int = 8

    def resolved(self, width: int, height: int) -> Colour:
        """The same description with each missing tag filled by what players assume.

        Untagged pictures up to 576 lines are BT.601, larger ones BT.709; an untagged range is studio swing,
        except that RGB is full. Players guess from the size, so a file that changes size must carry these tags.
        """
        sd = height <= 576 and width < 1280
        matrix = self.matrix if self.matrix != UNSPECIFIED else (BT601 if sd else BT709)
        guessed = BT601 if matrix in (BT601, BT470BG) else BT709 if matrix == BT709 else UNSPECIFIED
        return replace(
            self,
            matrix=matrix,
            primaries=self.primaries if self.primaries != UNSPECIFIED else guessed,
            transfer=self.transfer if self.transfer != UNSPECIFIED else guessed,
            full_range=matrix == RGB_MATRIX if self.full_range is None else self.full_range,
        )

    def gain(self, bits: int) -> float:
        """What a code value is in those of so many `bits`: studio swing is shifted, full range stretched (BT.2100)."""
        return (2**bits - 1) / (2**self.bits - 1) if self.full_range else 2.0 ** (bits - self.bits)

    @property
    def is_hdr(self) -> bool:
        """True for the PQ (SMPTE ST 2084) and HLG (ARIB STD-B67) transfer curves."""
        return self.transfer in (16, 18)


@dataclass(frozen=True, slots=True)
class Hdr10:
    """Static HDR metadata: SMPTE ST 2086 mastering display and CTA-861.3 light levels.

    Chromaticities are CIE 1931 (x, y) of red, green, blue, white; luminances and light levels in cd/m2;
    a part that the source does not carry is None.
    """

    chromaticities: tuple[tuple[float, float], ...] | None
    luminance: tuple[float, float] | None  # (min, max)
    light_level: tuple[int, int] | None  # (MaxCLL, MaxFALL)
