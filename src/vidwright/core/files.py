"""The one way a file comes to exist: temporary sibling, fsync, rename, fsync of the folder.

Whoever looks at the destination sees the old file or the whole new one, never a part, whatever is killed when.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from vidwright.core.errors import JobFailed


def make_folder(path: Path) -> None:
    """Make a folder, and those that it lies in, unless it is there. Raises `JobFailed` where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(path, error) from error


@contextmanager
def atomic(destination: Path, *, suffix: str = ".part") -> Generator[Path]:
    """Give a temporary sibling of `destination` to write to; on success it takes the name, on failure it goes.

    The sibling's name ends in `suffix`. Raises `JobFailed` naming the destination when the disk is full, the
    folder is read-only or missing, or any write, sync or rename fails; the file that was there stays as it was.
    Siblings that killed processes left behind are removed first.
    """
    temporary = destination.with_name(f".{destination.name[:200]}.{os.getpid()}{suffix}")
    _sweep(destination, suffix)
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, destination)
        sync(destination.parent)
    except OSError as error:
        raise explain_os_error(destination, error) from error
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            temporary.unlink()


@contextmanager
def atomic_file(destination: Path) -> Generator[IO[bytes]]:
    """An empty file to write to and read from, which becomes `destination` as `atomic` says."""
    with atomic(destination) as temporary, temporary.open("w+b") as file:
        yield file


def _sweep(destination: Path, suffix: str) -> None:
    """Remove what killed processes left behind when they were writing the same destination."""
    pattern = f".{destination.name[:200]}."
    with suppress(OSError):
        for name in os.listdir(destination.parent):
            owner = name.removeprefix(pattern).removesuffix(suffix)
            if name == f"{pattern}{owner}{suffix}" and owner.isdecimal() and not _alive(int(owner)):
                (destination.parent / name).unlink(missing_ok=True)


def _alive(process: int) -> bool:
    if os.name != "posix":  # elsewhere the question itself would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def write_atomic(destination: Path, content: bytes | str) -> None:
    """Write `content` to `destination` as a whole or not at all."""
    data = content.encode() if isinstance(content, str) else content
    with atomic(destination) as temporary:
        temporary.write_bytes(data)


def sha256(path: Path) -> str:
    """The SHA-256 of a file's contents, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def explain_os_error(path: Path, error: OSError) -> JobFailed:
    """The three lines for a failed write to `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return JobFailed(
            path, "disk full while writing", "free some space or write elsewhere, then run the same command again"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return JobFailed(path, "the folder may not be written to", "choose another folder with -o")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return JobFailed(path, "the folder does not exist", "create it, or choose another with -o")
    return JobFailed(
        path, f"writing failed ({error.strerror or error})", "check the disk, then run the same command again"
    )


def sync(path: Path) -> None:
    """Have the disk hold what has been written to a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
