"""A fleet, what it is to run, and what that means for one of its devices."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from chalicelib.domain.deployment import ModelRef
from chalicelib.domain.device import Device
from chalicelib.domain.inference import Task
from chalicelib.domain.ring import wave_of

DEFAULT_CHECKS_PER_S = 200.0
IDLE_CHECK_S = 60.0
ACTIVE_CHECK_S = 10.0
MAX_RIVALS = 4
JITTER = 0.2
MINUTES_A_DAY = 24 * 60
FORWARD, BACK, STANDING, PINNED, FACTORY = "forward", "back", "standing", "pinned", "factory"


@dataclass(frozen=True)
class UpdateWindow:
    """Minutes of the day, UTC; over midnight when `until` is before `start`."""

    start: int
    until: int

    def is_open(self, now_s: float) -> bool:
        minute = int(now_s // 60) % MINUTES_A_DAY
        if self.start <= self.until:
            return self.start <= minute < self.until
        return minute >= self.start or minute < self.until

    @classmethod
    def parsed(cls, start: str, until: str) -> UpdateWindow:
        """From two times of the form HH:MM."""
        return cls(*(int(time[:2]) * 60 + int(time[3:]) for time in (start, until)))

    def to_json(self) -> dict[str, str]:
        names = ("from", self.start), ("until", self.until)
        return {name: f"{minute // 60:02d}:{minute % 60:02d}" for name, minute in names}


@dataclass(frozen=True)
class Fleet:
    """`task` is that of its first promotion unless it is told before."""

    name: str
    created_at_s: float
    task: Task | None = None
    update_window: UpdateWindow | None = None
    checks_per_s: float = DEFAULT_CHECKS_PER_S
    record_version: int = 0

    def to_body(self) -> dict[str, Any]:
        body: dict[str, Any] = _FLEET.dump_python(self, mode="json", exclude={"record_version"})
        return body

    @classmethod
    def from_body(cls, body: Mapping[str, Any], record_version: int) -> Fleet:
        return replace(_FLEET.validate_python(body), record_version=record_version)


@dataclass(frozen=True)
class Standing:
    """What a fleet, or a device that was named, runs whatever else is going on."""

    deployment: str
    model: ModelRef
    rivals: tuple[str, ...] = ()

    def told_from(self, digest: str) -> Standing:
        """Proved against this model first of all."""
        return replace(self, rivals=distinct((digest, *self.rivals), but=self.model.digest))


@dataclass(frozen=True)
class Overlay:
    """A promotion that has reached a part of the fleet: the arcs of its waves and the devices it names.

    `direction` back: it is being taken back, and everybody gets what stood before.
    """

    deployment: str
    model: ModelRef
    direction: str
    start: int
    lengths: tuple[int, ...]
    rivals: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    deadline_s: float = 1800.0

    def wave_of(self, device: Device) -> int | None:
        """The wave that has reached the device; None when none has."""
        if self.devices:
            return 0 if device.id in self.devices and self.lengths else None
        if device.id in self.first and self.lengths:
            return 0
        return wave_of(device.place, self.start, self.lengths)


@dataclass(frozen=True)
class FleetTarget:
    """One record: all that a device's target depends on. `active`: the promotion under way.

    `standing`: the last model that succeeded on the whole fleet, `before`: the one that stood before it; `named`:
    devices that were promoted by name.
    """

    fleet: str
    task: Task | None = None
    active: str | None = None
    standing: Standing | None = None
    before: Standing | None = None
    overlay: Overlay | None = None
    named: Mapping[str, Standing] = field(default_factory=dict)
    record_version: int = 0

    def without_overlay(self) -> FleetTarget:
        """Everybody gets what stands; who had the model of the overlay is to be told from it from now on."""
        if self.overlay is None:
            return self
        bad = self.overlay.model.digest
        named = {device: standing.told_from(bad) for device, standing in self.named.items()}
        return replace(self, overlay=None, standing=self.standing and self.standing.told_from(bad), named=named)

    def to_body(self) -> dict[str, Any]:
        body: dict[str, Any] = _TARGET.dump_python(self, mode="json", exclude={"record_version"})
        return body

    @classmethod
    def from_body(cls, body: Mapping[str, Any], record_version: int) -> FleetTarget:
        return replace(_TARGET.validate_python(body), record_version=record_version)


@dataclass(frozen=True)
class Assignment:
    """What one device is to run, and as part of what. `promotion`: which one counts it, in which `wave`."""

    direction: str
    deployment: str | None = None
    model: ModelRef | None = None
    rivals: tuple[str, ...] = ()
    promotion: str | None = None
    wave: int = 0
    deadline_s: float | None = None
    incompatible: str | None = None

    @property
    def digest(self) -> str | None:
        return self.model.digest if self.model else None


def distinct(digests: Iterable[str], but: str) -> tuple[str, ...]:
    """The first few that a camera may run instead of the model `but`."""
    return tuple(dict.fromkeys(digest for digest in digests if digest != but))[:MAX_RIVALS]


def assignment(
    target: FleetTarget, device: Device, pinned: ModelRef | None, is_offered: bool = True, keeps: str | None = None
) -> Assignment:
    """`is_offered` False: no new model now, because the fleet's update window is closed to this device, which `keeps`
    the digest that it runs, if that stood before.
    """
    if pinned is not None:
        return Assignment(PINNED, PINNED, pinned)
    overlay = target.overlay
    wave = overlay.wave_of(device) if overlay else None
    if overlay is None or (overlay.direction == FORWARD and (wave is None or not is_offered)):
        return _settled(target, device, keeps)
    if overlay.direction == BACK:
        return _taken_back(target, device, overlay, wave)
    misfit = device.misfit(overlay.model)
    if misfit:
        settled = _settled(target, device, keeps)
        return replace(settled, promotion=overlay.deployment, wave=wave or 0, incompatible=misfit)
    return Assignment(
        FORWARD, overlay.deployment, overlay.model, overlay.rivals, overlay.deployment, wave or 0, overlay.deadline_s
    )


def _settled(target: FleetTarget, device: Device, keeps: str | None = None) -> Assignment:
    standing = target.named.get(device.id) or target.standing
    if target.before and keeps == target.before.model.digest and standing is target.standing:
        standing = target.before
    if standing is None:
        return Assignment(FACTORY)
    return Assignment(STANDING, standing.deployment, standing.model, standing.rivals)


def _taken_back(target: FleetTarget, device: Device, overlay: Overlay, wave: int | None) -> Assignment:
    """Proved against the model that is taken back, whoever the device is: it may have had it."""
    settled = _settled(target, device)
    rivals = (overlay.model.digest, *(rival for rival in overlay.rivals if rival != settled.digest))
    return Assignment(
        BACK, overlay.deployment, settled.model, rivals, overlay.deployment, wave or 0, overlay.deadline_s
    )


def mean_check_s(fleet: Fleet, devices: int, is_active: bool) -> float:
    """How long a device waits between two checks, on average: so long that all together stay under the fleet's rate."""
    usual_s = ACTIVE_CHECK_S if is_active else IDLE_CHECK_S
    # In steps of a quarter, so that a new device does not change every target.
    needed_s = 1.25 ** math.ceil(math.log(max(devices, 1) / fleet.checks_per_s, 1.25)) / (1 - JITTER)
    return max(usual_s, needed_s)


def next_check_s(fleet: Fleet, devices: int, device_id: str, is_active: bool) -> float:
    """When a device asks again: each at a pace of its own, but always the same."""
    draw = int.from_bytes(hashlib.sha256(f"pace\n{device_id}".encode()).digest()[:4]) / (1 << 32)
    return round(mean_check_s(fleet, devices, is_active) * (1 - JITTER + 2 * JITTER * draw), 1)


_FLEET = TypeAdapter(Fleet)
_TARGET = TypeAdapter(FleetTarget)
