"""What a job did, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Damage:
    """What a reader met that a whole file would not have shown; counts of frames or packets."""

    undecodable: int = 0  # packets that the decoder refused
    corrupt: int = 0  # packets or frames flagged as corrupt
    retimed: int = 0  # frames whose time stamp was missing, doubled, disordered or jumped
    truncated: bool = False  # the file ends before its container says it should

    def __bool__(self) -> bool:
        return bool(self.undecodable or self.corrupt or self.truncated)

    def __str__(self) -> str:
        parts = [f"{self.undecodable} undecodable packets"] * bool(self.undecodable)
        parts += [f"{self.corrupt} corrupt frames"] * bool(self.corrupt)
        parts += [f"{self.retimed} frames retimed"] * bool(self.retimed)
        parts += ["the file is cut off"] * self.truncated
        return ", ".join(parts) or "none"


@dataclass(frozen=True, slots=True)
class Report:
    """The result of writing a file: where it is, what it holds, what could not be kept."""

    output: Path
    frames: int
    seconds: float  # of wall-clock time
    bytes: int
    damage: Damage = Damage()
    warnings: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict[str, Any])

    def as_json(self) -> dict[str, Any]:
        """Plain data for `--json`; the schema's version travels with it."""
        return {"schema": 1, **asdict(self), "output": str(self.output)}
