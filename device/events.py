"""What happened, as the service takes it, into the outbox and to those who listen."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Tuple

from device.config import ResultsConfig
from device.consensus import Consensus, result_json
from device.frame_loop import Seen
from device.outbox import Outbox
from device.uptime import mark

if TYPE_CHECKING:
    from PIL.Image import Image

# As many characters of base64 as the service takes.
_MAX_THUMBNAIL = 16000
_QUALITIES = (70, 45, 25)


class Events:
    """A watcher of the frame loop. listeners: told after the event is in the outbox; they must not wait."""

    def __init__(
        self, config: ResultsConfig, outbox: Outbox, listeners: Tuple[Callable[[Seen], None], ...] = ()
    ) -> None:
        self._config, self._outbox, self._listeners = config, outbox, listeners
        self._consensus = Consensus(config)

    def __call__(self, seen: Seen) -> None:
        if not self._consensus.is_news(seen):
            return
        self._outbox.append(event_of(seen, self._config))
        for listen in self._listeners:
            listen(seen)


def event_of(seen: Seen, config: ResultsConfig) -> Dict[str, Any]:
    """As the outbox keeps it."""
    event: Dict[str, Any] = {
        "captured_at_s": round(seen.frame.captured_at_s, 3),
        "model": seen.digest,
        "task": seen.manifest.task,
        "result": result_json(seen),
        **mark(seen.frame.up_s),
    }
    if config.reference is not None:
        event["reference"] = config.reference
    if config.expected is not None and seen.manifest.task == "count":
        event["expected"] = config.expected
    picture = thumbnail(seen.frame.image, config.thumbnail_px) if config.thumbnail_px else None
    if picture is not None:
        event["thumbnail"] = picture
    return event


def thumbnail(image: Image, longest_px: int) -> Optional[str]:
    """A JPEG in base64; None when even a coarse one has too many bytes."""
    small = image.copy()
    small.thumbnail((longest_px, longest_px))
    for quality in _QUALITIES:
        encoded = base64.b64encode(jpeg_of(small, quality)).decode()
        if len(encoded) <= _MAX_THUMBNAIL:
            return encoded
    return None


def jpeg_of(image: Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()
