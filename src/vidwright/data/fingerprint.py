"""What a folder of data is, as one number."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vidwright.core.files import sha256


def digest(folder: Path) -> str:
    """The SHA-256 of the names and contents of all files in a folder and below it, whatever order they are found in."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(path.relative_to(folder).as_posix().encode() + b"\0" + bytes.fromhex(sha256(path)))
    return total.hexdigest()
