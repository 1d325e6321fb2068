"""Reading media as it passes. PyAV (FFmpeg) and numpy are imported here alone."""

from callward_ingest.media.limits import MediaLimits
from callward_ingest.media.reader import media_readers

__all__ = ["MediaLimits", "media_readers"]
