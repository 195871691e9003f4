"""Files to videos and back; the only room that knows PyAV."""

from vidwright.io.probe import probe
from vidwright.io.reader import open_video
from vidwright.io.writer import save_video

__all__ = ["open_video", "probe", "save_video"]
