"""Use cases of a camera: what it is to run, and what it reports."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain import fleet_records as records
from chalicelib.domain.boots import Boots
from chalicelib.domain.check_in import Outcome, Report, Told, heard, judged, told_again
from chalicelib.domain.device import Device, DeviceState, Member
from chalicelib.domain.errors import InvalidKeyError, RecordNotFoundError, WriteConflictError
from chalicelib.domain.fleet import Assignment, Fleet, FleetTarget, assignment, next_check_s
from chalicelib.domain.fleet_errors import ClonedDeviceError, ForeignNonceError, NoArtifactError, StaleBootError
from chalicelib.domain.fleet_records import Shards
from chalicelib.domain.inference import Task
from chalicelib.domain.model import artifact_name
from chalicelib.domain.ports import Add, BlobStore, Check, Clock, Put, RecordStore, Write
from chalicelib.domain.proof import TOLERANCES, Verdict, askable, judge, nonce_of, subset
from chalicelib.services.contention import until_settled
from chalicelib.services.golden_answers import GoldenAnswers
from chalicelib.services.tally import Tally
from chalicelib.services.targets import Targets

MAX_QUESTIONS = 256
Question = tuple[Task, str, tuple[str, ...], float]


class AskablePhotos:
    """Which photos tell a model from its rivals: worked out once a question, asked by every camera."""

    def __init__(self, golden: GoldenAnswers) -> None:
        self._golden = golden
        self._known: OrderedDict[Question, list[str]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, task: Task, digest: str, rivals: tuple[str, ...], tolerance: float) -> list[str]:
        """Empty while the model has not answered the pool."""
        question = (task, digest, rivals, tolerance)
        found = self._known.get(question)
        if found is not None:
            return found
        answers = self._golden.of(task, digest)
        if answers is None:
            return []
        photos = askable(task, answers, self._golden.known(task, rivals), tolerance)
        with self._lock:
            self._known[question] = photos
            while len(self._known) > MAX_QUESTIONS:
                self._known.popitem(last=False)
        return photos


@dataclass(frozen=True)
class Reply:
    """To a report."""

    told: Told
    assigned: Assignment
    next_check_s: float
    received_at_s: float

    def to_json(self) -> dict[str, Any]:
        return {
            "verdict": self.told.verdict,
            "reason": self.told.reason,
            "deployment": self.assigned.deployment,
            "digest": self.assigned.digest,
            "next_check_s": self.next_check_s,
            "received_at_s": self.received_at_s,
        }


@dataclass(frozen=True)
class CheckIns:
    """`secret` makes the nonces; `judge` decides on an abort when a verdict was bad."""

    store: RecordStore
    blobs: BlobStore
    targets: Targets
    tally: Tally
    golden: GoldenAnswers
    shards: Shards
    clock: Clock
    pause: Callable[[float], None]
    secret: Callable[[], bytes]
    judge: Callable[[str], None]
    askable: AskablePhotos = field(repr=False)

    def target(self, device: Device, boot: str) -> dict[str, Any]:
        """What the device is to run; the same while nothing changes, so that an ETag of it is worth something."""
        target = self.targets.recent_fleet_target(device.fleet)
        assigned = self._assigned(target, device)
        photos = self._photos(device, target, assigned)
        nonce = self._nonce(device, boot, assigned)
        task = self._task(target)
        asked = subset(nonce, photos) if nonce else []
        hashes = {photo.id: photo.sha256 for photo in self.golden.pools.of(task).photos} if task and asked else {}
        return {
            "device": device.id,
            "deployment": assigned.deployment,
            "direction": assigned.direction,
            "model": assigned.model.model_id if assigned.model else None,
            "task": task.value if task else None,
            "digest": assigned.digest,
            "bytes": assigned.model.bytes if assigned.model else None,
            "nonce": nonce,
            "golden": [{"photo": photo, "sha256": hashes[photo]} for photo in asked],
            "tolerance": TOLERANCES[device.engine],
            "deadline_s": assigned.deadline_s,
            "next_check_s": self._next_check_s(device, target),
        }

    def assigned(self, device: Device) -> Assignment:
        return self._assigned(self.targets.recent_fleet_target(device.fleet), device)

    def artifact(self, device: Device, expires_s: int) -> dict[str, Any]:
        """Raises: NoArtifactError."""
        assigned = self.assigned(device)
        if assigned.model is None:
            raise NoArtifactError("This device runs its factory model: nothing is promoted to its fleet.")
        url = self.blobs.download_url(artifact_name(assigned.model.digest), expires_s)
        return {"url": url, "digest": assigned.digest, "bytes": assigned.model.bytes, "expires_in_s": expires_s}

    def report(self, device: Device, report: Report) -> Reply:
        """Raises: StaleBootError, ClonedDeviceError, SequenceBackwardsError, ForeignNonceError, InvalidKeyError."""
        present = device

        def step() -> tuple[Reply, str | None]:
            nonlocal present
            try:
                return self._taken(present, report)
            except WriteConflictError:
                present = self._present(device.id)
                raise

        reply, bad = until_settled(step, self.pause, lambda error: True)
        if bad is not None:
            self.judge(bad)
        return reply

    def _present(self, device_id: str) -> Device:
        """Not as it was up to a minute ago: it may have been moved, pinned or revoked. Raises: InvalidKeyError."""
        try:
            return records.device_from(self.store.get(records.identity_key(device_id)))
        except RecordNotFoundError as error:
            raise InvalidKeyError(f"The key of device '{device_id}' was revoked.") from error

    def _taken(self, device: Device, report: Report) -> tuple[Reply, str | None]:
        """The reply, and the promotion that has just lost a device."""
        now_s = self.clock()
        state = self._state(device.id)
        boots = self._heard(state, report)
        target = self.targets.recent_fleet_target(device.fleet)
        assigned = self._assigned(target, device)
        pace_s = self._next_check_s(device, target)
        if boots is state.boots:
            return Reply(told_again(state, report.boot, report.digest, assigned), assigned, pace_s, now_s), None
        verdict = self._verdict(device, target, assigned, report)
        member = self.tally.member(assigned.promotion, device.id) if assigned.promotion else None
        outcome = judged(heard(state, boots, report, now_s), report, assigned, verdict, member, now_s)
        self._write(device, state, outcome, assigned, member)
        return Reply(outcome.told, assigned, pace_s, now_s), assigned.promotion if outcome.is_bad else None

    def _heard(self, state: DeviceState, report: Report) -> Boots:
        """Raises: StaleBootError, ClonedDeviceError, SequenceBackwardsError."""
        try:
            return state.boots.heard(report.boot, report.previous_boot, report.sequence)
        except (StaleBootError, ClonedDeviceError):
            remembered = state.boots.spoken_after_its_end(report.boot, report.sequence)
            if remembered is not None:
                self._remember(state, remembered)
            raise

    def _remember(self, state: DeviceState, boots: Boots) -> None:
        changed = DeviceState(**{**vars(state), "boots": boots})
        self.store.note(Put(records.state_record(changed), expected_version=state.record_version))

    def _verdict(self, device: Device, target: FleetTarget, assigned: Assignment, report: Report) -> Verdict | None:
        """On the report's answers. Raises: ForeignNonceError."""
        if report.answers is None:
            return None
        nonce = self._nonce(device, report.boot, assigned)
        task = self._task(target)
        if nonce is None or task is None or assigned.digest is None:
            return None
        if report.deployment != assigned.deployment or report.nonce != nonce:
            raise ForeignNonceError(
                "These answers belong to another promotion, boot or model; ask for the target again."
            )
        if report.digest != assigned.digest:
            return Verdict(False, "another-digest")
        answers = self.golden.of(task, assigned.digest)
        asked = subset(nonce, self._photos(device, target, assigned))
        if answers is None or not asked:
            return None
        rivals = self.golden.known(task, assigned.rivals)
        return judge(task, asked, report.answers, answers, rivals, TOLERANCES[device.engine])

    def _write(
        self, device: Device, state: DeviceState, outcome: Outcome, assigned: Assignment, member: Member | None
    ) -> None:
        writes: list[Write] = [Put(records.state_record(outcome.state), expected_version=state.record_version)]
        if outcome.member is not None and assigned.promotion is not None:
            shard = self.shards.of(outcome.member.device)
            record = records.member_record(assigned.promotion, shard, outcome.member)
            writes.append(Put(record, expected_version=member.record_version if member else 0))
            writes.append(Add(records.counts_key(assigned.promotion, shard), outcome.counters))
            if member is None:
                # A device that has just left its fleet, or was pinned, does not come into the promotion any more.
                writes.append(Check(records.identity_key(device.id), device.record_version))
        # State, member and count are written together or not at all: what a power cut undoes, the camera proves again.
        self.store.note(*writes)

    def _state(self, device_id: str) -> DeviceState:
        try:
            return records.state_from(self.store.get(records.state_key(device_id)))
        except RecordNotFoundError:
            return DeviceState(device_id)

    def _assigned(self, target: FleetTarget, device: Device) -> Assignment:
        """Out of its fleet's hours a device is offered nothing new; what it has begun it ends."""
        if not self._is_out_of_hours(target):
            return assignment(target, device, device.pinned)
        has_begun = target.overlay is not None and self.tally.member(target.overlay.deployment, device.id) is not None
        return assignment(target, device, device.pinned, has_begun, keeps=self._state(device.id).digest)

    def _is_out_of_hours(self, target: FleetTarget) -> bool:
        if target.overlay is None and target.before is None:
            return False
        window = self._fleet(target.fleet)[0].update_window
        return window is not None and not window.is_open(self.clock())

    def _photos(self, device: Device, target: FleetTarget, assigned: Assignment) -> list[str]:
        task = self._task(target)
        if task is None or assigned.digest is None:
            return []
        return self.askable.of(task, assigned.digest, assigned.rivals, TOLERANCES[device.engine])

    def _task(self, target: FleetTarget) -> Task | None:
        """That of what its devices are to run. A fleet on which nothing stands may still have pinned devices."""
        if target.standing or target.overlay or target.named:
            return target.task
        return self._fleet(target.fleet)[0].task

    def _nonce(self, device: Device, boot: str, assigned: Assignment) -> str | None:
        if assigned.deployment is None or assigned.digest is None:
            return None
        return nonce_of(self.secret(), device.id, boot, assigned.deployment, assigned.digest, assigned.rivals)

    def _next_check_s(self, device: Device, target: FleetTarget) -> float:
        fleet, devices = self._fleet(device.fleet)
        return next_check_s(fleet, devices, device.id, target.overlay is not None)

    def _fleet(self, name: str) -> tuple[Fleet, int]:
        return self.targets.recent_fleet(name)
