"""The service as the protocol describes it, in memory: one target, golden photos, an honest judge of the answers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Set

from device.runtime.artifact import digest_of
from device.runtime.predictor import Predictor
from tests.device.http_stand_in import Asked, StandIn, Told, problem
from tests.device.models import BLUE, GREEN, RED, plain, png

NONCE = "0123456789abcdef0123456789abcdef"
PHOTOS = {"classify-1-0%d" % at: png(plain(color)) for at, color in enumerate((RED, GREEN, BLUE))}


class Service:
    """`promote` makes an archive the target. `down`: what every route answers instead."""

    def __init__(self) -> None:
        self.target: Dict[str, Any] = self._target(None, None)
        self.archives: Dict[str, bytes] = {}
        self.expected: Dict[str, Dict[str, Dict[str, float]]] = {}
        self.reports: List[Dict[str, Any]] = []
        self.events: List[Dict[str, Any]] = []
        self.heard: Dict[str, Set[int]] = {}
        self.dropped: Dict[str, Set[int]] = {}
        self.frames: List[Dict[str, Any]] = []
        self.down: Optional[Told] = None
        self.cut_after: Optional[int] = None
        self.verified: List[str] = []
        self.refuses: List[str] = []
        self.stand_in = StandIn(self)

    @property
    def stages(self) -> List[str]:
        return [report["stage"] for report in self.reports]

    def promote(self, archive: Path, slot: Path, deployment: str = "promotion-1", direction: str = "forward") -> str:
        digest = digest_of(archive)
        self.archives[digest] = archive.read_bytes()
        predictor = Predictor.load(slot)
        answers = {name: predictor.predict(photo).result.to_json() for name, photo in PHOTOS.items()}
        self.expected[digest] = {name: answer["probabilities"] for name, answer in answers.items()}
        self.target = self._target(digest, deployment, direction)
        return digest

    def take_back_to_factory(self) -> None:
        self.target = self._target(None, None)

    def __call__(self, asked: Asked) -> Told:
        if self.down is not None:
            return self.down
        path = asked.path.partition("?")[0]
        if path.endswith("/target"):
            return self._told_target(asked)
        if path.endswith("/artifact"):
            digest = self.target["digest"]
            url = "%s/files/%s" % (self.stand_in.url, digest)
            return told({"url": url, "digest": digest, "bytes": len(self.archives[digest]), "expires_in_s": 900})
        if "/golden/" in path:
            return Told(200, PHOTOS[path.rpartition("/")[2]], {"Content-Type": "image/png"})
        if path.startswith("/files/"):
            return self._file(asked, path)
        if path.startswith("/frames"):
            return self._frame(asked, path)
        return self._report(asked.json()) if path.endswith("/report") else self._events(asked.json())

    def _told_target(self, asked: Asked) -> Told:
        body = json.dumps(self.target).encode()
        etag = '"%s"' % hashlib.sha256(body).hexdigest()
        if asked.headers.get("if-none-match") == etag:
            return Told(304, b"", {"ETag": etag})
        return Told(200, body, {"ETag": etag, "Content-Type": "application/json"})

    def _file(self, asked: Asked, path: str) -> Told:
        data = self.archives[path.rpartition("/")[2]]
        start = int(asked.headers.get("range", "bytes=0-")[6:-1])
        return Told(206 if "range" in asked.headers else 200, data[start:], {"ETag": '"e"'}, self.cut_after)

    def _report(self, report: Dict[str, Any]) -> Told:
        self.reports.append(report)
        answers, digest = report.get("answers"), self.target["digest"]
        if answers is not None and report["nonce"] != self.target["nonce"]:
            return problem(409, "foreign-nonce")
        verdict, reason = self._verdict(report, digest)
        return told({"verdict": verdict, "reason": reason, "next_check_s": 0.01, "digest": digest})

    def _verdict(self, report: Dict[str, Any], digest: Optional[str]) -> Any:
        if digest is None or report.get("failure"):
            return "none", ""
        if report.get("digest") != digest:
            return "update", ""
        if report.get("answers") is None:
            return ("verified" if report["boot"] in self.verified else "prove"), ""
        right = all(self._is_right(each, digest) for each in report["answers"])
        if not right or digest in self.refuses or len(report["answers"]) != len(PHOTOS):
            return "refused", "too-far"
        self.verified.append(report["boot"])
        return "verified", ""

    def _is_right(self, given: Dict[str, Any], digest: str) -> bool:
        expected, found = self.expected[digest][given["photo"]], given["answer"]["probabilities"]
        return sum(abs(expected[name] - found[name]) for name in expected) / 2 < 0.02

    def _events(self, batch: Dict[str, Any]) -> Told:
        """Heard up to the first number that is missing, as the service counts."""
        heard = self.heard.setdefault(batch["boot"], set())
        self.events += [dict(each, boot=batch["boot"]) for each in batch["events"] if each["sequence"] not in heard]
        heard.update(each["sequence"] for each in batch["events"])
        for first, last in batch["dropped"]:
            heard.update(range(first, last + 1))
            self.dropped.setdefault(batch["boot"], set()).update(range(first, last + 1))
        acknowledged = next(number for number in range(1, len(heard) + 2) if number not in heard) - 1
        return told({"acknowledged": acknowledged, "gaps": [], "results": []})

    def _frame(self, asked: Asked, path: str) -> Told:
        if asked.method == "POST":
            self.frames.append(asked.json())
            return told({"url": self.stand_in.url + "/frames/1", "method": "PUT", "headers": {}}, 201)
        return Told(200)

    def _target(self, digest: Optional[str], deployment: Optional[str], direction: str = "factory") -> Dict[str, Any]:
        photos = [{"photo": name, "sha256": hashlib.sha256(data).hexdigest()} for name, data in PHOTOS.items()]
        return {
            "device": "kitchen-1",
            "deployment": deployment,
            "direction": direction,
            "model": "waste-1" if digest else None,
            "task": "classify",
            "digest": digest,
            "bytes": 1 if digest else None,
            "nonce": NONCE if digest else None,
            "golden": photos if digest else [],
            "tolerance": 0.02,
            "deadline_s": 600,
            "next_check_s": 0.01,
        }


def told(document: Dict[str, Any], status: int = 200) -> Told:
    return Told(status, json.dumps(document).encode(), {"Content-Type": "application/json"})
