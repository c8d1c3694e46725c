"""A camera as the service knows it: who it is, how it stands, and what it has gone through in a promotion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from chalicelib.domain.access import AccessKey, Scope
from chalicelib.domain.boots import Boots
from chalicelib.domain.deployment import ModelRef
from chalicelib.domain.quality import Window
from chalicelib.domain.ring import place_of

# What loading a model takes beside the engine's own: unpacked weights, their copy in the engine, activations.
ENGINE_MB = 128
DEVICE_PREFIX = "bsd"
# Instead of the proof of being back: its fleet, or for a pin.
LEFT = "left"
MEMORY_PER_ARTIFACT = 6


@dataclass(frozen=True)
class Device:
    """Written seldom. `pinned`: a model that it keeps whatever its fleet does. `key_sha256` None: revoked."""

    id: str
    fleet: str
    key_sha256: str | None
    created_at_s: float
    site: str = ""
    hardware: str = ""
    engine: str = "onnxruntime"
    memory_mb: int | None = None
    pinned: ModelRef | None = None
    record_version: int = 0

    @property
    def place(self) -> int:
        return place_of(self.id)

    @property
    def key(self) -> AccessKey:
        """As authentication checks it; it fits this device only."""
        return AccessKey(
            f"device:{self.id}",
            self.key_sha256 or "",
            frozenset({Scope.DEVICE}),
            self.id,
            self.created_at_s,
            device_id=self.id,
        )

    def misfit(self, model: ModelRef) -> str | None:
        """Why this device cannot run the model, as a sentence; None when nothing speaks against it."""
        if self.engine not in model.engines:
            return f"Its engine is {self.engine}; {model.model_id} runs on {', '.join(model.engines) or 'none'}."
        needed_mb = ENGINE_MB + MEMORY_PER_ARTIFACT * model.bytes // (1024 * 1024)
        if self.memory_mb is not None and self.memory_mb < needed_mb:
            return f"It has {self.memory_mb} MB of memory; {model.model_id} needs about {needed_mb}."
        return None

    def to_body(self) -> dict[str, Any]:
        return {**asdict(self), "pinned": asdict(self.pinned) if self.pinned else None}

    @classmethod
    def from_body(cls, body: Mapping[str, Any], record_version: int) -> Device:
        pinned = body["pinned"]
        ref = ModelRef(**{**pinned, "engines": tuple(pinned["engines"])}) if pinned else None
        return cls(**{**body, "pinned": ref, "record_version": record_version})


@dataclass(frozen=True)
class Verification:
    """What the last proof came to: of which digest, in which boot, for which promotion."""

    deployment: str
    digest: str
    boot: str
    verdict: str
    reason: str = ""
    distance: float | None = None
    at_s: float = 0.0

    @property
    def is_verified(self) -> bool:
        return self.verdict == "verified"


@dataclass(frozen=True)
class DeviceState:
    """Written with every report. `window` counts since the loaded model was activated, `before` on the model before.

    `offset_s`: the device's clock minus ours, measured; no decision uses it. `refused`: deployments that this device
    failed to activate or to prove, the newest last.
    """

    device: str
    boots: Boots = field(default_factory=Boots)
    seen_at_s: float = 0.0
    digest: str | None = None
    stage: str = ""
    verification: Verification | None = None
    refused: tuple[str, ...] = ()
    window: Window | None = None
    before: Window | None = None
    scene: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    outbox: Mapping[str, int] = field(default_factory=dict)
    failure: Mapping[str, str] | None = None
    offset_s: float | None = None
    record_version: int = 0

    def is_verified_on(self, deployment: str | None, digest: str | None, boot: str) -> bool:
        proof = self.verification
        asked = (deployment, digest, boot)
        return proof is not None and proof.is_verified and (proof.deployment, proof.digest, proof.boot) == asked

    def to_body(self) -> dict[str, Any]:
        body = {name: value for name, value in vars(self).items() if name != "record_version"}
        for name in ("boots", "verification", "window", "before"):
            body[name] = vars(body[name]) if body[name] is not None else None
        return body

    @classmethod
    def from_body(cls, body: Mapping[str, Any], record_version: int) -> DeviceState:
        return cls(
            **{
                **body,
                "boots": Boots(**body["boots"]),
                "verification": Verification(**body["verification"]) if body["verification"] else None,
                "window": Window(**body["window"]) if body["window"] else None,
                "before": Window(**body["before"]) if body["before"] else None,
                "refused": tuple(body["refused"]),
                "record_version": record_version,
            }
        )


@dataclass(frozen=True)
class Member:
    """What a device has gone through in a promotion: `seen`, decided (`outcome`), `worse`; taken back: `back`, which is
    `verified`, `factory` or `left`.

    `deadline_s` None: nothing is waited for.
    """

    device: str
    wave: int
    seen_at_s: float
    outcome: str | None = None
    reason: str = ""
    worse: str = ""
    back: str | None = None
    deadline_s: float | None = None
    record_version: int = 0

    def decided(self, outcome: str, reason: str = "") -> Member:
        return replace(self, outcome=outcome, reason=reason, deadline_s=None)

    def to_body(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "record_version"}


def device_token(device_id: str, secret: str) -> str:
    return f"{DEVICE_PREFIX}_{device_id}_{secret}"
