"""What a run ran on: versions and hardware, and nothing that says whose machine it is."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from vidwright import __version__
from vidwright.models import resolve_dtype


def environment() -> dict[str, str | int | bool]:
    """Versions, processor, memory in bytes and accelerator; no name of the host or the user, and no path.

    `bf16` is whether the processor computes in it natively; `cores` are those this process may use.
    """
    found: dict[str, str | int | bool] = {
        "vidwright": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bf16": resolve_dtype("auto", torch.device("cpu")) is torch.bfloat16,
        "cores": _cores(),
        "threads": torch.get_num_threads(),
    }
    memory = _memory()
    if memory is not None:
        found["memory"] = memory
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
        found["gpus"] = torch.cuda.device_count()
        found["cuda"] = torch.version.cuda or "unknown"
    return found


def _processor() -> str:
    """The model as the kernel names it; what Python knows elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _cores() -> int:
    """The cores this process may use, which a container or a scheduler may have made fewer."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int | None:
    """Bytes of physical memory, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
