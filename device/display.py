"""What the camera sees and what the model says, for a screen nearby: MJPEG on loopback, and DeepLens' FIFO.

Drawn and encoded in a thread of its own, and only while somebody looks; the loop hands over its newest frame.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import stat
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Optional

from device.config import DisplayConfig
from device.drawing import drawn
from device.events import jpeg_of
from device.frame_loop import Seen
from device.worker import Worker

log = logging.getLogger(__name__)
_QUALITY = 75
_BOUNDARY = "frame"
_READER_SLOW_S = 1.0


class Display:
    """A watcher of the frame loop."""

    def __init__(self, config: DisplayConfig) -> None:
        """Raises: OSError when the port is taken or the FIFO cannot be made."""
        self._config = config
        self._changed = threading.Condition()
        self._jpeg = b""
        self._number = 0
        self._lookers = 0
        self.is_stopped = False
        self._fifo = Fifo(Path(config.fifo)) if config.fifo else None
        self._server = _server(self, config.port) if config.port is not None else None
        self._worker: Worker[Seen] = Worker("display", self._show)

    @property
    def port(self) -> Optional[int]:
        return self._server.server_port if self._server else None

    def __call__(self, seen: Seen) -> None:
        if self._lookers or (self._fifo and self._fifo.has_reader()):
            self._worker.offer(seen)

    def stop(self) -> None:
        """Whoever still looks is let go."""
        with self._changed:
            self.is_stopped = True
            self._changed.notify_all()
        self._worker.stop()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        if self._fifo:
            self._fifo.close()

    def look(self) -> None:
        with self._changed:
            self._lookers += 1

    def look_away(self) -> None:
        with self._changed:
            self._lookers -= 1

    def next_jpeg(self, after: int, timeout_s: float) -> Any:
        """A number and a JPEG newer than `after`; the old one when none comes in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > after or self.is_stopped, timeout_s)
            return self._number, self._jpeg

    def _show(self, seen: Seen) -> None:
        jpeg = jpeg_of(drawn(seen, self._config.width_px), _QUALITY)
        with self._changed:
            self._jpeg = jpeg
            self._number += 1
            self._changed.notify_all()
        if self._fifo:
            self._fifo.write(jpeg)


class Fifo:
    """DeepLens' project stream: a pipe that blocks whoever opens it until somebody reads. Never opened so here."""

    def __init__(self, path: Path) -> None:
        """Raises: OSError."""
        self._path = path
        self._descriptor: Optional[int] = None
        self._opening = threading.Lock()
        if path.exists() and not stat.S_ISFIFO(path.stat().st_mode):
            raise OSError(errno.EEXIST, "there is another file in the place of the stream", str(path))
        if not path.exists():
            os.mkfifo(str(path))

    def has_reader(self) -> bool:
        """Asked by the loop and by the display's own thread: opened once."""
        with self._opening:
            if self._descriptor is None:
                try:
                    self._descriptor = os.open(str(self._path), os.O_WRONLY | os.O_NONBLOCK)
                except OSError:
                    return False
        return True

    def write(self, data: bytes) -> None:
        """A whole picture, or as much as a reader takes before it goes or falls asleep."""
        left = memoryview(data)
        try:
            while left and self.has_reader() and self._descriptor is not None:
                if not _takes_more(self._descriptor):
                    self.close()
                    return
                left = left[os.write(self._descriptor, left) :]
        except BlockingIOError:
            return
        except OSError:
            self.close()

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _takes_more(descriptor: int) -> bool:
    """Whether the reader takes something within its time. Polled: select() knows no descriptor over 1,023."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(_READER_SLOW_S * 1000))


def _server(display: Display, port: int) -> ThreadingHTTPServer:
    """Raises: OSError."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=" + _BOUNDARY)
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            display.look()
            try:
                self._stream()
            except OSError:
                # Whoever looked has gone.
                return
            finally:
                display.look_away()

        def _stream(self) -> None:
            number = 0
            while not display.is_stopped:
                newer, jpeg = display.next_jpeg(number, 1.0)
                if newer == number:
                    continue
                number = newer
                head = "--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % (_BOUNDARY, len(jpeg))
                self.wfile.write(head.encode() + jpeg + b"\r\n")

        def log_message(self, *_: Any) -> None:
            """Nobody wants to read of it."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.2,), name="display-http", daemon=True).start()
    return server
