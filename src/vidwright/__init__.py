"""vidwright: generative models for video that a person can really use.

    import vidwright as vw
    video = vw.open_video("a.mp4")
    vw.save_video(vw.enhance(video, vw.load("enhance/restorer", "x2-fast")), "b.mp4")

Names are imported when they are first used, so that `import vidwright` costs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidwright.bench.compare import compare as compare
    from vidwright.core import Colour as Colour
    from vidwright.core import Frame as Frame
    from vidwright.core import Report as Report
    from vidwright.core import Video as Video
    from vidwright.core import VideoInfo as VideoInfo
    from vidwright.core.errors import VidwrightError as VidwrightError
    from vidwright.io import open_video as open_video
    from vidwright.io import probe as probe
    from vidwright.io import save_video as save_video
    from vidwright.jobs.changes import Change as Change
    from vidwright.jobs.changes import Fill as Fill
    from vidwright.jobs.compress import Compress as Compress
    from vidwright.jobs.edit import Edit as Edit
    from vidwright.jobs.edit import edit as edit
    from vidwright.jobs.enhance import Enhance as Enhance
    from vidwright.jobs.enhance import enhance as enhance
    from vidwright.jobs.generate import Generate as Generate
    from vidwright.jobs.generate import generate as generate
    from vidwright.jobs.lossless import compress_lossless as compress_lossless
    from vidwright.jobs.lossless import decompress_lossless as decompress_lossless
    from vidwright.jobs.region import Region as Region
    from vidwright.jobs.run import run as run
    from vidwright.jobs.work import Local as Local
    from vidwright.models import load as load
    from vidwright.train.video_generator import VideoGenerator as VideoGenerator

__version__ = "0.1.0"

_HOMES = {
    "Change": "jobs.changes",
    "Colour": "core",
    "Compress": "jobs.compress",
    "Edit": "jobs.edit",
    "Enhance": "jobs.enhance",
    "Fill": "jobs.changes",
    "Frame": "core",
    "Generate": "jobs.generate",
    "Local": "jobs.work",
    "Region": "jobs.region",
    "Report": "core",
    "Video": "core",
    "VideoGenerator": "train.video_generator",
    "VideoInfo": "core",
    "VidwrightError": "core.errors",
    "compare": "bench.compare",
    "compress_lossless": "jobs.lossless",
    "decompress_lossless": "jobs.lossless",
    "edit": "jobs.edit",
    "enhance": "jobs.enhance",
    "generate": "jobs.generate",
    "load": "models",
    "open_video": "io",
    "probe": "io",
    "run": "jobs.run",
    "save_video": "io",
}

__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vidwright' has no attribute {name!r}")
    return getattr(importlib.import_module(f"vidwright.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
