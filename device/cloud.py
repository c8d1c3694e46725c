"""The service as the camera asks it. docs/device-protocol.md says in which order things happen."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from typing import Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import urlencode

from device.cloud_errors import BusyError, CaptivePortalError, CloudError, RefusedError, RevokedKeyError
from device.sequences import Range
from device.transport import Answer, Transport

PROBLEM_PREFIX = "urn:binsight:problem:"


class Cloud:
    """Of one device. Safe to use from several threads. The key stands in no message, log or repr."""

    def __init__(self, service_url: str, device: str, key: str, transport: Transport) -> None:
        self._root = service_url.rstrip("/")
        self._key = key
        self.device = device
        self.transport = transport
        self.clock_offset_s: Optional[float] = None

    def target(self, boot: str, previous: Optional[str], etag: Optional[str]) -> Tuple[Optional[Dict[str, Any]], str]:
        """What to run, and the answer's ETag; None when it is as it was. Raises: CloudError."""
        query = {"boot": boot, **({"previous": previous} if previous else {})}
        headers = {"If-None-Match": etag} if etag else {}
        answer = self._ask("GET", "%s/target?%s" % (self._path(), urlencode(query)), None, headers)
        found = None if answer.status == 304 else document_of(answer)
        return found, answer.headers.get("etag", "")

    def artifact(self) -> Dict[str, Any]:
        """Where the target's model lies: `url`, `digest`, `bytes`. Raises: CloudError."""
        return document_of(self._ask("GET", self._path() + "/artifact"))

    def golden(self, photo: str) -> bytes:
        """Raises: CloudError."""
        return self._ask("GET", "%s/golden/%s" % (self._path(), photo), accept="image/png").body

    def report(self, report: Mapping[str, Any]) -> Dict[str, Any]:
        """Raises: CloudError."""
        return self._post(self._path() + "/report", report)

    def events(self, boot: str, events: List[Dict[str, Any]], dropped: List[Range]) -> Dict[str, Any]:
        """Raises: CloudError."""
        body = {"boot": boot, "events": events, "dropped": [list(each) for each in dropped], "sent_at_s": time.time()}
        return self._post("/events", body)

    def announce_frame(self, frame: Mapping[str, Any]) -> Dict[str, Any]:
        """Where and how to send its bytes. Raises: CloudError."""
        return self._post("/frames", frame)

    def send_bytes(self, place: Mapping[str, Any], data: bytes) -> None:
        """To an address that the service gave, which carries its own signature. Raises: CloudError."""
        answer = self.transport.ask(str(place["method"]), str(place["url"]), data, place["headers"])
        # 412: these bytes arrived before, and only the answer was lost.
        if answer.status not in (200, 201, 204, 412):
            raise refusal_of(answer)

    def _path(self) -> str:
        return "/devices/%s" % self.device

    def _post(self, path: str, body: Mapping[str, Any]) -> Dict[str, Any]:
        data = json.dumps(body, separators=(",", ":")).encode()
        return document_of(self._ask("POST", path, data, {"Content-Type": "application/json"}))

    def _ask(
        self,
        method: str,
        path: str,
        body: Optional[bytes] = None,
        headers: Optional[Mapping[str, str]] = None,
        accept: str = "application/json",
    ) -> Answer:
        sent = {"Authorization": "Bearer " + self._key, "Accept": accept, **(headers or {})}
        answer = self.transport.ask(method, self._root + path, body, sent)
        self._measure_clock(answer)
        if answer.status in (200, 201, 304):
            return answer
        raise refusal_of(answer)

    def _measure_clock(self, answer: Answer) -> None:
        try:
            told = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
        except (TypeError, ValueError, IndexError):
            return
        self.clock_offset_s = round(time.time() - told, 1)


def document_of(answer: Answer) -> Dict[str, Any]:
    """Raises: CaptivePortalError for anything that is not a JSON object."""
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        kind = answer.headers.get("content-type", "no content type")
        raise CaptivePortalError("what answered (%d, %s) is not the service" % (answer.status, kind))
    return document


def refusal_of(answer: Answer) -> CloudError:
    """What an answer that is none means."""
    if 300 <= answer.status < 400:
        return CaptivePortalError("somebody redirects to %s" % answer.headers.get("location", "nowhere")[:80])
    if answer.status == 429 or answer.status >= 500:
        return BusyError("the service answers %d" % answer.status, _retry_after_s(answer))
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return CaptivePortalError("what answered (%d) is not the service" % answer.status)
    problem = document_of(answer)
    kind, detail = str(problem.get("type", "")), str(problem.get("detail", ""))
    if answer.status == 401:
        # The service's own words tell an admin what to do, not a camera.
        return RevokedKeyError("the service does not know this key, or has revoked it; enrol the camera again")
    name = kind[len(PROBLEM_PREFIX) :] if kind.startswith(PROBLEM_PREFIX) else kind
    return RefusedError(answer.status, name, detail)


def _retry_after_s(answer: Answer) -> Optional[float]:
    try:
        return max(0.0, float(answer.headers["retry-after"]))
    except (KeyError, ValueError):
        return None
