"""One simulated camera: the agent's states in memory, with the faults that it was given."""

from __future__ import annotations

import random
import time
from functools import partial
from typing import Any, Dict, List, NamedTuple, Optional, Set
from urllib.parse import urlsplit

from device.simulate.connection import Answer, Connection
from device.simulate.faults import (
    BOGUS_CLOCK,
    CORRUPT,
    CRASHING,
    LYING,
    OFFLINE,
    REORDERING,
    REPLAYING,
    SLOW,
    WORSE,
)
from device.simulate.models import DownloadError, ModelShelf

CRASHES = 3
SKEW_S = 400 * 24 * 3600.0
PHOTOS_A_CHECK = 60
WORSE_SHARE = 0.6
STOPPED = -1.0


class Identity(NamedTuple):
    id: str
    key: str


class Tally:
    """What happened to one camera, for those who count."""

    def __init__(self) -> None:
        self.checks = 0
        self.reports = 0
        self.verdicts: Dict[str, int] = {}
        self.problems: Dict[str, int] = {}
        self.claimed: List[str] = []


class Camera:
    """`step` is one check-in: ask for the target, act on it, report. It answers in how many seconds to come again."""

    def __init__(self, identity: Identity, fault: Optional[str], shelf: ModelShelf, draw: random.Random) -> None:
        self.identity = identity
        self.fault = fault
        self.tally = Tally()
        self.offline_until_s = 0.0
        self.digest: Optional[str] = None
        self.verdict = ""
        self.is_stopped = False
        self._shelf = shelf
        self._draw = draw
        self.runs: Optional[str] = None
        self._previous: Optional[str] = None
        self._target: Dict[str, Any] = {}
        self._etag = ""
        self._refused: Set[str] = set()
        self._counters = {"predictions": 0, "unknown": 0, "confidence_sum": 0.0, "errors": 0}
        self._acknowledged: Optional[str] = None
        self._is_late = False
        self._held: Optional[Dict[str, Any]] = None
        self._boot()

    def step(self, api: Connection) -> float:
        """Raises: OSError when the service does not answer."""
        now_s = time.time()
        if self.fault == OFFLINE and now_s < self.offline_until_s:
            return self.offline_until_s - now_s
        self._check(api)
        if self.is_stopped:
            return STOPPED
        self._work()
        if self._is_to_leave():
            self._to_factory()
        if self._is_to_update() and not self._is_late:
            # A slow camera says that it has begun, and goes on when it comes again.
            self._is_late = self.fault == SLOW
            self._report(api, "downloading", deployment=self._target["deployment"])
            if not self._is_late:
                self._update(api)
        elif self._is_late:
            self._is_late = False
            self._update(api)
        elif self._is_to_prove():
            self._prove(api)
        else:
            self._report(api, "confirmed" if self.verdict == "verified" else "idle")
        return STOPPED if self.is_stopped else float(self._target.get("next_check_s", 60.0))

    def restart(self) -> None:
        """Another start of the agent: it must be proved again."""
        self._boot()

    def _boot(self) -> None:
        self.boot = "%032x" % self._draw.getrandbits(128)
        self.sequence = 0
        self.verdict = ""
        self._etag = ""

    def _check(self, api: Connection) -> None:
        path = "/devices/%s/target?boot=%s&previous=%s" % (self.identity.id, self.boot, self._acknowledged or "")
        answer = api.call("GET", path, self.identity.key, headers={"If-None-Match": self._etag} if self._etag else {})
        self.tally.checks += 1
        if answer.status == 200:
            before, self._target, self._etag = self._target, answer.json(), answer.headers.get("etag", "")
            if before.get("nonce") != self._target["nonce"]:
                self.verdict = ""
        elif answer.status != 304:
            self._note(answer)

    def _is_to_update(self) -> bool:
        wanted = self._target.get("digest")
        return wanted is not None and wanted != self.digest and self._mark() not in self._refused

    def _is_to_leave(self) -> bool:
        """Nothing stands any more, and what it has is taken back."""
        return self._target.get("direction") in ("back", "factory") and self._target["digest"] is None

    def _to_factory(self) -> None:
        """It has no factory model; a liar goes on with what it had."""
        self.digest, self._previous = None, None
        self.runs = self.runs if self.fault == LYING else None

    def _is_to_prove(self) -> bool:
        return (
            self._target.get("digest") is not None
            and self._target["digest"] == self.digest
            and bool(self._target["golden"])
            and self._mark() not in self._refused
            and self.verdict in ("", "prove", "update")
        )

    def _mark(self) -> str:
        return "%s:%s" % (self._target.get("deployment"), self._target.get("digest"))

    def _work(self) -> None:
        """What the frame loop has seen since the check before."""
        if self.runs is None:
            return
        frames = self._shelf.seen(self.runs)
        if not frames:
            return
        looked_at = self._draw.choices(frames, k=PHOTOS_A_CHECK)
        dirty = WORSE_SHARE if self.fault == WORSE and self._previous is not None else 0.0
        unknown = sum(is_unknown or self._draw.random() < dirty for is_unknown, _ in looked_at)
        self._counters["predictions"] += PHOTOS_A_CHECK
        self._counters["unknown"] += unknown
        self._counters["confidence_sum"] += sum(confidence for _, confidence in looked_at)

    def _update(self, api: Connection) -> None:
        digest = str(self._target["digest"])
        try:
            self._shelf.take(digest, lambda: self._download(api), is_corrupt=self.fault == CORRUPT)
        except DownloadError as error:
            self._fail(api, error.code, str(error))
            return
        self._activate(digest)
        if self.fault == CRASHING and self._previous is not None:
            self._crash(api)
            return
        self._prove(api)

    def _activate(self, digest: str) -> None:
        self._previous, self.digest, self.verdict = self.digest, digest, ""
        # A liar says that it has switched; its engine goes on with what it had.
        self.runs = self.runs if self.fault == LYING and self.runs else digest
        self._counters = {"predictions": 0, "unknown": 0, "confidence_sum": 0.0, "errors": 0}

    def _roll_back(self) -> None:
        self._refused.add(self._mark())
        self.digest, self._previous = self._previous, None
        self.runs = self.digest if self.fault != LYING else self.runs
        self.verdict = ""

    def _crash(self, api: Connection) -> None:
        for _ in range(CRASHES):
            self._boot()
            self._report(api, "activating")
        self._fail(api, "crash_loop", "the engine crashed %d times" % CRASHES, roll_back=True)

    def _fail(self, api: Connection, code: str, detail: str, roll_back: bool = False) -> None:
        deployment = self._target["deployment"]
        if roll_back:
            self._roll_back()
        self._refused.add(self._mark())
        self._report(api, "failed", deployment=deployment, failure={"code": code, "detail": detail})

    def _prove(self, api: Connection) -> None:
        target = self._target
        answers = []
        if self.runs is not None:
            for each in target["golden"]:
                fetch = partial(self._golden, api, each["photo"])
                answer = self._shelf.answers(self.runs, each["photo"], each["sha256"], fetch)
                answers.append({"photo": each["photo"], "answer": answer})
        self.tally.claimed.append(str(self.digest))
        self._report(api, "proving", deployment=target["deployment"], nonce=target["nonce"], answers=answers)
        if self.verdict == "refused":
            self._roll_back()

    def _report(self, api: Connection, stage: str, **members: Any) -> None:
        self.sequence += 1
        skew_s = SKEW_S if self.fault == BOGUS_CLOCK else 0.0
        document = dict(
            members,
            boot=self.boot,
            previous_boot=self._acknowledged if self._acknowledged != self.boot else None,
            sequence=self.sequence,
            digest=self.digest,
            stage=stage,
            counters=self._counters if self.digest else None,
            versions={"agent": "simulated"},
            sent_at_s=time.time() + skew_s,
        )
        if self.fault == REORDERING and self._held is None and "answers" not in members:
            self._held = document
            return
        self._send(api, document)
        if self.fault == REPLAYING:
            self._send(api, document)
        if self._held is not None:
            self._send(api, self._held)
            self._held = None

    def _send(self, api: Connection, document: Dict[str, Any]) -> None:
        answer = api.call("POST", "/devices/%s/report" % self.identity.id, self.identity.key, document)
        self.tally.reports += 1
        if answer.status != 200:
            self._note(answer)
            return
        self._acknowledged = document["boot"]
        if document["sequence"] == self.sequence:
            self.verdict = answer.json()["verdict"]
            self.tally.verdicts[self.verdict] = self.tally.verdicts.get(self.verdict, 0) + 1

    def _note(self, answer: Answer) -> None:
        self.tally.problems[answer.problem] = self.tally.problems.get(answer.problem, 0) + 1
        if answer.status == 401:
            self.is_stopped = True
        if answer.problem == "foreign-nonce":
            self._etag, self.verdict = "", ""

    def _download(self, api: Connection) -> bytes:
        answer = api.call("GET", "/devices/%s/artifact" % self.identity.id, self.identity.key)
        if answer.status != 200:
            raise DownloadError("download", answer.problem)
        parts = urlsplit(answer.json()["url"])
        files = Connection("%s://%s" % (parts.scheme, parts.netloc))
        try:
            return files.call("GET", parts.path + ("?" + parts.query if parts.query else "")).body
        finally:
            files.close()

    def _golden(self, api: Connection, photo: str) -> bytes:
        path = "/devices/%s/golden/%s" % (self.identity.id, photo)
        return api.call("GET", path, self.identity.key, headers={"Accept": "image/png"}).body
